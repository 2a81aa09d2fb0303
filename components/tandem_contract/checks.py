"""Checks of input that people write. All mistakes are collected, so that they are told at once."""

import json
import math
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .errors import Mistake, Mistakes

SHOWN_CHARACTERS = 80
NOT_EMPTY = r"(?s).*\S.*"


class Checks:
    """Reads values and collects what is wrong with them.

    Each check returns the value, or None where it is refused. `under` gives checks of what is nested, into the same
    list. `place` stands before each key: `train.jsonl:3`.
    """

    def __init__(self, place: str = ""):
        self.mistakes: list[Mistake] = []
        self._before = f"{place}: " if place else ""

    def under(self, key: object) -> "Checks":
        """Checks of what `key` holds; an index gives `key[0]`'s form when the key is written so."""
        return self._nested(f"{self._before}{key}.")

    def at(self, place: str) -> "Checks":
        """Checks of what stands at another place: `train.jsonl:4`."""
        return self._nested(f"{place}: ")

    def _nested(self, before: str) -> "Checks":
        nested = Checks()
        nested.mistakes, nested._before = self.mistakes, before
        return nested

    def add(self, key: object, problem: str, remedy: str) -> None:
        """A mistake in one's own words."""
        where = f"{self._before}{key}" if key != "" else self._before.rstrip(": .")
        # A key of JSON may hold anything, also what no output takes: half a surrogate pair.
        where = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in where)
        self.mistakes.append(Mistake(where, problem, remedy))

    def refuse(self, key: object, value: Any, allowed: str, remedy: str) -> None:
        """A value that isn't allowed."""
        self.add(key, f"{shown(value)} is not allowed ({allowed})", remedy)

    def missing(self, key: object, remedy: str) -> None:
        """A key that has to be there."""
        self.add(key, "is missing", remedy)

    def number(self, key: object, value: Any, low: float, high: float, unit: str = "", remedy: str = "") -> Any:
        """A number from `low` to `high`; whole limits ask for a whole number, which other languages send as a float."""
        whole = isinstance(low, int) and isinstance(high, int)
        if is_number(value) and low <= value <= high and (not whole or value == int(value)):
            return int(value) if whole else float(value)
        kind = f"{'a whole number' if whole else 'a number'}{f' of {unit}' if unit else ''}"
        limits = f"{kind}, {low} or more" if high == math.inf else f"{kind} from {low} to {high}"
        self.refuse(key, value, limits, remedy or "Choose one of these.")
        return None

    def choice(self, key: object, value: Any, allowed: Iterable[str], remedy: str = "") -> Any:
        """One of the allowed texts."""
        allowed = list(allowed)
        if isinstance(value, str) and value in allowed:
            return value
        self.refuse(key, value, ", ".join(allowed), near(value, allowed) or remedy or f"Choose {' or '.join(allowed)}.")
        return None

    def text(self, key: object, value: Any, allowed: str = "a text", remedy: str = "", pattern: str = NOT_EMPTY) -> Any:
        """A text that matches a pattern as a whole: by default one that isn't empty."""
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        self.refuse(key, value, allowed, remedy or "Write a text.")
        return None

    def flag(self, key: object, value: Any, remedy: str = "Write it without quotes.") -> Any:
        """true or false."""
        if isinstance(value, bool):
            return value
        self.refuse(key, value, "true or false", remedy)
        return None

    def mapping(self, key: object, value: Any, remedy: str) -> Mapping[str, Any]:
        """A mapping of keys to values; an empty one where it is refused."""
        if isinstance(value, Mapping):
            return value
        self.add(key, f"{shown(value)} is not a mapping of keys to values", remedy)
        return {}

    def sequence(self, key: object, value: Any) -> Sequence[Any]:
        """A list; an empty one where it is refused."""
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return value
        self.add(key, f"{shown(value)} is not a list", "Write it in brackets, also one alone.")
        return []

    def known(self, given: Iterable[object], known: Collection[str], what: str = "a key") -> None:
        """Keys that exist, each with a near one named where it doesn't."""
        for key in given:
            if key not in known:
                self.add(key, f"is not {what}", near(key, known) or f"Known here: {', '.join(known)}.")

    def finish(self, subject: str) -> None:
        """Raises `Mistakes` about `subject` if there are any."""
        if self.mistakes:
            raise Mistakes(subject, self.mistakes)


def is_output(value: object) -> bool:
    """Whether it is another resource's output, or awaited, so that nobody can look into it yet."""
    return hasattr(value, "apply") or hasattr(value, "__await__")


def is_number(value: Any) -> bool:
    """Whether it is a finite number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def near(value: object, known: Iterable[str]) -> str:
    """`Did you mean ...?`, or nothing where none of the known ones is like it."""
    import difflib  # here, since functions start with this module and seldom need it

    found = difflib.get_close_matches(str(value), list(known), n=1)
    return f"Did you mean `{found[0]}`?" if found else ""


def shown(value: Any) -> str:
    """A value as a message shows it: a text in quotes, all else as JSON where it can be; on one line, cut."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_output)
    except (TypeError, ValueError, RecursionError):
        try:
            own = type(value).__repr__ is not object.__repr__
            text = " ".join(repr(value).split()) if own else f"a value of type {type(value).__name__}"
        except (ValueError, RecursionError):  # ValueError: a whole number of more than 4,300 digits
            text = f"a value of type {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def _output(value: object) -> str:
    if is_output(value):
        return "an output"
    raise TypeError
