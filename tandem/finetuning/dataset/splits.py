"""Divides rows into train, validation and test by a digest of the prompt, and finds what must not be in them."""

import hashlib
from collections.abc import Iterable, Mapping

from .mistakes import Mistake
from .rows import Row

SPLITS = ("train", "validation", "test")
DEFAULT = "80/10/10"
Splits = dict[str, list[Row]]


def proportions(text: str) -> tuple[float, float, float]:
    """Return train, validation and test as fractions; raises ValueError unless three percentages make 100."""
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError:
        train = validation = test = 0.0
    if not (min(train, validation, test) > 0 and abs(train + validation + test - 1) < 1e-9):
        raise ValueError(f"give train/validation/test in percent, each above 0, together 100, as in {DEFAULT}")
    return train, validation, test


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


def leaks(splits: Mapping[str, list[Row]]) -> list[Mistake]:
    """Return a mistake for each row whose prompt is in an earlier split too, white space and case aside."""
    seen: dict[str, tuple[str, Row]] = {}
    mistakes = []
    for name in SPLITS:
        for row in splits[name]:
            other, first = seen.setdefault(row.prompt, (name, row))
            if other != name:
                remedy = f"it is in {other} too ({first.place}): leave it out of one, or the score measures memory"
                mistakes.append(Mistake(row.file, row.line, f"the prompt of a {name} row", row.question, remedy))
    return mistakes


def empty(splits: Mapping[str, list[Row]]) -> list[Mistake]:
    """Return a mistake for each split without rows."""
    remedy = "give more rows, a larger share with --split, or files for all three (--train, --validation, --test)"
    return [Mistake(name, 0, "the split", "empty", remedy) for name in SPLITS if not splits[name]]


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
