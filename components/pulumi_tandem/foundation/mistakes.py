"""Bad arguments, reported all at once and before any resource is registered."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import pulumi


class Mistake(NamedTuple):
    """One argument that can't be used."""

    key: str
    value: Any
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value!r} is not allowed ({self.allowed}). {self.remedy}"


class InvalidArguments(pulumi.RunError, ValueError):
    """Lists every mistake: key, value, what is allowed, and the remedy."""

    def __init__(self, subject: str, mistakes: Iterable[Mistake]):
        self.mistakes = list(mistakes)
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{subject} has {len(self.mistakes)} invalid argument(s):\n{lines}")


def outside(key: str, value: Any, low: float, high: float, unit: str, remedy: str) -> list[Mistake]:
    """A mistake unless `value` is a number from `low` to `high`. Whole limits ask for a whole number."""
    whole = isinstance(low, int) and isinstance(high, int)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and low <= value <= high and (not whole or value == int(value)):
        return []
    kind = "a whole number" if whole else "a number"
    return [Mistake(key, value, f"{kind} of {unit} from {low} to {high}", remedy)]


def among(key: str, value: Any, kind: type[Enum]) -> list[Mistake]:
    """A mistake unless `value` is one of an enum's members or their values."""
    if value in {member.value for member in kind}:
        return []
    allowed = " or ".join(str(member.value) for member in kind)
    return [Mistake(key, value, allowed, f"Choose {allowed}.")]


def unknown_arguments(given: Mapping[str, Any], known: Mapping[str, Any]) -> list[Mistake]:
    """A mistake for each argument that doesn't exist."""
    remedy = f"Remove it; the arguments are {', '.join(known)}."
    return [Mistake(key, given[key], "not an argument", remedy) for key in given if key not in known]
