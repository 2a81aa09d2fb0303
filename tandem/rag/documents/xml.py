"""Sections of XML: prose by its titles and paragraphs, data as a line for each value with the path to it."""

from collections.abc import Iterator
from io import BytesIO

from .archive import readable
from .outline import Outline, row
from .section import Loss, Rejected, Section
from .xml_text import LIMITS, Element, etree, name, parse

TITLES = {"title", "head"}
VERBATIM = {"programlisting", "screen", "literallayout", "synopsis", "codeblock", "pre", "eg", "code"}
NOT_TEXT = {"indexterm", "remark", "script", "style"}
PARAGRAPHS = {"p", "para", "simpara"}
BLOCKS = PARAGRAPHS | {"listitem", "item", "li", "table", "informaltable"}
ABOUT_XML = {"{http://www.w3.org/XML/1998/namespace", "{http://www.w3.org/2001/XMLSchema-instance"}
TABLES = {"table", "informaltable"}
MAX_TAGS = 4_000_000
"""Of prose, which is held in memory as a tree. Data is not."""


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text of a document in which text and elements mix, such as DocBook, under its titles; else the data.

    In data attributes are values (`bay@load: 18 t`); in prose they are names and switches, which are left out.
    """
    with readable("XML", "mend it there, and upload it again"):
        outline = Outline()
        if not _is_prose(data):
            yield from _values(data, outline)
        elif data.count(b"<") > MAX_TAGS:
            raise Rejected(f"the XML has more than {MAX_TAGS:,} tags: split it")
        else:
            yield from _prose(parse(data), 1, outline)
        yield from outline.end()


def _events(data: bytes, *events: str) -> Iterator[tuple[str, Element]]:
    """Begins and ends of elements; those that have ended are freed when the next of their parent has."""
    for event, element in etree.iterparse(BytesIO(data), events=events, resolve_entities="internal", **LIMITS):
        yield event, element
        parent = element.getparent()
        while event == "end" and parent is not None and element.getprevious() is not None:
            del parent[0]


def _is_prose(data: bytes) -> bool:
    """Whether there are paragraphs, or text stands beside elements."""
    for _, element in _events(data, "end"):
        parent, before = element.getparent(), element.getprevious()
        beside = [parent.text if parent is not None else "", before.tail if before is not None else ""]
        beside += [each.tail for each in element[-1:]]
        if name(element) in PARAGRAPHS or any(text and text.strip() for text in beside):
            return True
    return False


def _values(data: bytes, outline: Outline) -> Iterator[Section]:
    path: list[str] = []
    record: list[str] = []
    for event, element in _events(data, "start", "end"):
        if event == "start":
            path.append(name(element))
            place = ".".join(path)
            record += [
                f"{place}@{key.rpartition('}')[2]}: {value}"
                for key, value in element.attrib.items()
                if key.rpartition("}")[0] not in ABOUT_XML
            ]
            continue
        if len(element):
            outline.text("\n".join(record))
            record = []
            yield from outline.overflow()
        elif text := (element.text or "").strip():
            record.append(f"{'.'.join(path)}: {text}")
        path.pop()
    outline.text("\n".join(record))


def _prose(element: Element, level: int, outline: Outline) -> Iterator[Section]:
    kind = name(element)
    if kind in NOT_TEXT or not kind:
        return
    if kind in TITLES:
        yield from outline.heading(level - 1, _flat(element))
    elif _is_listing(element):
        outline.text("".join(element.itertext()))
    elif kind in TABLES and next(element.iter("{*}row", "{*}tr"), None) is not None:
        yield from _table(element, outline)
    elif len(element) == 0 or (element.text or "").strip() or any((each.tail or "").strip() for each in element):
        yield from _paragraph(element, level, outline)
    else:
        # Of <book><info><title/></info><chapter/></book> the title is the book's.
        titled = any(name(each) in TITLES or name(each).endswith("info") for each in element)
        for each in element:
            yield from _prose(each, level + (titled and not kind.endswith("info")), outline)
        yield from outline.overflow()


def _paragraph(element: Element, level: int, outline: Outline) -> Iterator[Section]:
    """A run of text; a list or listing in its middle ends it, and another begins behind."""
    text = element.text or ""
    for each in element:
        if _is_listing(each) or any(name(inner) in BLOCKS for inner in each.iter()):
            outline.text(" ".join(text.split()))
            text = ""
            yield from _prose(each, level, outline)
        elif name(each) not in NOT_TEXT:
            text += "".join(each.itertext())
        text += each.tail or ""
    outline.text(" ".join(text.split()))


def _table(element: Element, outline: Outline) -> Iterator[Section]:
    headers, rows = [], []
    for each in element.iter("{*}row", "{*}tr", "{*}title", "{*}caption"):
        if name(each) in ("title", "caption"):
            outline.text(_flat(each))
        else:
            headed = any(name(above) == "thead" for above in each.iterancestors())
            (headers if headed else rows).append(row([_flat(cell) for cell in each]))
    yield from outline.table(filter(None, rows), "\n".join(headers))


def _is_listing(element: Element) -> bool:
    return name(element) in VERBATIM and "\n" in (element.text or "").strip()


def _flat(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
