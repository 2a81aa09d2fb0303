"""Sections of reStructuredText: what docutils makes of it, with nothing included from files."""

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Parser, states

from .archive import readable
from .outline import Outline, row
from .section import Loss, Section, decode

SETTINGS = {
    "_disable_config": True,  # it would look for docutils.conf where it runs
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "doctitle_xform": False,
    "syntax_highlight": "none",
    "report_level": 3,
    "halt_level": 5,
}
MARKS = re.compile(r"[*`|]")
MAX_MARKS, LONG = 2000, 10_000
"""Marks of a paragraph of so many characters, and the fewer the longer it is: the end of each is looked for up to the
paragraph's."""
NOT_TEXT = (nodes.comment, nodes.substitution_definition, nodes.target, nodes.pending, nodes.raw, nodes.meta)


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text under each title; of a directive that docutils doesn't know, the source."""
    text = decode(data)
    with readable("reStructuredText", "mend it there, and upload it again"):
        settings = {**SETTINGS, "warning_stream": StringIO(), "line_length_limit": len(text) + 1}
        tree = publish_doctree(text, parser=Parser(inliner=_inliner()), settings_overrides=settings)
        reader = _Reader()
        yield from reader.blocks(tree, 0)
        yield from reader.outline.end()
        yield from reader.losses


def _inliner() -> states.Inliner:
    """The parser of marks; it leaves a paragraph with far more of them than authors make as it is written.

    It can't be a subclass, as docutils looks for its patterns in the class itself.
    """
    inliner = states.Inliner()
    parse = inliner.parse

    def bounded(text: str, lineno: int, memo: Any, parent: Any) -> tuple[list[Any], list[Any]]:
        if len(MARKS.findall(text)) * max(len(text), LONG) > MAX_MARKS * LONG:
            return [nodes.Text(text)], []
        return parse(text, lineno, memo, parent)

    inliner.parse = bounded
    return inliner


class _Reader:
    def __init__(self) -> None:
        self.outline = Outline()
        self.losses: list[Loss] = []

    def blocks(self, parent: nodes.Element, level: int) -> Iterator[Section]:
        for node in parent.children:
            yield from self.block(node, level)

    def block(self, node: Any, level: int) -> Iterator[Section]:
        if isinstance(node, nodes.section):
            yield from self.blocks(node, level + 1)
        elif isinstance(node, nodes.title) and isinstance(node.parent, nodes.section):
            yield from self.outline.heading(level, self.inline(node))
        elif isinstance(node, NOT_TEXT):
            pass
        elif isinstance(node, nodes.system_message):
            for source in node.findall(nodes.literal_block):
                self.outline.text(source.astext())
        elif isinstance(node, (nodes.literal_block, nodes.doctest_block, nodes.math_block)):
            self.outline.text(node.astext())
        elif isinstance(node, nodes.table):
            yield from self.table(node)
        elif isinstance(node, (nodes.bullet_list, nodes.enumerated_list)):
            for at, item in enumerate(node.children, start=node.get("start", 1)):
                label = "- " if isinstance(node, nodes.bullet_list) else f"{_label(at, node.get('enumtype'))}. "
                yield from self.item(label, item.children, level)
        elif isinstance(node, (nodes.field, nodes.option_list_item)):
            yield from self.item(f"{node[0].astext()}: ", node[1].children, level)
        elif isinstance(node, (nodes.footnote, nodes.citation)):
            text = " ".join(self.inline(each) for each in node.children[1:])
            self.outline.text(f"[^{node[0].astext()}]: {text}")
        elif isinstance(node, nodes.image):
            self.outline.text(self.image(node))
        elif isinstance(node, nodes.TextElement):
            self.outline.text(self.inline(node))
        elif isinstance(node, nodes.Element):
            if isinstance(node, nodes.Admonition) and not isinstance(node, nodes.admonition):
                self.outline.text(f"{node.tagname.capitalize()}:")
            yield from self.blocks(node, level)
            yield from self.outline.overflow()

    def item(self, label: str, content: list[Any], level: int) -> Iterator[Section]:
        """A list's item, whose first paragraph stands behind its label."""
        first, rest = content[:1], content[1:]
        if first and isinstance(first[0], nodes.paragraph):
            self.outline.text(label + self.inline(first[0]), item=True)
        else:
            self.outline.text(label.strip() if first else "", item=True)
            rest = content
        for node in rest:
            yield from self.block(node, level)

    def table(self, table: nodes.Element) -> Iterator[Section]:
        for title in table.findall(nodes.title):
            self.outline.text(self.inline(title))
        headers, rows = [], []
        for line in table.findall(nodes.row):
            cells = [" ".join(self.inline(each) for each in entry.children) for entry in line.children]
            (headers if isinstance(line.parent, nodes.thead) else rows).append(row(cells))
        yield from self.outline.table(filter(None, rows), "\n".join(headers))

    def inline(self, node: Any) -> str:
        if isinstance(node, nodes.Text):
            return node.astext()
        if isinstance(node, nodes.image):
            return self.image(node)
        if isinstance(node, (nodes.footnote_reference, nodes.citation_reference)):
            return f"[^{node.astext()}]"
        if isinstance(node, NOT_TEXT):
            return ""
        inner = "".join(self.inline(each) for each in node.children)
        return f"^{inner}" if isinstance(node, nodes.superscript) else inner

    def image(self, node: Any) -> str:
        description = node.get("alt", "")
        if not description:
            self.losses.append(Loss("picture without a description", name=node.get("uri", "")))
        return description


def _label(number: int, kind: str | None) -> str:
    letters = {"loweralpha": "a", "upperalpha": "A"}
    return chr(ord(letters[kind]) + number - 1) if kind in letters and number <= 26 else str(number)
