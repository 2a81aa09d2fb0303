"""Sections of Markdown: the text under each heading."""

import re
from collections.abc import Iterator

from .section import HeadingPath, Section, decode

ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
SETEXT = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)$")
FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)


def sections(data: bytes) -> Iterator[Section]:
    """Yield the text between headings (CommonMark ATX and one-line setext); fenced code is text. No front matter."""
    text = decode(data)
    text = FRONT_MATTER.sub("", text, count=1) if FRONT_MATTER.match(text) else text
    path, lines, fence = HeadingPath(), [], ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if fence:
            # A fence is closed by at least as many of the same character, and nothing else on the line.
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
            lines.append(line)
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
            lines.append(line)
        elif heading := ATX.match(line):
            yield _section(lines, path)
            lines = []
            path.enter(len(heading[1]), heading[2] or "")
        elif (underline := SETEXT.match(line)) and _is_title(lines):
            title = lines.pop()
            yield _section(lines, path)
            lines = []
            path.enter(1 if underline[1][0] == "=" else 2, title)
        else:
            lines.append(line)
    yield _section(lines, path)


def _section(lines: list[str], path: HeadingPath) -> Section:
    return Section("\n".join(lines), heading=str(path) or None)


def _is_title(lines: list[str]) -> bool:
    """Whether the last line is a paragraph of one line, which an underline makes a heading."""
    return bool(lines and lines[-1].strip() and (len(lines) == 1 or not lines[-2].strip()))
