"""XHTML as HTML, in which what XML closes at once, its CDATA and its entities mean something else."""

import re
from html import escape
from html.entities import html5

from .xml_text import etree, name, parse

# Numbers and XML's own entities stay; a comment and CDATA have none.
REFERENCE = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|&([A-Za-z_][\w:.-]*);", re.DOTALL)
OF_XML = {"amp", "lt", "gt", "quot", "apos"}
OWN_ENTITY = re.compile(r"""<!ENTITY\s+([A-Za-z_][\w:.-]*)\s+["']""")
DECLARATION = re.compile(r"\s*<\?xml\b[^>]*>\s*")
# HTML has no markup in these; their content isn't shown.
RAW = {"script", "style", "iframe", "noembed", "noframes", "noscript", "template"}
AS_PRE = {"listing", "plaintext", "xmp"}
# fmt: off
VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
}
# fmt: on
CLOSED_AT_ONCE = re.compile(
    r"""<([A-Za-z][\w:.-]*+)((?:\s++[^\s"'<>/=]++(?:\s*=\s*(?:"[^"<]*+"|'[^'<]*+'))?)*+)\s*+/>"""
)
CDATA = re.compile(r"<!\[CDATA\[((?:[^<\]]++|<(?!!\[CDATA\[)|\](?!\]>))*+)\]\]>")
# What a document type defines itself, which HTML shows in part.
SUBSET = re.compile(
    r"""(?:\s++|<\?[^>]*+>|<!--(?:[^-]|-(?!->))*+-->)*+<!DOCTYPE[^<>\[]*+\[(?:[^\]"']++|"[^"]*+"|'[^']*+')*+\]\s*>""",
    re.I,
)
MAX_TAGS = 1_000_000
"""Of a page that is held in memory as XML and then as HTML."""


def as_html(markup: str, is_declared: bool = True) -> str:
    """The same page in HTML, if it is well-formed; else, if it says that it is XHTML, with what XML closes at once
    closed, and its CDATA as text."""
    if markup.count("<") <= MAX_TAGS:
        try:
            return _rewritten(markup)
        except etree.XMLSyntaxError:
            pass
    if not is_declared:
        return markup
    if own := SUBSET.match(markup):
        markup = markup[own.end() :]
    markup = CDATA.sub(lambda found: escape(found[1]), markup)
    return CLOSED_AT_ONCE.sub(
        lambda found: found[0] if found[1].lower() in VOID else f"<{found[1]}{found[2]}></{found[1]}>", markup
    )


def _rewritten(markup: str) -> str:
    own = OF_XML.union(OWN_ENTITY.findall(markup))
    markup = REFERENCE.sub(lambda found: _reference(found, own), DECLARATION.sub("", markup, count=1))
    root = parse(markup.encode(errors="replace"))
    for element in root.iter(etree.Element):
        kind = name(element)
        element.tag = "pre" if kind in AS_PRE else kind
        if kind in RAW:
            del element[:]
            element.text = ""
    return etree.tostring(root, method="html", encoding="unicode")


def _reference(found: re.Match[str], own: set[str]) -> str:
    """A reference to an entity of HTML as numbers, since no document type is fetched; one to nothing as text."""
    if not found[1] or found[1] in own:
        return found[0]
    characters = html5.get(f"{found[1]};")
    return "".join(f"&#{ord(each)};" for each in characters) if characters else f"&amp;{found[1]};"
