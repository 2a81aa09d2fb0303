"""HTML within Markdown: what of it is markup, and what only looks like it."""

import re
from collections.abc import Container
from html import escape

# fmt: off
ELEMENTS = {
    "a", "abbr", "acronym", "address", "area", "article", "aside", "audio", "b", "base", "basefont", "bdi", "bdo",
    "big", "blink", "blockquote", "body", "br", "button", "canvas", "caption", "center", "cite", "code", "col",
    "colgroup", "data", "datalist", "dd", "del", "details", "dfn", "dialog", "dir", "div", "dl", "dt", "em", "embed",
    "fieldset", "figcaption", "figure", "font", "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5",
    "h6", "head", "header", "hgroup", "hr", "html", "i", "iframe", "img", "input", "ins", "kbd", "label", "legend",
    "li", "link", "listing", "main", "map", "mark", "marquee", "menu", "meta", "meter", "nav", "nobr", "noembed",
    "noframes", "noscript", "object", "ol", "optgroup", "option", "output", "p", "param", "picture", "plaintext",
    "pre", "progress", "q", "rb", "rp", "rt", "rtc", "ruby", "s", "samp", "script", "search", "section", "select",
    "slot", "small", "source", "span", "strike", "strong", "style", "sub", "summary", "sup", "table", "tbody", "td",
    "template", "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track", "tt", "u", "ul", "var", "video",
    "wbr", "xmp",
}
# Without an end tag in the same paragraph any other is a placeholder, as in: SELECT * FROM <table>.
MAY_STAY_OPEN = {
    "a", "b", "big", "br", "center", "dd", "del", "details", "div", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "ins", "kbd", "li", "p", "q", "s", "small", "span", "strong", "sub", "summary", "sup",
    "td", "th", "tr", "tt", "u", "wbr",
}
# In a block of HTML, whose end may stand in a later one, only what would hide all that follows.
SWALLOWING = {
    "iframe", "noembed", "noframes", "plaintext", "select", "textarea", "title", "xmp",
}
# Attributes that have no value. Others without one are words, as in: if a<b and c>d.
SWITCHES = {
    "allowfullscreen", "async", "autofocus", "autoplay", "checked", "compact", "controls", "default", "defer",
    "disabled", "hidden", "inert", "ismap", "loop", "multiple", "muted", "nohref", "noshade", "novalidate", "nowrap",
    "open", "popover", "readonly", "required", "reversed", "selected",
}
# fmt: on
DRAWING = re.compile(r"<(?:svg|math)\b", re.IGNORECASE)
TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z\d-]*)\s*([^>]*)>", re.DOTALL)
END_TAG = re.compile(r"</([A-Za-z][A-Za-z\d-]*)")
BLOCK_PART = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1|\Z)|</?[A-Za-z][^<>]*>", re.I | re.DOTALL)


def ends(markup: str) -> set[str]:
    """The names of the end tags in a part of a document."""
    return {name.lower() for name in END_TAG.findall(markup)}


def is_text(tag: str, ended: Container[str], *, in_block: bool = False) -> bool:
    """Whether what has the form of a tag is text: a type's parameter such as List<String>, or a placeholder."""
    found = TAG.match(tag)
    if not found:
        return False
    is_end, name, attributes = found.groups()
    known, attributes = name.lower(), attributes.rstrip("/").strip()
    if known not in ELEMENTS or not (name.islower() or name.isupper()):
        return True
    if attributes and "=" not in attributes:
        return not SWITCHES.issuperset(attributes.lower().split())
    if is_end or attributes or known in ended:
        return False
    return known in SWALLOWING if in_block else known not in MAY_STAY_OPEN


def of_block(markup: str) -> str:
    """A block of HTML in which what is text is written as such."""
    if DRAWING.search(markup):  # it has many elements of its own
        return markup
    ended = ends(markup)
    return BLOCK_PART.sub(
        lambda found: escape(found[0]) if is_text(found[0], ended, in_block=True) and not found[1] else found[0], markup
    )


def depth(tag: str, markup: str) -> int:
    """How often an element is opened more than closed."""
    tags = [found[1] for found in re.finditer(rf"<(/?){tag}(?=[\s/>]|\Z)", markup, re.IGNORECASE)]
    return tags.count("") - tags.count("/")
