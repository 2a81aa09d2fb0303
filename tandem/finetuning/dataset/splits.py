"""Divides rows into train, validation and test by a digest of the prompt, and finds what must not be in them."""

import hashlib
from collections.abc import Iterable, Mapping

from tandem_contract.checks import Checks

from .rows import Row

SPLITS = ("train", "validation", "test")
DEFAULT = "80/10/10"
SUBJECT = "The data set"
Splits = dict[str, list[Row]]


def proportions(text: str) -> tuple[float, float, float] | None:
    """Return train, validation and test as fractions; None unless three percentages above 0 make 100."""
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError:
        return None
    whole = min(train, validation, test) > 0 and abs(train + validation + test - 1) < 1e-9
    return (train, validation, test) if whole else None


def divide(rows: Iterable[Row], shares: tuple[float, float, float]) -> Splits:
    """Put every row into the split that its prompt's digest names: the same prompt is always in the same split."""
    train, validation, _ = shares
    splits: Splits = {name: [] for name in SPLITS}
    for row in rows:
        point = int.from_bytes(hashlib.sha256(row.prompt.encode()).digest()[:8]) / 2**64
        name = "train" if point < train else "validation" if point < train + validation else "test"
        splits[name].append(row)
    return splits


def without_duplicates(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in order, of those with the same messages the first."""
    seen: dict[tuple[tuple[str, str], ...], Row] = {}
    for row in rows:
        seen.setdefault(row.messages, row)
    return list(seen.values())


def check_leaks(splits: Mapping[str, list[Row]], checks: Checks) -> None:
    """Add a mistake for each row whose prompt is in an earlier split too, white space and case aside."""
    seen: dict[str, tuple[str, Row]] = {}
    for name in SPLITS:
        for row in splits[name]:
            other, first = seen.setdefault(row.prompt, (name, row))
            if other != name:
                problem = f"{row.question} is in {other} too ({first.place})"
                remedy = "Leave it out of one, or the score measures memory."
                checks.at(row.place).add(f"the prompt of a {name} row", problem, remedy)


def check_empty(splits: Mapping[str, list[Row]], checks: Checks) -> None:
    """Add a mistake for each split without rows."""
    for name in SPLITS:
        if not splits[name]:
            remedy = (
                "Give more rows, a larger share with --split, or files for all three (--train, --validation, --test)."
            )
            checks.add(name, "the split is empty", remedy)


def conflicts(splits: Mapping[str, list[Row]]) -> list[str]:
    """Return a warning for each prompt that a split has with more than one answer."""
    warnings = []
    for name in SPLITS:
        seen: dict[str, Row] = {}
        for row in splits[name]:
            first = seen.setdefault(row.prompt, row)
            if first.messages[-1] != row.messages[-1]:
                warnings.append(f"{row.place}: {row.question} has another answer in {first.place}")
    return warnings
