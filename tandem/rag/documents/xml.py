"""Sections of XML: prose by its titles and paragraphs, data as a line for each value with the path to it."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from html.entities import html5
from io import BytesIO

from .archive import readable
from .ooxml import superscript
from .outline import Outline, row
from .section import Loss, Rejected, Section
from .xml_text import LIMITS, Element, etree, name, parse

TITLES = {"title", "head"}
VERBATIM = {"programlisting", "screen", "literallayout", "synopsis", "codeblock", "pre", "eg", "code"}
NOT_TEXT = {"indexterm", "script", "style"}
NOT_VALUES = {"imagedata", "graphic", "inlinegraphic", "image", "anchor", "pb", "colspec", "spanspec", "xref", "area"}
PARAGRAPHS = {"p", "para", "simpara"}
BLOCKS = PARAGRAPHS | {"listitem", "item", "li", "table", "informaltable"}
APART = BLOCKS | TITLES | {"footnote", "note", "fn", "line", "member"}
"""What no space need stand around where the words within are others than those before."""
BREAKS = {"br", "lb", "sbr"}
RAISED = {"sup", "superscript"}
TABLES = {"table", "informaltable"}
# What attributes say about elements, and not about things.
ABOUT_XML = {"{http://www.w3.org/XML/1998/namespace", "{http://www.w3.org/2001/XMLSchema-instance"}
ABOUT_ELEMENTS = {"id", "class", "role", "lang", "style", "version"}
PROSE_FACTOR = 20
"""How much longer the paragraphs of prose are than attributes, which matter where each record has a paragraph."""
MAX_TAGS = 4_000_000
"""Of prose, which is held in memory as a tree. Data is not."""
REFERENCE = re.compile(rb"&([A-Za-z][A-Za-z0-9]*);")
XML_ENTITIES = {b"amp", b"lt", b"gt", b"quot", b"apos"}
LINE = "\x85"
"""Stands for a break that is marked: a line's end in the text is none."""
UNDEFINED = re.compile(r"Entity '(.+?)' not defined")

Path = tuple[str, ...]


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text of a document of paragraphs, such as DocBook, under its titles; else the data.

    In data attributes are values (`bay@load: 18 t`); in prose they are names and switches, which are left out.
    """
    with readable("XML", "mend it there, and upload it again"):
        data = _with_entities(data)
        try:
            is_prose, sentences = _nature(data)
        except etree.XMLSyntaxError as error:
            if found := UNDEFINED.search(str(error)):
                raise Rejected(
                    f"the XML refers to &{found[1]};, which is defined elsewhere, and nothing is fetched: save it with "
                    "its entities put in (`xmllint --noent`), and upload that"
                ) from error
            raise
        outline = Outline(is_data=not is_prose)
        if not is_prose:
            yield from _values(data, sentences, outline)
        elif data.count(b"<") > MAX_TAGS:
            raise Rejected(f"the XML has more than {MAX_TAGS:,} tags: split it")
        else:
            yield from _prose(parse(data), 1, outline)
        yield from outline.end()


def _with_entities(data: bytes) -> bytes:
    """The document with the characters that HTML has names for; where it defines them itself, it is those.

    DocBook and others define the same ones, in a document type that isn't fetched.
    """
    if b"&" not in data:
        return data

    def character(match: re.Match[bytes]) -> bytes:
        meant = "" if match[1] in XML_ENTITIES or match[1] in own else html5.get(f"{match[1].decode()};", "")
        return "".join(f"&#{ord(each)};" for each in meant).encode() or match[0]

    own = set(re.findall(rb"<!ENTITY\s+([A-Za-z0-9]+)\s", data))
    first, *others = data.split(b"<![CDATA[")
    pieces = [REFERENCE.sub(character, first)]
    for other in others:
        literal, end, rest = other.partition(b"]]>")
        pieces += [b"<![CDATA[", literal, end, REFERENCE.sub(character, rest)]
    return b"".join(pieces)


def _events(data: bytes) -> Iterator[tuple[bool, Element]]:
    """Each element when it begins (False) and when it has ended (True)."""
    parser = etree.iterparse(BytesIO(data), events=("start", "end"), resolve_entities="internal", **LIMITS)
    for event, element in parser:
        yield event == "end", element


def _forget_before(element: Element) -> None:
    """Free the siblings before an element that has ended, so that data of any size takes little memory."""
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _attributes(element: Element) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        namespace, _, attribute = key.rpartition("}")
        if namespace not in ABOUT_XML:
            yield attribute, value


def _text_before(element: Element) -> str:
    """The text between an element and what is before it in its parent."""
    parent, before = element.getparent(), element.getprevious()
    text = before.tail if before is not None else parent.text if parent is not None else ""
    return (text or "").strip()


def _text_at_end(element: Element) -> str:
    """The text behind an element's last child."""
    return (element[-1].tail or "").strip() if len(element) else ""


@dataclass(slots=True)
class _Begun:
    """An element that has begun."""

    name: str
    has_text: bool = False
    """Beside elements."""
    has_records: bool = False
    """Elements of elements in it, at any depth."""


def _nature(data: bytes) -> tuple[bool, set[Path]]:
    """Whether a document is prose, and the paths of elements of which each is a sentence with marked words in it."""
    begun = [_Begun("")]
    sentences: set[Path] = set()
    others: set[Path] = set()
    kinds: set[str] = set()
    within = 0  # paragraphs and tables that have begun
    words = values = 0
    for has_ended, element in _events(data):
        kind = name(element).lower()
        is_block = kind in PARAGRAPHS or kind in TABLES
        if not has_ended:
            begun[-1].has_text |= bool(_text_before(element))
            begun.append(_Begun(name(element)))
            within += is_block
            kinds.add(kind)
            continue
        if within:
            words += len(element.text or "") + len(_text_at_end(element)) + len(_text_before(element))
        elif len(begun) > 2 and (len(element) or element.text):
            values += sum(len(value) for key, value in _attributes(element) if key not in ABOUT_ELEMENTS)
        this = begun[-1]
        this.has_text |= bool(_text_at_end(element))
        if len(element) and this.has_text:
            (others if this.has_records else sentences).add(tuple(each.name for each in begun[1:]))
        begun[-2].has_records |= this.has_records or (len(element) > 0 and not this.has_text)
        within -= is_block
        begun.pop()
        _forget_before(element)
    is_prose = kinds & PARAGRAPHS and (not values or (kinds & TITLES and words >= PROSE_FACTOR * values))
    return bool(is_prose), sentences - others


def _values(data: bytes, sentences: set[Path], outline: Outline) -> Iterator[Section]:
    """A line for each value, and for each sentence."""
    path: list[str] = []
    record: list[str] = []
    whole = 0  # the depth of the sentence that has begun
    for has_ended, element in _events(data):
        if not has_ended:
            if not whole and (text := _text_before(element)):
                record.append(f"{'.'.join(path)}: {text}")
            path.append(name(element))
            if not whole and tuple(path) in sentences:
                whole = len(path)
            record += _values_of(element, path)
            continue
        if whole == len(path):
            whole = 0
            record.append(f"{'.'.join(path)}: {_flat(element, ())}")
        elif not whole:
            text = _text_at_end(element) if len(element) else (element.text or "").strip()
            record += [f"{'.'.join(path)}: {text}"] if text else []
            if len(element):
                outline.text("\n".join(record))
                record = []
                yield from outline.overflow()
        path.pop()
        if not whole:
            _forget_before(element)
    outline.text("\n".join(record))


def _values_of(element: Element, path: list[str]) -> list[str]:
    place = ".".join(path)
    return [f"{place}@{key}: {value}" for key, value in _attributes(element)]


def _prose(element: Element, level: int, outline: Outline) -> Iterator[Section]:
    kind = name(element).lower()
    if kind in NOT_TEXT or not kind:
        return
    if kind in TITLES:
        yield from outline.heading(level - 1, _flat(element))
    elif _is_listing(element):
        outline.text("".join(element.itertext()))
    elif kind in TABLES and next(element.iter("{*}row", "{*}tr", "{*}ROW", "{*}TR"), None) is not None:
        yield from _table(element, outline)
    elif kind in PARAGRAPHS or _has_text(element):
        yield from _paragraph(element, level, outline)
    elif len(element) == 0 and kind not in NOT_VALUES:  # of a record: nothing else says what it is
        outline.text("\n".join(_values_of(element, [name(element)])))
    else:
        # Of <book><info><title/></info><chapter/></book> the title is the book's.
        titled = any(name(each).lower() in TITLES or name(each).lower().endswith("info") for each in element)
        for each in element:
            yield from _prose(each, level + (titled and not kind.endswith("info")), outline)
        yield from outline.overflow()


def _has_text(element: Element) -> bool:
    return any((text or "").strip() for text in (element.text, *(each.tail for each in element)))


def _paragraph(element: Element, level: int, outline: Outline) -> Iterator[Section]:
    """A run of text; a list or listing in its middle ends it, and another begins behind."""
    pieces = [element.text or ""]
    for each in element:
        if _is_listing(each) or any(name(inner).lower() in BLOCKS for inner in each.iter()):
            outline.text(_lines("".join(pieces)))
            pieces = []
            yield from _prose(each, level, outline)
        else:
            _inline(each, pieces)
        pieces.append(each.tail or "")
    outline.text(_lines("".join(pieces)))


def _table(element: Element, outline: Outline) -> Iterator[Section]:
    headers, rows = [], []
    for each in element.iter():
        kind = name(each).lower()
        if kind in ("title", "caption"):
            outline.text(_flat(each))
        elif kind in ("row", "tr"):
            headed = any(name(above).lower() == "thead" for above in each.iterancestors())
            headed |= not rows and len(each) > 0 and all(name(cell).lower() == "th" for cell in each)
            (headers if headed else rows).append(row([_flat(cell) for cell in each]))
    yield from outline.table(filter(None, rows), "\n".join(headers))


def _is_listing(element: Element) -> bool:
    return name(element).lower() in VERBATIM and "\n" in (element.text or "").strip()


def _flat(element: Element, without: Container[str] = NOT_TEXT) -> str:
    """An element's text on one line."""
    pieces: list[str] = []
    _inline(element, pieces, without)
    return " ".join("".join(pieces).split())


def _inline(element: Element, pieces: list[str], without: Container[str] = NOT_TEXT) -> None:
    """Add an element's text: `10^5` for a raised one, apart from what is before it where it is no part of that."""
    kind = name(element).lower()
    if kind in without:
        return
    inner = [element.text or ""]
    for each in element:
        _inline(each, inner, without)
        inner.append(each.tail or "")
    text = "".join(inner)
    if kind in RAISED:
        text = superscript(next(filter(None, reversed(pieces)), ""), text)
    elif kind in APART:
        text = f" {text} "
    pieces.append(LINE + text if kind in BREAKS else text)


def _lines(text: str) -> str:
    """A paragraph, whose only breaks are those that are marked."""
    return "\n".join(" ".join(line.split()) for line in text.split(LINE))
