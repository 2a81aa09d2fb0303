"""Gathering text under headings, for formats whose parts come one after the other."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from .section import HEADING_CHARACTERS, HeadingPath, Loss, Section

TABLE_ROWS = 1000
"""Rows in one section: a table of a million is yielded as it is read."""
LONG = 100_000
"""Characters that are yielded as a section although the next heading is yet to come."""


WIDE, WIDE_HEADER = 30, 300
"""Columns of a sheet, and characters of its header, that a chunk still has room for."""
LONGEST_NAME = 100
"""Characters of a column's name: what is longer is no header, but text."""

Cells = Sequence[tuple[int, str]]
"""The cells of a row that aren't empty, with their columns from 0."""


class Outline:
    """The text since the last heading, and the headings above it."""

    def __init__(self, is_data: bool = False) -> None:
        """Of data, lines stay whole as the rows of a table do: a name is never cut from its value."""
        self._header = "" if is_data else None
        self._path = HeadingPath()
        self._blocks: list[str] = []
        self._size = 0
        self._in_list = False
        self._bare: tuple[int, Section] | None = None

    def title(self, title: str) -> None:
        """Name the document: its title is above all of its text, and is no text of its own."""
        if title := " ".join(title.split()):
            self._bare = 0, Section(title)
            self._path.enter(0, title)
            if len(title) > HEADING_CHARACTERS:
                self.text(title)

    def part(self, title: str) -> Iterator[Section]:
        """Come upon a part of the document that has a name: it is above the part's text, and no text of its own."""
        yield from self.flush()
        self._bare = None
        self._path.enter(1, title)

    def heading(self, level: int, title: str, page: int | None = None) -> Iterator[Section]:
        """Come upon a heading: the text before it is a section, and a heading with nothing below it is one too."""
        title = " ".join(title.split())
        if not title:
            return
        yield from self.flush(page)
        before = self._bare
        self._path.enter(level, "")
        self._bare = level, Section(title, page, str(self._path) or None)
        self._path.enter(level, title)
        if before and (level <= before[0] or not self._path.is_whole):
            yield before[1]
        if len(title) > HEADING_CHARACTERS:
            self.text(title)

    def text(self, block: str, item: bool = False) -> None:
        """Add a paragraph or another block; items of a list stand on lines of their own, without space between."""
        if block.strip():
            if self._blocks:
                self._blocks.append("\n" if item and self._in_list else "\n\n")
            self._blocks.append(block.strip("\n"))
            self._size += len(block)
            self._in_list = item

    def table(self, rows: Iterable[str], header: str = "", page: int | None = None) -> Iterator[Section]:
        """Come upon a table, whose rows are lines (`row`); a header with nothing below it is a row."""
        yield from self.flush(page)
        lines = iter(rows)
        piece = list(islice(lines, TABLE_ROWS))
        if header and not piece:
            header, piece = "", [header]
        while piece:
            self._bare = None
            yield Section("\n".join(piece), page, str(self._path) or None, header)
            piece = list(islice(lines, TABLE_ROWS))

    def columns(self, names: Cells, rows: Iterable[Cells]) -> Iterator[Section]:
        """Come upon a table by its cells: a wide one has no header, but the name beside each value."""
        yield from self.table(*_table(names, rows))

    def sheet(self, rows: Iterator[Cells]) -> Iterator[Section]:
        """Come upon the rows of a sheet: the first with several cells is the header, and lines above it are text."""
        for first in rows:
            if len(first) > 1:
                yield from self.columns(first, rows)
                return
            for _, text in first:
                self.text(text, item=True)
            yield from self.overflow()

    def overflow(self) -> Iterator[Section]:
        """Yield the text so far if it is long: a chapter without headings isn't held in memory whole."""
        if self._size > LONG:
            yield from self.flush()

    def flush(self, page: int | None = None) -> Iterator[Section]:
        """End the text so far."""
        if self._blocks:
            self._bare = None
            yield Section("".join(self._blocks), page, str(self._path) or None, self._header)
            self._blocks, self._size = [], 0

    def end(self, page: int | None = None) -> Iterator[Section]:
        """End the document."""
        yield from self.flush(page)
        if self._bare and self._bare[0]:
            yield self._bare[1]
        self._bare = None


def row(cells: Sequence[str]) -> str:
    """A row of a table as one line, without the empty cells at its end; empty for a row of empty cells."""
    texts = [" ".join(cell.split()) for cell in cells]
    while texts and not texts[-1]:
        texts.pop()
    return " | ".join(texts)


def filled(cells: Iterable[str]) -> Cells:
    """The cells of a row of a sheet."""
    return [(at, text) for at, cell in enumerate(cells) if (text := " ".join(cell.split()))]


def _table(first: Cells, rows: Iterable[Cells]) -> tuple[Iterator[str], str]:
    """The rows of a sheet as lines, and its header if the first row is one.

    A chunk has no room for a wide header: there each value has its name beside it.
    """
    width = first[-1][0] + 1 if first else 0
    header = _line(first, WIDE)
    if any(len(text) > LONGEST_NAME for _, text in first):
        return (_line(cells, WIDE) for cells in chain([first], rows)), ""
    if width > WIDE or len(header) > WIDE_HEADER:
        names = dict(first)
        return chain([header], (line for cells in rows for line in _named(names, cells))), ""
    return (_line(cells, width) for cells in rows), header


def _line(cells: Cells, width: int) -> str:
    """A row as one line; those beyond the width of the table stand behind it, however far they are."""
    within = [""] * min(width, cells[-1][0] + 1) if cells else []
    beyond = []
    for at, text in cells:
        if at < width:
            within[at] = text
        else:
            beyond.append(text)
    return " | ".join((*within, *beyond))


def _named(names: dict[int, str], cells: Cells) -> Iterator[str]:
    """A row as lines of names and values, each of which begins with the row's first."""
    first, *others = [f"{names[at]}: {text}" if at in names else text for at, text in cells]
    line = first
    for other in others:
        if len(line) + len(other) > WIDE_HEADER and line != first:
            yield line
            line = first
        line += f" | {other}"
    yield line


def below(heading: str, parts: Iterable[Section | Loss]) -> Iterator[Section | Loss]:
    """The sections of a document within another, below a heading of that one."""
    for part in parts:
        if isinstance(part, Section) and heading and part.heading != heading:
            yield part._replace(heading=f"{heading} > {part.heading}" if part.heading else heading)
        else:
            yield part
