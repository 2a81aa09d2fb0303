"""Cells of a table that go on over columns and rows."""

from collections.abc import Iterable
from typing import NamedTuple

MAX_COLUMNS = 100
"""Up to here cells go on: a row that says nothing but how wide it is would take all memory."""
LONGEST_REPEATED = 200


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    columns: int = 1
    rows: int = 1


class Spans:
    """The cells of a table's rows so far that go on in those below."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, str]] = {}
        """Of a column: in how many more rows, and its text."""

    def row(self, cells: Iterable[Cell]) -> list[str]:
        """The texts of the next row by column: a text is repeated in each row that its cell is in, and stands in the
        first of its columns. Empty if none of the cells that begin in the row has a text."""
        line: list[str] = []
        opened: dict[int, tuple[int, str]] = {}
        says = False
        for cell in cells:
            while len(line) in self._open:
                line.append(self._open[len(line)][1])
            at = len(line)
            columns = cell.columns if at + cell.columns <= MAX_COLUMNS else 1
            line += [cell.text, *[""] * (columns - 1)]
            says = says or bool(cell.text.strip())
            if cell.rows > 1 and at < MAX_COLUMNS:
                opened |= dict.fromkeys(range(at, at + columns), (cell.rows, ""))
                opened[at] = cell.rows, cell.text if len(cell.text) <= LONGEST_REPEATED else ""
        for at in sorted(column for column in self._open if column >= len(line)):
            line += [*[""] * (at - len(line)), self._open[at][1]]
        self._open = {at: (rows - 1, text) for at, (rows, text) in (self._open | opened).items() if rows > 1}
        return line if says else []
