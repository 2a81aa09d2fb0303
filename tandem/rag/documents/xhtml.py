"""Sections of XHTML: read as XML where it is, since `<title/>` or `<script/>` would swallow the page in HTML."""

from collections.abc import Iterator

from .section import BOM, Loss, Section
from .xml_text import LIMITS, etree, name


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield what the HTML reader yields for the same page written as HTML."""
    from . import html

    yield from html.sections(as_html(data))


def as_html(data: bytes) -> bytes:
    """The page as HTML; a page that isn't well-formed is HTML by another name."""
    try:
        # Entities such as &nbsp; stay as they are: HTML knows them without a document type.
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, **LIMITS))
    except etree.XMLSyntaxError:
        return data
    for element in root.iter("{*}*"):
        element.tag = name(element)
    etree.cleanup_namespaces(root)
    return (BOM + etree.tostring(root, method="html", encoding="unicode")).encode()
