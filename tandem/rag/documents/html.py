"""Sections of HTML: what a browser shows, under the title and each heading, by a parser that follows the standard."""

import re
from collections import Counter
from collections.abc import Container, Iterator
from itertools import chain

from selectolax.lexbor import LexborHTMLParser, LexborNode

from .html_nodes import (
    BLOCKS,
    MATH,
    OF_LINKS,
    SPACE,
    chosen,
    follows_a_cell,
    has_parentheses,
    is_hidden,
    is_navigation,
    is_of_headers,
    is_of_links,
    math_signs,
    superscript,
)
from .outline import Outline, row
from .section import Loss, Section, decode
from .spans import Cell, Spans

ITEMS = {"li", "tr", "dt", "dd"}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
AS_WRITTEN = {"listing", "plaintext", "pre", "textarea", "xmp"}
CONTROLS = {"button", "fieldset", "label", "meter", "mtd", "output", "progress", "text", "textarea"}
# What a field of these types shows is no text, or not its value.
WORDLESS = {"checkbox", "color", "file", "hidden", "image", "password", "radio", "range"}
# A table whose cells hold these is there for the layout; without a header cell, so is one with lists and paragraphs.
LAYOUT = "table, h1, h2, h3, h4, h5, h6, pre"
LAYOUT_WITHOUT_HEADER = "p + p, ul, ol, dl, blockquote, form"

# A list to choose from that nothing closes has the rest of the page in it.
NOT_IN_A_LIST = "p, div, section, ul, ol, table, h1, h2, h3, h4, h5, h6"

DECLARATION = re.compile(
    rb"""<!--.*?(?:-->|\Z)|<\?xml\b[^>]*?\bencoding\s*=\s*["']([\w:.-]+)|<meta\b([^>]*)""", re.IGNORECASE | re.DOTALL
)
META = re.compile(rb"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))""")
IN_CONTENT = re.compile(rb"""\bcharset\s*=\s*["']?\s*([\w:.-]+)""", re.IGNORECASE)
DECLARED_AT_MOST = 4096
NAVIGATION = re.compile(r"<([a-z]+)\b[^<>]*\brole\s*=\s*[\"']?navigation\b|<(nav)\b", re.IGNORECASE)
CLOSED_AT_ONCE = re.compile(
    r"<(?:dialog|div|iframe|nav|noembed|noframes|noscript|p|script|section|select|span|style|template|textarea|title)"
    r"\b[^<>]*/>",
    re.IGNORECASE,
)
"""What a page of HTML hasn't, so that it may be XHTML that doesn't say so."""
XHTML = re.compile(r"\s*<\?xml\b|.*?(?:http://www\.w3\.org/1999/xhtml|//DTD XHTML)", re.DOTALL)

MAY_HIDE = "[hidden], [style], [popover], [role], dialog, nav, noscript, template"
PIECES_AT_ONCE = 5000
NUMBER = re.compile(r"\d{1,5}", re.ASCII)
MAX_ROWS = 65534


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text shown between headings; scripts, navigation and hidden parts are left out."""
    markup = decode(data, _declared_charset(data))
    is_xhtml = XHTML.match(markup, 0, DECLARED_AT_MOST) is not None
    if is_xhtml or CLOSED_AT_ONCE.search(markup):
        from .xhtml import as_html

        markup = as_html(markup, is_xhtml)
    parser = LexborHTMLParser(markup)
    outline = Outline()
    outline.title(_title(parser))
    if parser.root is not None:
        yield from _Shown(outline, _left_open(markup), _layouts(parser.root)).read(parser.root)
        yield from outline.end()


def shown_text(markup: str) -> str:
    """What a browser shows of some HTML, with its headings and tables as text."""
    root = LexborHTMLParser(markup).root
    return _Shown(None, layouts=_layouts(root)).text(root) if root is not None else ""


def hidden_tags(markup: str) -> list[str]:
    """The names of the elements of some HTML that aren't shown because they say so."""
    root = LexborHTMLParser(markup).root
    return [node.tag or "" for node in root.css(MAY_HIDE) if is_hidden(node)] if root is not None else []


def _declared_charset(data: bytes) -> str:
    for found in DECLARATION.finditer(data, 0, DECLARED_AT_MOST):
        if found[1]:
            return found[1].decode()
        meta = {each[1].lower(): each[2] or each[3] or each[4] or b"" for each in META.finditer(found[2] or b"")}
        within = IN_CONTENT.search(meta.get(b"content", b"")) if b"http-equiv" in meta else None
        if charset := meta.get(b"charset") or (within[1] if within else b""):
            return charset.decode("ascii", "replace")
    return ""


def _left_open(markup: str) -> set[str]:
    """Of the tags that hold navigation, those that are opened more often than closed."""
    tags = {(found[1] or found[2]).lower() for found in NAVIGATION.finditer(markup)} & (BLOCKS | OF_LINKS)
    if not tags:
        return set()
    count: Counter[str] = Counter()
    names = "|".join(tags)
    tag = rf"<!--.*?(?:-->|\Z)|<script\b.*?(?:</script|\Z)|<(/?)({names})(?=[\s/>])"
    for found in re.finditer(tag, markup, re.IGNORECASE | re.DOTALL):
        if name := (found[2] or "").lower():
            count[name] = max(count[name] + (-1 if found[1] else 1), 0)
    return {name for name, left in count.items() if left > 0}


def _title(parser: LexborHTMLParser) -> str:
    for title in parser.tags("title"):
        above = title.parent
        while above is not None and above.tag != "svg":
            above = above.parent
        if above is None:
            return title.text()
    return ""


class _Shown:
    """The text of a part of a page as it is shown."""

    def __init__(
        self, outline: Outline | None, left_open: Container[str] = (), layouts: Container[int] | None = None
    ) -> None:
        self._outline = outline
        """None: headings are text like any other, and rows of tables are lines."""
        self._left_open = left_open
        """Tags of navigation that nothing closes, so that the rest of the page is in it."""
        self._layouts = layouts
        """What is no table of data; None: nothing is, as in a cell."""
        self._pieces: list[str] = []
        self._end = "\n"
        """The last character."""
        self._as_written = 0

    def text(self, node: LexborNode) -> str:
        """The text of an element without headings of its own."""
        for _ in self.read(node):
            pass
        return self._take()

    def read(self, top: LexborNode) -> Iterator[Section]:
        """Yield the sections below an element. Without recursion, which a deeply nested page would exhaust."""
        stack: list[tuple[LexborNode, str]] = [(top, "")]
        while stack:
            node, ended = stack.pop()
            if ended:
                self._leave(node, ended)
                if self._outline and len(self._pieces) > PIECES_AT_ONCE and ended in BLOCKS:
                    self._outline.text(self._take())
                    yield from self._outline.overflow()
                continue
            if node.mem_id != top.mem_id and (after := node.next) is not None:
                stack.append((after, ""))
            if node.is_text_node:
                self._text(node)
            elif node.is_element_node and not is_hidden(node, self._left_open):
                tag = node.tag or ""
                if self._outline and tag in HEADINGS:
                    self._outline.text(self._take())
                    yield from self._outline.heading(HEADINGS[tag], _Shown(None).text(node))
                elif tag == "table" and self._is_of_data(node):
                    rows, header = _rows(node)
                    if self._outline:
                        self._outline.text(self._take())
                        yield from self._outline.table(rows, header)
                    else:
                        self._break("\n".join(("\n", *filter(None, [header]), *rows, "\n")))
                else:
                    stack.append((node, tag))
                    if (below := self._enter(node, tag)) is not None:
                        stack.append((below, ""))
        if self._outline:
            self._outline.text(self._take())

    def _is_of_data(self, table: LexborNode) -> bool:
        """Whether the rows of a table become lines under their header: no headings or tables are in it."""
        if self._layouts is None or table.mem_id in self._layouts:
            return False
        role = table.attrs.get("role")
        if role in ("presentation", "none") or table.css_first("td + td, th + td, th + th") is None:
            return False
        return table.css_first("th") is not None or table.css_first(LAYOUT_WITHOUT_HEADER) is None

    def _enter(self, node: LexborNode, tag: str) -> LexborNode | None:
        """Write what stands before an element's content or instead of it; return the first node of what to read."""
        if tag in ("td", "th"):
            self._break(" | " if self._pieces and follows_a_cell(node) else "")
        elif tag in ITEMS:
            self._break("\n")
        elif tag in BLOCKS:
            self._break("\n\n")
        elif tag in CONTROLS:
            self._write(" ")
        self._as_written += tag in AS_WRITTEN
        match tag:
            case "br":
                self._break("\n")
            case "img" | "area":
                self._write(f" {node.attrs.get('alt') or ''} ")
            case "input":
                shown = node.attrs.get("alt" if (node.attrs.get("type") or "").lower() == "image" else "value")
                self._write(f" {shown or ''} " if (node.attrs.get("type") or "").lower() not in WORDLESS else " ")
            case "select" if node.css_first(NOT_IN_A_LIST) is None:
                self._write(f" {chosen(node)} ")
                return None
            case "rt" if not has_parentheses(node):
                self._write("(")
            case "sup":
                self._write(superscript("".join(self._pieces[-3:])[-12:], node))
                return None
        if tag in MATH:
            self._write("".join(math_signs(node)))
        below = node.first_child
        if tag in self._left_open and is_navigation(node):
            # Its own are the links at its beginning.
            while below is not None and is_of_links(below):
                below = below.next
        return below

    def _leave(self, node: LexborNode, tag: str) -> None:
        self._as_written -= tag in AS_WRITTEN
        if (tag == "rt" and not has_parentheses(node)) or (tag in MATH and math_signs(node)[1].endswith("(")):
            self._write(")")
        if tag in BLOCKS and tag not in ITEMS:
            self._break("\n\n")
        elif tag in CONTROLS:
            self._write(" ")

    def _text(self, node: LexborNode) -> None:
        text = node.text_content or ""
        # Between the parts of a formula space means nothing.
        if not text.isspace() or (above := node.parent) is None or above.tag not in MATH:
            self._write(text)

    def _write(self, text: str) -> None:
        if not self._as_written:
            text = SPACE.sub(" ", text)
            if self._end in " \n":
                text = text.lstrip(" ")
        if text:
            self._pieces.append(text)
            self._end = text[-1]

    def _break(self, separator: str) -> None:
        """Write a separator as it is."""
        if separator:
            self._pieces.append(separator)
            self._end = separator[-1]

    def _take(self) -> str:
        """The text so far."""
        text = re.sub(r"(?<![ \t])[ \t]+\n", "\n", "".join(self._pieces))
        self._pieces, self._end = [], "\n"
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def _layouts(root: LexborNode) -> set[int]:
    """The tables that are there for the layout, and what else has headings or tables in it."""
    found: set[int] = set()
    for node in root.css(LAYOUT):
        above = node.parent
        while above is not None and above.mem_id not in found:
            found.add(above.mem_id)
            above = above.parent
    return found


def _rows(table: LexborNode) -> tuple[Iterator[str], str]:
    """The rows of a table below its header, and its caption and header."""
    header: list[str] = []
    if (caption := table.css_first("caption")) is not None:
        header.append(_Shown(None).text(caption))
    rows = _all_rows(table)
    below: list[str] = []
    for is_header, line in rows:
        if not is_header:
            below.append(line)
            break
        header.append(line)
    return (line for line in chain(below, (line for _, line in rows)) if line), "\n".join(filter(None, header))


def _all_rows(table: LexborNode) -> Iterator[tuple[bool, str]]:
    """Each row of a table as a line, and whether it is of the header, whose rows come first."""
    in_header = True
    for part in _shown_children(table):
        spans = Spans()
        for line in [part] if part.tag == "tr" else _shown_children(part):
            if line.tag == "tr":
                cells = [cell for cell in _shown_children(line) if cell.tag in ("td", "th")]
                texts = [_cell(cell) for cell in cells]
                in_header = in_header and (part.tag == "thead" or is_of_headers(cells, texts))
                spanned = (Cell(text, *_span(cell)) for cell, text in zip(cells, texts, strict=True))
                yield in_header, row(spans.row(spanned))


def _span(cell: LexborNode) -> tuple[int, int]:
    """How many columns and rows a cell has; a rowspan of 0 goes to the end of its group."""
    attributes = cell.attrs
    if "rowspan" not in attributes and "colspan" not in attributes:
        return 1, 1
    columns, rows = (
        int(found[0]) if (found := NUMBER.match((attributes.get(name) or "").strip())) else 1
        for name in ("colspan", "rowspan")
    )
    return max(columns, 1), rows or MAX_ROWS


def _shown_children(node: LexborNode) -> Iterator[LexborNode]:
    return (child for child in node.iter(include_text=False) if not is_hidden(child))


def _cell(cell: LexborNode) -> str:
    below = cell.first_child
    if below is not None and below.is_text_node and below.next is None:
        return below.text_content or ""  # most are
    return _Shown(None).text(cell)
