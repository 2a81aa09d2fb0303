"""JSON as its standard has it: NaN is refused, and a key that an object has twice is told."""

import json
from collections import Counter
from typing import Any

TWICE = ("stands twice in an object", "Keep one: the other would be lost.")  # problem and remedy


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

    return json.JSONDecoder(object_pairs_hook=made, parse_constant=constant), twice
