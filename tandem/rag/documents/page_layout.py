"""Lines of pages: in columns, and with words broken at their ends."""

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple


class Box(NamedTuple):
    """Where something is drawn; y grows upwards."""

    left: float
    bottom: float
    right: float
    top: float


class Line(NamedTuple):
    """A line of a page, or some that are joined by words broken at their ends."""

    text: str
    top: float
    """The baseline of its first character."""
    bottom: float
    """The baseline of its last character."""
    start: int
    """Where its first character is in the page's text, in units of UTF-16."""
    number: str = ""
    """In a margin: what stands far apart at its beginning or end, and may be the page's number."""


def units(text: str) -> int:
    """The length of a text in units of UTF-16, by which pdfium counts."""
    return len(text) if text.isascii() or max(text) <= "\uffff" else len(text.encode("utf-16-le", "surrogatepass")) // 2


def line_gaps(lines: Sequence[Line]) -> list[float]:
    """The distances between lines that follow each other downwards."""
    return [gap for before, after in pairwise(lines) if (gap := before.bottom - after.top) > 0]


# Columns

MIN_LINES = 6
"""As many lines must have the same gap for it to be between columns."""
GAP = 0.8
"""Of a line's height: a narrower gap is between words."""
BAND_GAP = 3
"""Of the usual distance between lines: below it columns begin anew."""
WORDS, LONG, FILLED = 4, 8, 0.75
"""Lines of prose have so many words, are so many times as long as high, and fill so much of their column."""
GUTTER = 0.4
"""Of the narrower column beside it: a wider gap is one of a table."""


def gutters(boxes: Sequence[Box]) -> list[float]:
    """Where the gaps between columns are, on a page whose columns of prose are drawn line by line across."""
    boxes = [box for box in boxes if box.right > box.left and box.top > box.bottom]
    if len(boxes) < 2 * MIN_LINES:
        return []
    rows = list(_rows(boxes))
    height = median(box.top - box.bottom for box in boxes)
    gaps = []
    for row in rows:
        end = row[0].right
        for box in row[1:]:
            if box.left - end > GAP * height:
                gaps.append((end, box.left))
            end = max(end, box.right)
    if len(gaps) < MIN_LINES:
        return []
    found = list(_common(gaps))
    # Drawn across, each line jumps back to the left; drawn column by column, only their ends jump back to the top.
    jumps = sum(after.right < x < before.left for x in found[:1] for before, after in pairwise(boxes))
    columns = _columns(rows, found)
    is_prose = jumps >= MIN_LINES - 1 and all(_is_prose(column, height) for column in columns)
    return found if is_prose and all(_are_beside(*pair) for pair in pairwise(columns)) else []


def _is_prose(column: Sequence[Box], height: float) -> bool:
    """Whether the lines of a column are long and of about the same length; those of a table aren't."""
    widths = [line.right - line.left for line in column]
    return len(widths) >= MIN_LINES and median(widths) >= max(FILLED * max(widths), LONG * height)


def _are_beside(left: Sequence[Box], right: Sequence[Box]) -> bool:
    """Whether two columns are near each other: prose fills its place, and the cells of a table don't."""
    end, start = max(line.right for line in left), min(line.left for line in right)
    width = min(end - min(line.left for line in left), max(line.right for line in right) - start)
    return start - end <= GUTTER * width


def _columns(rows: Sequence[Sequence[Box]], between: Sequence[float]) -> list[list[Box]]:
    """The lines of each column, without what lies across a gutter."""
    lines: list[list[Box]] = [[] for _ in range(len(between) + 1)]
    for row in rows:
        columns: dict[int, list[Box]] = defaultdict(list)
        for box in row:
            if (column := bisect(between, box.left)) == bisect(between, box.right):
                columns[column].append(box)
        for column, line in columns.items():
            lines[column].append(line[0]._replace(right=max(box.right for box in line)))
    return lines


def _rows(boxes: Iterable[Box]) -> Iterator[list[Box]]:
    """What is drawn at the same height, from left to right."""
    row: list[Box] = []
    for box in sorted(boxes, key=lambda box: -(box.top + box.bottom)):
        if row and not row[0].bottom < (box.top + box.bottom) / 2 < row[0].top:
            yield sorted(row)
            row = []
        row.append(box)
    if row:
        yield sorted(row)


def _common(gaps: list[tuple[float, float]]) -> Iterator[float]:
    """The middles of where at least `MIN_LINES` gaps overlap, and no fewer than half as many as overlap anywhere."""
    events = sorted([(left, 1) for left, _ in gaps] + [(right, -1) for _, right in gaps])
    depths, depth = [], 0
    for (x, step), (after, _) in pairwise(events):
        depth += step
        depths.append((depth, x, after))
    enough = max(MIN_LINES, max(depth for depth, _, _ in depths) / 2)
    for is_gap, stretch in groupby(depths, key=lambda each: each[0] >= enough):
        if is_gap:
            _, left, right = max(stretch, key=lambda each: (each[0], each[2] - each[1]))
            yield (left + right) / 2


class _Piece(NamedTuple):
    line: Line
    column: int | None
    """None: it lies across a gutter."""


def column_lines(
    lines: list[Line], between: Sequence[float], boxes_of: Callable[[Line], list[Box]]
) -> list[Line] | None:
    """The lines of a page drawn across its columns, column by column; None if what looks like columns is a table."""
    pieces = [piece for line in lines for piece in _pieces(line, boxes_of(line), between)]
    columns = [[piece for piece in pieces if piece.column == at] for at in range(len(between) + 1)]
    for column in columns:
        words = [max(len(piece.line.text.split()), len(piece.line.text) / 10) for piece in column]
        if not words or median(words) < WORDS:
            return None
    ordered: list[Line] = []
    for band in _bands(pieces, BAND_GAP * median(line_gaps(lines) or [0.0])):
        ordered += [piece.line for piece in sorted(band, key=lambda piece: piece.column or 0)]
    return ordered


def _bands(pieces: list[_Piece], gap: float) -> Iterator[list[_Piece]]:
    """What stands below each other in columns, without a line across or a wide gap in between."""
    band: list[_Piece] = []
    for piece in pieces:
        if band and (
            (piece.column is None) != (band[-1].column is None) or band[-1].line.bottom - piece.line.top > gap
        ):
            yield band
            band = []
        band.append(piece)
    if band:
        yield band


def _pieces(line: Line, boxes: list[Box], between: Sequence[float]) -> Iterator[_Piece]:
    """Cut a line at the gutters."""
    drawn = [at for at, box in enumerate(boxes) if box.right > box.left]
    cuts = [at for before, at in pairwise(drawn) if any(boxes[before].right <= x <= boxes[at].left for x in between)]
    unit = line.start
    for first, last in pairwise([0, *cuts, len(boxes)]):
        text = line.text[first:last]
        inside = [at for at in drawn if first <= at < last]
        if inside and text.strip():
            left, right = boxes[inside[0]].left, max(boxes[at].right for at in inside)
            column = bisect(between, left) if bisect(between, left) == bisect(between, right) else None
            start = unit + len(text) - len(text.lstrip())
            yield _Piece(Line(text.strip(), line.top, line.bottom, start), column)
        unit += units(text)


# Words

SPACE_WIDTH = 0.15
"""Of a letter's height: a gap as wide is a space, unless the letters beside it stand as far apart."""


def with_spaces(line: Line, boxes: Sequence[Box]) -> Line:
    """A line with the spaces that pdfium left out, between letters whose loose boxes are far apart."""
    text = []
    gaps = [after.left - before.right for before, after in pairwise(boxes)]
    for at, letter in enumerate(line.text):
        if 0 < at < len(boxes) and letter.isalnum() and line.text[at - 1].isalnum():
            height = boxes[at].top - boxes[at].bottom
            beside = min((*gaps[max(at - 2, 0) : at - 1], *gaps[at : at + 1]), default=0.0)
            wide = max(SPACE_WIDTH * height, 2 * beside)
            if wide < gaps[at - 1] < height and abs(boxes[at].bottom - boxes[at - 1].bottom) < height / 4:
                text.append(" ")
        text.append(letter)
    return line._replace(text="".join(text))


# Text

PARAGRAPH_GAP = 1.3
"""Of the usual distance between lines: from there on a paragraph begins."""
# pdfium marks a hyphen at the end of a line, and joins the lines.
BROKEN = re.compile(r"(?<![\w-])(\w+(?:-\w+)*)(?:[\ufffe\x02]\s*|-\n)(\w+(?:-\w+)*)")
WORD = re.compile(r"\w+(?:-\w+)*")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\uffff]")
AND = {"and", "or", "und", "oder", "bzw", "sowie"}
"""Before them a hyphen stands for a part that comes later, as in `input- and output`; no word is broken before them."""
SHORT_PART = 4


def page_texts(pages: Sequence[Sequence[Line]]) -> list[str]:
    """The text of each page, with paragraphs, and with words whole that are broken at the end of a line."""
    texts = ["".join(_with_breaks(lines)) for lines in pages]
    known = {word.lower() for text in texts for word in WORD.findall(BROKEN.sub(" ", text))}
    whole = (BROKEN.sub(lambda broken: _whole(broken, known), text) for text in texts)
    return [CONTROLS.sub("", text.replace("\ufffe", "-")) for text in whole]


def _with_breaks(lines: Sequence[Line]) -> Iterator[str]:
    usual = median(line_gaps(lines) or [0.0])
    bottom = float("inf")
    for at, line in enumerate(lines):
        if at:
            yield "\n\n" if bottom - line.top > PARAGRAPH_GAP * usual else "\n"
        yield line.text.strip().encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        bottom = line.bottom


def _whole(broken: re.Match[str], known: set[str]) -> str:
    """A broken word: with its hyphen where that is the word's own, as in `well-known`; the document's words tell."""
    start, end = broken.groups()
    compound = f"{start}-{end}"
    if (start + end).lower() in known:
        return start + end
    if end in AND:
        return f"{start}- {end}"
    parts = {start.lower(), end.lower()}
    is_own = (
        compound.lower() in known
        or (min(map(len, parts)) >= SHORT_PART and parts <= known)
        or len(start) == 1
        or "-" in start
        or end.partition("-")[0] in AND
        or not end[0].islower()
        or any(character.isdigit() for character in start)
    )
    return compound if is_own else start + end
