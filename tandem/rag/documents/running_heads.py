"""Running heads and page numbers: which lines of pages they are."""

import re
from collections import defaultdict
from collections.abc import Sequence
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
    and counts the pages. A head says the same on `MOST` pages, but for a number that says itself that it is the page's:
    one that merely grows may be what the page is about. Where a head is first it stays, since some titles stand nowhere
    else; and no page loses all of its lines.
    """
    alike: dict[tuple[int, str], list[_Reading]] = defaultdict(list)
    gaps = sorted(gap for lines in pages for gap in line_gaps(lines))
    usual = gaps[len(gaps) // 4] if gaps else 0.0
    for page, (lines, box) in enumerate(zip(pages, boxes, strict=True)):
        for line in _edges(lines, EDGE_GAP * usual, box):
            text = " ".join(line.text.split())
            if len(text) > HEAD_CHARACTERS:
                continue
            number = PAGE_NUMBER.fullmatch(text)
            if number or (number := MARKED_NUMBER.search(text)):
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


def _is_head(level: list[_Reading], alike: dict[tuple[int, str], list[_Reading]], pages: Sequence[object]) -> bool:
    """Whether a line that pages share is on so many that it says nothing about one of them.

    On none may another line stand in its place that begins or ends alike: `Status: paid` isn't a head of most pages
    where others have `Status: open`.
    """
    sides = {reading.page % 2 for reading in level}
    if len({reading.page for reading in level}) < MOST * sum(
        bool(page) for page in pages[min(sides) :: 3 - len(sides)]
    ):
        return False
    words, height = level[0].words.split(), median(reading.line.top for reading in level)
    in_its_place = (
        reading.words.split()
        for group in alike.values()
        for reading in group
        if reading.words and abs(reading.line.top - height) <= SAME_HEIGHT
    )
    return not any((other[0] == words[0] or other[-1] == words[-1]) and other != words for other in in_its_place)


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
