"""Tables of results, and their places in the README."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

Say = Callable[[str], None]
"""Takes a line of progress."""


@dataclass(frozen=True)
class Table:
    """One benchmark's results: the first column names the row, the others are numbers, already formatted."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown, padded so that its source is readable too."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        first, *others = widths

        def row(line: Sequence[str]) -> str:
            cells = [line[0].ljust(first), *map(str.rjust, line[1:], others)]
            return "| " + " | ".join(cells) + " |"

        rule = ["-" * first, *("-" * (width - 1) + ":" for width in others)]
        return "\n".join([row(self.columns), row(rule), *map(row, self.rows)])


@dataclass(frozen=True)
class Tables:
    """A benchmark's results in several tables, one below the other."""

    tables: Sequence[Table]

    def markdown(self) -> str:
        """See `Table.markdown`."""
        return "\n\n".join(table.markdown() for table in self.tables)


def median_ratio(values: Sequence[float], bases: Sequence[float]) -> float:
    """The median of each round's ratio: what slows a whole round down cancels out."""
    return median(value / base for value, base in zip(values, bases, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of 100 of the values don't exceed (nearest rank)."""
    if not values:
        raise ValueError("a percentile of no values is asked for")
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def write_section(readme: Path, name: str, content: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- end -->`; raises `ValueError` if they aren't there."""
    text = readme.read_text()
    section = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not section.search(text):
        raise ValueError(f"{readme.name} has no section {name!r}: put <!-- {name} --> and <!-- end --> into it")
    readme.write_text(section.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text))
