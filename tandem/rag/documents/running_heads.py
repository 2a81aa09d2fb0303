"""Running heads and page numbers: which lines of pages they are."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from .page_layout import Box, Line, line_gaps

EDGE_LINES = 3
"""So many lines at the top of a page, and as many at its bottom, may be running heads."""
EDGE_GAP = 1.4
"""Of the usual distance between lines: a running head stands apart from the text."""
MARGIN = 0.15
"""Of a page's height, at its top and at its bottom: a running head stands in it."""
HEAD_CHARACTERS = 200
MIN_PAGES = 3
MOST = 0.75
"""Of all pages, or of the left or the right ones: so many must have a running head."""
APART_GAP = 0.1
"""Of a page's width: so far from a head stands the page's number in the same line."""
SAME_HEIGHT = 4.0
"""Points by which a head may move from page to page."""
PAGE_WORD = (
    r"(?i:pages?|pg?\.|seite|s\.|página|pagina|p[áà]g\.|sida|side|sivu|strona|strana|stránka|oldal|sayfa|страница|стр\."
    r"|сторінка|σελίδα|第|페이지|صفحة|صفحه|עמוד)"
)
NUMBER = r"(?P<number>\d{1,4}|[ivxlc]{1,7})"
TOTAL = r"(?P<total>\s*(?:/|of|von|de|di|sur|van|av|af|z|из)\s*\d{1,4})?"
AROUND = r"[-\u2013\u2014|\[\](){}<>\u2022\u00b7*\s]*"
PAGE_NUMBER = re.compile(rf"{AROUND}(?:{PAGE_WORD}\s*)?{NUMBER}{TOTAL}\s*(?:页|頁|ページ)?{AROUND}")
MARKED_NUMBER = re.compile(rf"(?<!\w){PAGE_WORD}\s*{NUMBER}{TOTAL}(?!\w|[.,]\d)")
COUNT = re.compile(NUMBER + TOTAL)
APART = re.compile(r"^[\divxlc]+(?:\s*/\s*\d+)?(?=\s)|(?<=\s)[\divxlc]+(?:\s*/\s*\d+)?$")
FIELD = re.compile(r"\w\s?[:\uff1a](?=\s|$)")
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


class _Reading(NamedTuple):
    """A line at the edge of a page, read as a running head."""

    page: int
    line: Line
    words: str
    """Without the page's number."""


def running_lines(pages: Sequence[Sequence[Line]], boxes: Sequence[Box]) -> list[set[Line]]:
    """Of each page, the lines that are page numbers or a running head which an earlier page has.

    Such a line is in the margin at the same height on at least `MIN_PAGES` pages. A page number is nothing but that,
    and counts the pages. A head says the same on `MOST` pages, but for a number that says itself that it is the page's,
    or stands far apart and isn't over it: one that merely grows may be what the page is about. Where a head is first it
    stays, since some titles stand nowhere else; and no page loses all of its lines.
    """
    alike: dict[tuple[int, str], list[_Reading]] = defaultdict(list)
    gaps = sorted(gap for lines in pages for gap in line_gaps(lines))
    usual = gaps[len(gaps) // 4] if gaps else 0.0
    for page, (lines, box) in enumerate(zip(pages, boxes, strict=True)):
        for line in _edges(lines, EDGE_GAP * usual, box):
            text = " ".join(line.text.split())
            if len(text) > HEAD_CHARACTERS:
                continue
            number = PAGE_NUMBER.fullmatch(text) or MARKED_NUMBER.search(text) or _apart(text, line.number, page)
            if number:
                words = f"{text[: number.start()]} {text[number.end() :]}".strip()
                kind = _value(number["number"]) - page, f"{words} # {number['total']}"
            else:
                kind, words = (0, text), text
            alike[kind].append(_Reading(page, line, words))
    running: dict[tuple[int, Line], str] = {}
    for group in alike.values():
        height = median(reading.line.top for reading in group)
        level = [reading for reading in group if abs(reading.line.top - height) <= SAME_HEIGHT]
        if len({reading.page for reading in level}) >= MIN_PAGES and (
            not level[0].words or _is_head(level, alike, pages)
        ):
            for reading in level:
                running.setdefault((reading.page, reading.line), reading.words)
    dropped: list[set[Line]] = [set() for _ in pages]
    seen = {""}
    for (page, line), words in sorted(running.items()):
        if words in seen:
            dropped[page].add(line)
        seen.add(words)
    return [set() if left_out.issuperset(lines) else left_out for lines, left_out in zip(pages, dropped, strict=True)]


def with_number(line: Line, box: Box, boxes_of: Callable[[Line], list[Box]]) -> Line:
    """A line with the number that stands far apart in it, if it is in a margin of a page that has this box."""
    margin = MARGIN * (box.top - box.bottom)
    if box.bottom + margin <= line.top <= box.top - margin:
        return line
    for number in APART.finditer(line.text):
        boxes = boxes_of(line)
        first, last = boxes[number.start()].left, boxes[number.end() - 1].right
        others = [each for each in (*boxes[: number.start()], *boxes[number.end() :]) if each.right > each.left]
        gap = min((max(first - each.right, each.left - last) for each in others), default=0.0)
        if gap > APART_GAP * (box.right - box.left):
            return line._replace(number=number[0])
    return line


def _apart(text: str, number: str, page: int) -> re.Match[str] | None:
    """The number of a line that stands far apart in it, if it can be that of its page."""
    at = max(0, len(text) - len(number)) if text.endswith(number) else 0
    found = COUNT.fullmatch(text, at, at + len(number)) if number else None
    return found if found and _value(found["number"]) <= page + 1 else None


def _is_head(level: list[_Reading], alike: dict[tuple[int, str], list[_Reading]], pages: Sequence[object]) -> bool:
    """Whether a line that pages share is on so many that it says nothing about one of them.

    A field of a form, as `Status: paid`, isn't a head though many pages have it; nor is a line in whose place another
    stands that begins or ends alike.
    """
    words, height = level[0].words, median(reading.line.top for reading in level)
    if FIELD.search(words):
        return False
    in_its_place = [
        reading
        for group in alike.values()
        for reading in group
        if reading.words and abs(reading.line.top - height) <= SAME_HEIGHT
    ]
    having = {reading.page for reading in in_its_place if reading.words == words}
    sides = {page % 2 for page in having}
    if len(having) < MOST * sum(bool(page) for page in pages[min(sides) :: 3 - len(sides)]):
        return False
    first, last = words.split()[0], words.split()[-1]
    others = [reading.words.split() for reading in in_its_place if reading.words != words]
    return not any(other[0] == first or other[-1] == last for other in others)


def _edges(lines: Sequence[Line], gap: float, box: Box) -> set[Line]:
    """The lines in the margins at the top and at the bottom of a page that stand apart from its text."""
    margin = MARGIN * (box.top - box.bottom)
    counts = range(1, min(EDGE_LINES + 1, len(lines)))
    down = sorted(lines, key=lambda line: -line.top)
    up = sorted(lines, key=lambda line: line.bottom)
    head = next((count for count in counts if down[count - 1].bottom - down[count].top > gap), 0)
    foot = next((count for count in counts if up[count].bottom - up[count - 1].top > gap), 0)
    return {line for line in down[:head] if line.bottom > box.top - margin} | {
        line for line in up[:foot] if line.top < box.bottom + margin
    }


def _value(number: str) -> int:
    """The value of a number, Arabic or Roman."""
    if number.isdigit():
        return int(number)
    digits = [ROMAN[letter] for letter in number] + [0]
    return sum(-digit if digit < after else digit for digit, after in pairwise(digits))
