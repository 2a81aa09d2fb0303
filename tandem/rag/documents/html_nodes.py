"""What parts of a page of HTML are, and what small ones say."""

import re
from collections.abc import Container, Sequence
from itertools import islice

from selectolax.lexbor import LexborNode

# fmt: off
NOT_SHOWN = {
    "annotation", "annotation-xml", "base", "colgroup", "datalist", "defs", "frameset", "head", "iframe", "link",
    "meta", "metadata", "noembed", "noframes", "noscript", "param", "script", "source", "style", "template", "title",
    "track",
}
BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir", "div",
    "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hgroup", "hr", "legend", "li", "listing", "main", "menu", "nav", "ol", "optgroup", "p", "plaintext", "pre",
    "search", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul", "xmp",
}
OF_LINKS = {
    "a", "b", "br", "button", "details", "dir", "div", "dl", "em", "form", "hr", "i", "img", "input", "label", "li",
    "menu", "ol", "option", "select", "small", "span", "strong", "summary", "svg", "ul",
}
MATH = {
    "math", "mfenced", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow",
    "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover", "semantics",
}
# fmt: on
MATH_SIGNS = {
    "mfrac": ("", "/"),
    "msub": ("", "_"),
    "msup": ("", "^"),
    "msubsup": ("", "_", "^"),
    "munder": ("", "_"),
    "munderover": ("", "_", "^"),
}
"""Before each part of a formula."""
LINKS = {"a", "button", "label", "select", "svg"}
HIDING = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|(?:content-)?visibility\s*:\s*(?:hidden|collapse))\b", re.IGNORECASE
)
# Elements in it may have a size of their own.
SMALLEST = re.compile(r"(?:^|;)\s*font-size\s*:\s*0+(?:\.0*)?(?:[a-z]+|%)?\s*(?:!|;|$)", re.IGNORECASE)
STYLE_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)

SPACE = re.compile(r"\s+")
# A number, a few letters, a sum of two such, or a charge.
POWER = re.compile(r"[-+−]?(?:\w{1,4}|\d{1,4}[.,]\d{1,4}|\w{1,2}[-+−]\w{1,2})|\d?[-+−]")  # noqa: RUF001 - a minus
STROKES = ("/", "\u2044")
ORDINALS = {"a", "e", "o"}
# What has a power: a number (but a year), a unit, a variable. After another word it is a note.
BASE = re.compile(r"(?:^|[\W\d])[^\W\d]{1,2}$|(?<!\b19\d)(?<!\b20\d)\d$|[)\]]$")


def is_navigation(node: LexborNode) -> bool:
    """Whether an element says that it is navigation."""
    return node.tag == "nav" or (node.attributes.get("role") or "").strip().lower() == "navigation"


def is_hidden(node: LexborNode, left_open: Container[str] = ()) -> bool:
    """Whether an element isn't shown, or is navigation that its page closes."""
    tag = node.tag or ""
    if tag in NOT_SHOWN:
        return True
    attributes = node.attributes
    if not attributes:
        return tag == "dialog" or (tag == "nav" and tag not in left_open)
    if (tag == "dialog" and "open" not in attributes) or "popover" in attributes:
        return True
    if is_navigation(node) and tag not in left_open:
        return True
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    if attributes.get("display") == "none" or attributes.get("visibility") == "hidden":  # of a drawing
        return True
    if not (style := attributes.get("style")):
        return False
    style = STYLE_COMMENT.sub("", style)
    if HIDING.search(style):
        return True
    return SMALLEST.search(style) is not None and next(node.iter(include_text=False), None) is None


def is_of_links(top: LexborNode) -> bool:
    """Whether all words of a part of a page are links or controls."""
    stack: list[tuple[LexborNode, bool]] = [(top, False)]
    while stack:
        node, in_link = stack.pop()
        if node.is_text_node:
            if not in_link and re.search(r"\w", node.text_content or ""):
                return False
        elif node.is_element_node:
            if node.tag not in OF_LINKS:
                return False
            stack += [(each, in_link or node.tag in LINKS) for each in node.iter(include_text=True)]
    return True


def has_parentheses(reading: LexborNode) -> bool:
    """Whether the page itself has parentheses around the reading of a word, for browsers that can't put it above."""
    before = reading.prev
    while before is not None and not before.is_element_node:
        before = before.prev
    return before is not None and before.tag == "rp"


def math_signs(node: LexborNode) -> tuple[str, str]:
    """What stands before a part of a formula: its sign, and a parenthesis if it has several parts itself."""
    parent = node.parent
    above = parent.tag or "" if parent is not None else ""
    signs, place, before = MATH_SIGNS.get(above, ()), 0, node.prev
    while before is not None and place < len(signs):
        place, before = place + before.is_element_node, before.prev
    sign = signs[place] if place < len(signs) else ""
    parts = len(list(islice(node.iter(include_text=False), 2)))
    if node.tag == "msqrt":
        return f"{sign}√", "(" if parts > 1 else ""
    if node.tag == "mfenced":
        return sign, "("
    is_one = node.tag not in ("mrow", "mfrac") or parts < 2 or not (sign or above == "mfrac")
    return sign, "" if is_one else "("


def is_of_headers(cells: Sequence[LexborNode], texts: Sequence[str]) -> bool:
    """Whether a row has headers only, by their tag or in bold; an empty one says nothing, as in a table's corner."""
    said = (cell for cell, text in zip(cells, texts, strict=True) if text.strip())
    return all(cell.tag == "th" or _is_bold(cell) for cell in said)


def _is_bold(cell: LexborNode) -> bool:
    bold = cell.css_first("b, strong")
    return bold is not None and plain(bold) == plain(cell)


def plain(top: LexborNode) -> str:
    """The text of an element as it is shown, without its structure."""
    pieces: list[str] = []
    stack = [top]
    while stack:
        node = stack.pop()
        if node.is_text_node:
            pieces.append(node.text_content or "")
        elif node.is_element_node and not is_hidden(node):
            stack += reversed(list(node.iter(include_text=True)))
    return SPACE.sub(" ", "".join(pieces)).strip()


def follows_a_cell(cell: LexborNode) -> bool:
    """Whether another cell stands before one in its row."""
    before = cell.prev
    while before is not None and before.tag not in ("td", "th"):
        before = before.prev
    return before is not None


def chosen(select: LexborNode) -> str:
    """What a list to choose from shows."""
    hidden = {group.mem_id for group in select.css("optgroup") if is_hidden(group)}
    options = [
        option
        for option in select.css("option")
        if not is_hidden(option) and (option.parent is None or option.parent.mem_id not in hidden)
    ]
    shown = [option for option in options if "selected" in option.attrs]
    if not shown:
        shown = options if "multiple" in select.attrs else options[:1]
    return ", ".join(option.attrs.get("label") or plain(option) for option in shown)


def superscript(before: str, node: LexborNode) -> str:
    """A superscript: a power after a number or a unit, the end of an ordinal, or a mark such as a note's number."""
    text = plain(node)
    is_note = node.css_first("a") is not None
    if not text or (text.isalpha() and ((text.islower() and len(text) > 1) or text in ORDINALS)):
        return text
    if not is_note and POWER.fullmatch(text) and BASE.search(before):
        return f"^{text}" if not _is_of_a_fraction(node) else f" {text}"
    return f" {text}"


def _is_of_a_fraction(node: LexborNode) -> bool:
    """Whether it is the upper part of a fraction with a stroke, such as that of 1 1/2."""
    stroke = node.next
    if stroke is None or (stroke.text_content or "").strip() not in STROKES:
        return False
    return stroke.next is not None and stroke.next.tag == "sub"
