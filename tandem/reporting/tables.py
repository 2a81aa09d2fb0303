"""A table of texts: aligned for the terminal, or in Markdown. On a page a table's cells hold pictures: templates do it.

`Table(("metric", "mean"), [("recall", "0.8")], right=(1,)).markdown()`
"""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .escape import clipped, code, inert, lined

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

WIDTH = 160
"""Columns of a terminal that doesn't say how wide it is, such as a file."""
CELL = 300
"""Characters of a cell in Markdown."""


@dataclass(frozen=True)
class Table:
    """Rows of cells under the names of their columns; without any name a table has no head, and one column is a list.

    Nothing in a cell is markup, whatever it is printed as, and each is one line.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[int] = ()
    """Places of the columns that are aligned to the right: amounts."""
    names: Collection[int] = ()
    """Places of the columns of names, which are code in Markdown."""

    def markdown(self) -> str:
        """The table, or a list, with each cell cut to `CELL` characters."""
        rows = [
            [(code if at in self.names else inert)(clipped(cell, CELL)) for at, cell in enumerate(row)]
            for row in self.rows
        ]
        if self.is_list:
            return "\n".join(f"- {cell}" for (cell,) in rows)
        heads = [inert(column) for column in self.columns]
        rule = ["--:" if at in self.right else "---" for at in range(len(heads))]
        return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rule, *rows))

    def text(self) -> str:
        """The table with aligned columns, as wide as its cells ask for."""
        from rich.console import Console

        console = Console(file=io.StringIO(), width=1_000_000, color_system=None, highlight=False, markup=False)
        with console.capture() as captured:
            console.print(self.rich())
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    def rich(self) -> "RichTable":
        """The table for `console().print`, which folds cells where the terminal is too narrow."""
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(
            box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(self.columns)
        )
        for at, column in enumerate(self.columns):
            table.add_column(Text(column), justify="right" if at in self.right else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*(Text(lined(cell)) for cell in row))
        return table

    @property
    def is_list(self) -> bool:
        """Whether it is one column without a name."""
        return len(self.columns) == 1 and not self.columns[0]


def console(*, stderr: bool = False) -> "Console":
    """A terminal that prints texts as they are: nothing in them is markup, and no number is coloured."""
    from rich.console import Console

    found = Console(stderr=stderr, highlight=False, markup=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found
