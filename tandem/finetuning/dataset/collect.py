"""Collecting a data set: from a person's files to checked splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import splits
from .importers import Reader
from .manifest import check_texts


@dataclass(frozen=True)
class Collected:
    """The rows of each split, how many rows were read, how many of them left out as duplicates, and warnings."""

    splits: splits.Splits
    read: int
    duplicates: int
    warnings: list[str]


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
    kept = {name: splits.without_duplicates(rows) for name, rows in divided.items()}
    splits.check_leaks(kept, checks)
    if not checks.mistakes:  # else a split may be empty because its rows are bad
        splits.check_empty(kept, checks)
    checks.finish(splits.SUBJECT)
    read = sum(map(len, divided.values()))
    return Collected(kept, read, read - sum(map(len, kept.values())), reader.warnings + splits.conflicts(kept))
