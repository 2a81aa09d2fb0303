"""From the files that a person has to the checked splits of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .importers import Reader
from .manifest import text_mistakes
from .mistakes import MISSING, DataSetError, Mistake
from .splits import DEFAULT, SPLITS, Splits, conflicts, divide, empty, leaks, proportions, without_duplicates

PLACE = "the command"


@dataclass(frozen=True)
class Collected:
    """The rows of each split, how many rows were read, how many of them left out as duplicates, and warnings."""

    splits: Splits
    read: int
    duplicates: int
    warnings: list[str]


def collect(files: list[Path] | Mapping[str, Path], reader: Reader, split: str, texts: Mapping[str, str]) -> Collected:
    """Read files and divide them by `split` (percentages, "80/10/10"), or take a file for each of the three splits.

    `texts` are `name`, `licence` and `source`. Raises `DataSetError` with every mistake in rows, splits and texts.
    """
    mistakes = text_mistakes(texts, PLACE)
    if isinstance(files, Mapping):
        missing = [f"--{name}" for name in SPLITS if name not in files]
        mistakes += [Mistake(PLACE, 0, name, MISSING, "give a file for each of the three splits") for name in missing]
        splits = {name: reader.read(files[name]) if name in files else [] for name in SPLITS}
    else:
        rows = [row for file in files for row in reader.read(file)]
        try:
            shares = proportions(split)
        except ValueError as error:
            mistakes.append(Mistake(PLACE, 0, "--split", split, str(error)))
            shares = proportions(DEFAULT)  # so that the rows are looked at too
        splits = divide(rows, shares)
    kept = {name: without_duplicates(rows) for name, rows in splits.items()}
    mistakes += reader.mistakes + leaks(kept)
    mistakes = mistakes or empty(kept)  # a split may be empty because its rows are bad
    if mistakes:
        raise DataSetError(mistakes)
    read = sum(map(len, splits.values()))
    return Collected(kept, read, read - sum(map(len, kept.values())), reader.warnings + conflicts(kept))
