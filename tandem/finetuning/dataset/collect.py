"""Collecting a data set: from a person's files to checked splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import leaks, splits
from .importers import Reader
from .manifest import check_texts


@dataclass(frozen=True)
class Collected:
    """The rows of each split, how many rows were read, how many of them left out as duplicates, and warnings."""

    splits: splits.Splits
    read: int
    duplicates: int
    warnings: list[str]
    record: dict[str, Any]
    """What the manifest says of the import: `left_out`, fields and in how many rows; `skipped` rows; `group_by`."""


def collect(files: list[Path] | Mapping[str, Path], reader: Reader, split: str, texts: Mapping[str, str]) -> Collected:
    """Read files and divide them by `split` (percentages, "80/10/10"), or take a file for each of the three splits.

    `texts` are `name`, `licence` and `source`. Raises `Mistakes` with every one in rows, splits and texts.
    """
    checks = reader.checks
    command = checks.at("the command")
    check_texts(texts, command)
    if isinstance(files, Mapping):
        for name in splits.SPLITS:
            if name not in files:
                command.missing(f"--{name}", "Give a file for each of the three splits.")
        divided = {name: reader.read(files[name]) if name in files else [] for name in splits.SPLITS}
    else:
        rows = [row for file in files for row in reader.read(file)]
        if (shares := splits.proportions(split)) is None:
            remedy = f"Give train/validation/test, as in {splits.DEFAULT}."
            command.refuse("--split", split, "three percentages above 0, together 100", remedy)
        divided = splits.divide(rows, shares or (0.8, 0.1, 0.1))  # so that the rows are looked at too
        del rows
    read = sum(map(len, divided.values()))
    kept = {name: splits.without_duplicates(rows) for name, rows in divided.items()}
    duplicates = read - sum(map(len, kept.values()))
    warnings = _said_by(reader)
    if isinstance(files, Mapping):
        leaks.check(kept, checks)
    else:
        kept, leaked = leaks.leave_out(kept, by_start=reader.group_by is None)
        warnings += leaked
    if not checks.mistakes:  # else a split may be empty because its rows are bad
        splits.check_empty(kept, checks)
    checks.finish(splits.SUBJECT)
    if isinstance(files, Mapping) or reader.group_by:  # else what is near is in one split
        warnings += leaks.near(kept)
    return Collected(kept, read, duplicates, warnings + leaks.tails(kept) + leaks.conflicts(kept), _record(reader))


def _said_by(reader: Reader) -> list[str]:
    skipped = [f"skipped: {mistake}" for mistake in reader.skipped]
    found = []
    if reader.cut:
        found.append(
            f"{len(reader.cut)} rows end in answers of weight 0, which were left out; the first is {reader.cut[0]}"
        )
    if places := reader.placeholders:
        found.append(
            f"{len(places)} rows have <image> or the like in place of what is no text; the first is {places[0]}; leave "
            "them out if their answers depend on it"
        )
    return found + skipped


def _record(reader: Reader) -> dict[str, Any]:
    record = {
        "left_out": dict(sorted(reader.left_out.items())),
        "skipped": reader.skipped_rows,
        "group_by": reader.group_by,
    }
    return {key: value for key, value in record.items() if value}
