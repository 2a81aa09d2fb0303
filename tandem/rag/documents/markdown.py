"""Sections of Markdown: the text under each heading as it is written, with blocks as CommonMark sees them."""

import re
from collections.abc import Container, Iterator, Sequence
from functools import cache
from html import escape
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from . import markdown_html
from .html import hidden_tags, shown_text
from .outline import Outline
from .section import Loss, Section, decode

# Metadata begins on the first line with a key; what follows a rule doesn't.
FRONT_MATTER = re.compile(
    r"---[ \t]*\n(?=[\w.\"'-]+[ \t]*:(?:[ \t]|\n))(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)"
    r"|\+\+\+[ \t]*\n(?=[\w.\"'-]+[ \t]*=|\[)(.*?)\n\+\+\+[ \t]*(?:\n|$)",
    re.DOTALL,
)
# Pictures and fonts within the text; a short one is an example in a text about them.
DATA_URI = re.compile(r"\bdata:(?:[\w.+-]+/[\w.+-]+|(?=;))(?:;[\w.=-]+)*,[^\s)\"'<>\]]{64,}", re.IGNORECASE)
TAG = re.compile(r"<[A-Za-z/!?]")
LISTS = ("bullet_list_open", "ordered_list_open")
TEXTS = ("html_block", "inline", "fence", "code_block")
LINES_AT_ONCE = 2000
BLOCKS = MarkdownIt("commonmark").enable("table").disable("inline")
INLINE = MarkdownIt("commonmark")


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text between headings, and tables; front matter is text before the first heading."""
    text = DATA_URI.sub("", decode(data))
    outline = Outline()
    if front := FRONT_MATTER.match(text):
        outline.text(front[1] or front[2])
        yield from outline.flush()
        text = text[front.end() :]
    hidden = _Hidden(text)
    for block, lines in _blocks(text.split("\n")):
        if hidden.empty(block, lines):
            continue
        for token in block:
            _show_tags(token, lines, block[0])
        kind = block[0].type if block else ""
        if kind == "heading_open":
            yield from outline.heading(int(block[0].tag[1:]), _title(block[1].content))
        elif kind == "table_open":
            yield from outline.table(filter(str.strip, lines[2:]), lines[0])
        elif kind != "hr":
            outline.text(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip(), item=kind == "list_item_open")
            yield from outline.overflow()
    yield from outline.end()


def _blocks(lines: list[str]) -> Iterator[tuple[list[Token], list[str]]]:
    """Yield each block, or item of a list, as its tokens and its lines; definitions of links have no tokens.

    Some lines are parsed at once, since tokens take a hundred times the memory of their text.
    """
    start, size = 0, LINES_AT_ONCE
    while start < len(lines):
        end = start + size
        tokens = BLOCKS.parse("\n".join(lines[start:end]))
        firsts = [at for at, token in enumerate(tokens) if _begins_block(token)]
        continued = None
        if end < len(lines):
            # The last block may go on. The rest of a table is read as one more, and any other block anew.
            if firsts and tokens[firsts[-1]].type == "table_open" and lines[end].strip():
                continued = lines[start + (tokens[firsts[-1]].map or [0])[0] :][:2]
            elif len(firsts) < 2:
                size *= 2
                continue
            else:
                firsts, tokens = firsts[:-1], tokens[: firsts[-1]]
        done = start
        for at, after in pairwise([*firsts, len(tokens)]):
            first, last = (start + line for line in tokens[at].map or (0, 0))
            yield [], lines[done:first]
            yield tokens[at:after], lines[first:last]
            done = last
        if end >= len(lines):
            yield [], lines[done:]
            return
        start, size = done, LINES_AT_ONCE
        if continued:
            start -= len(continued)
            lines[start:done] = continued


class _Hidden:
    """A hidden element that a block of HTML opens and a later one closes, with blocks of Markdown between them."""

    def __init__(self, text: str) -> None:
        self._ends = cache(lambda tag: markdown_html.depth(tag, text) <= 0)
        """Whether something closes the elements of a name: one that nothing closes would hide all that follows."""
        self._tag = ""
        self._depth = 0

    def empty(self, block: list[Token], lines: list[str]) -> bool:
        """Empty the lines of a block that are in a hidden element; whether all of its text is."""
        texts = [token for token in block if token.type in TEXTS and token.map]
        for token in texts:
            if self._covers(token):
                first, last = (line - (block[0].map or [0])[0] for line in token.map or (0, 0))
                lines[first:last] = [token.content, *[""] * (last - first - 1)]
        return bool(texts) and not any(token.content for token in texts)

    def _covers(self, token: Token) -> bool:
        """Whether a hidden element is open before some text, which becomes what follows its end."""
        is_markup = token.type in ("html_block", "inline")
        if self._tag:
            self._depth += markdown_html.depth(self._tag, token.content) if is_markup else 0
            behind = re.split(rf"</{self._tag}\s*>", token.content, flags=re.IGNORECASE)[-1]
            token.content = "" if self._depth > 0 else shown_text(markdown_html.of_block(behind))
            if self._depth <= 0:
                self._tag = ""
            return True
        for tag in hidden_tags(token.content) if token.type == "html_block" else ():
            depth = markdown_html.depth(tag, token.content)
            if depth > 0 and self._ends(tag):
                self._tag, self._depth = tag, depth
                break
        return False


def _begins_block(token: Token) -> bool:
    if token.level == 0:
        return token.map is not None and token.nesting >= 0 and token.type not in LISTS
    return token.level == 1 and token.type == "list_item_open"


def _show_tags(token: Token, lines: list[str], block: Token) -> None:
    """Replace the HTML in the lines of a block by what it shows."""
    if not token.map or not TAG.search(token.content) or token.type not in ("html_block", "inline"):
        return
    first, last = (line - (block.map or [0])[0] for line in token.map)
    if token.type == "html_block":
        lines[first:last] = [shown_text(markdown_html.of_block(token.content)), *[""] * (last - first - 1)]
        return
    shown = shown_text("".join(_markup(_children(token.content), markdown_html.ends(token.content))))
    if block.type == "table_open":
        shown = " ".join(shown.split())  # a row is a line
    for at, line in enumerate(token.content.split("\n"), start=first):
        lines[at] = lines[at].replace(line, shown, 1)
        shown = ""


def _children(content: str) -> list[Token]:
    return INLINE.parseInline(content)[0].children or []


def _markup(children: Sequence[Token], ended: Container[str]) -> Iterator[str]:
    """A paragraph as HTML that shows it as it is written."""
    is_drawing = any(markdown_html.DRAWING.match(token.content) for token in children)
    addresses: list[str] = []
    for token in children:
        match token.type:
            case "html_inline":
                is_text = not is_drawing and markdown_html.is_text(token.content, ended)
                yield escape(token.content) if is_text else token.content
            case "code_inline":
                yield escape(f"{token.markup}{token.content}{token.markup}")
            case "softbreak" | "hardbreak":
                yield "<br>"
            case "image":
                yield escape(f"![{token.content}]({token.attrs.get('src', '')})")
            case "link_open":
                addresses.append("" if token.markup == "autolink" else str(token.attrs.get("href", "")))
                yield "[" if addresses[-1] else ""
            case "link_close":
                yield escape(f"]({address})") if (address := addresses.pop()) else ""
            case _:
                yield escape(token.content or token.markup)


def _title(content: str) -> str:
    """A heading as it is shown, without its markup."""
    ended = markdown_html.ends(content)
    parts = (
        " " if token.type.endswith("break") else token.content
        for token in _children(content)
        if token.type != "html_inline" or markdown_html.is_text(token.content, ended)
    )
    return "".join(parts)
