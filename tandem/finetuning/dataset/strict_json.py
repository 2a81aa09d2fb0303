"""JSON as its standard has it: NaN is refused, and a key that an object has twice is told."""

import json
from collections import Counter
from math import isfinite
from typing import Any

DIGITS = 17  # that tell all floats apart; more of them would be lost
TWICE = ("stands twice in an object", "Keep one: the other would be lost.")  # problem and remedy


class Inexact(float):
    """A number that a float doesn't hold as it is written: it has too many digits, or is too large."""


def _number(written: str) -> float:
    value = float(written)
    digits = written.lower().partition("e")[0].replace(".", "").strip("-0")
    return value if isfinite(value) and len(digits) <= DIGITS else Inexact(value)


def inexact(value: Any) -> float | None:
    """A number in a value that JSON wouldn't have as it was, if there is one."""
    left = [value]  # not by recursion: values may be nested deeper than calls
    while left:
        each = left.pop()
        if isinstance(each, float) and (isinstance(each, Inexact) or not isfinite(each)):
            return each
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return None


def decoder() -> tuple[json.JSONDecoder, list[str]]:
    """A decoder, and the list to which it adds each key that an object has twice."""
    twice: list[str] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice.extend(key for key, count in counts.items() if count > 1)
        return found

    def constant(name: str) -> None:
        raise ValueError(f"{name} is no number of JSON")

    return json.JSONDecoder(object_pairs_hook=made, parse_float=_number, parse_constant=constant), twice
