"""Sections of HTML: the text under the title and each heading."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, Tag

from .section import HeadingPath, Section, decode

DROPPED = {"head", "title", "script", "style", "noscript", "template", "nav", "svg", "iframe", "button", "select"}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
# fmt: off
BLOCKS = {
    "address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "header", "hr", "li", "main", "ol", "p", "section", "summary", "table", "tbody", "tfoot", "thead",
    "tr", "ul",
}
# fmt: on


def sections(data: bytes) -> Iterator[Section]:
    """Yield the visible text between headings; scripts, styles and navigation are left out."""
    soup = BeautifulSoup(decode(data), "html.parser")
    path = HeadingPath()
    path.enter(0, soup.title.get_text() if soup.title else "")
    pieces: list[str] = []
    # Depth first without recursion, which a deeply nested page would exhaust. A plain str is a break to be written.
    stack: list[PageElement | str] = [soup]
    while stack:
        node = stack.pop()
        if isinstance(node, Tag):
            if node.name in HEADINGS:
                yield _section(pieces, path)
                pieces = []
                path.enter(HEADINGS[node.name], node.get_text(" "))
            elif node.name == "pre":
                pieces += ["\n\n", node.get_text(), "\n\n"]
            elif node.name == "br":
                pieces.append("\n")
            elif node.name not in DROPPED:
                separator = _separator(node)
                pieces.append(separator)
                stack.append(separator if separator == "\n\n" else "")
                stack.extend(reversed(node.contents))
        elif type(node) is NavigableString:  # not a comment, a doctype or another subclass
            pieces.append(re.sub(r"\s+", " ", node))
        elif type(node) is str:
            pieces.append(node)
    yield _section(pieces, path)


def _separator(tag: Tag) -> str:
    """What goes before a tag: cells of a row stay on one line."""
    if tag.name in ("td", "th"):
        return " | " if tag.find_previous_sibling(("td", "th")) else ""
    if tag.name in ("tr", "li", "dt", "dd"):
        return "\n"
    return "\n\n" if tag.name in BLOCKS else ""


def _section(pieces: list[str], path: HeadingPath) -> Section:
    text = re.sub(r"[ \t]+\n", "\n", "".join(pieces))
    text = re.sub(r"\n (?=\S)", "\n", text)
    return Section(re.sub(r"\n{3,}", "\n\n", text), heading=str(path) or None)
