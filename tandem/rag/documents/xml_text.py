"""XML of strangers: parsed without anything from elsewhere and without unbounded growth."""

from collections.abc import Iterator
from typing import IO

from lxml import etree  # ty: ignore[missing-module-member] - it is compiled, and brings no types

Element = etree._Element

# libxml2 itself holds nesting to 256 levels, a text to 10 MB, and what entities add to 5 times what was read.
LIMITS = {"no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True, "remove_pis": True}


def parse(data: bytes) -> Element:
    """The root of a document; entities that it defines itself are put in. Raises lxml's XMLSyntaxError."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities="internal", **LIMITS))


def elements(stream: IO[bytes], *names: str) -> Iterator[Element]:
    """Yield the elements of these names, each when it has ended.

    The caller forgets what it has read (`forget`), so that a document of any size takes the memory of one element.
    """
    tags = [f"{{*}}{each}" for each in names]
    for _, element in etree.iterparse(stream, events=("end",), tag=tags, resolve_entities=False, **LIMITS):
        yield element


def forget(element: Element) -> None:
    """Free an element that was read, and the siblings before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def name(element: Element) -> str:
    """An element's name without its namespace, of which office formats have two: transitional and strict."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element | None, wanted: str) -> str | None:
    """An attribute's value, whatever its namespace."""
    for key, value in element.attrib.items() if element is not None else ():
        if key.rpartition("}")[2] == wanted:
            return value
    return None


def child(element: Element | None, *path: str) -> Element | None:
    """The first child of a name, whatever its namespace, and so on down the path."""
    for wanted in path:
        element = next((each for each in element if name(each) == wanted), None) if element is not None else None
    return element


def children(element: Element | None, *path: str) -> list[Element]:
    """The children of what is down the path; none if it is missing."""
    parent = child(element, *path)
    return list(parent) if parent is not None else []
