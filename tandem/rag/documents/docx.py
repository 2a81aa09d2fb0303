"""Sections of docx: what a reader of the page sees, under its headings."""

from collections.abc import Callable, Iterator
from itertools import takewhile

from .archive import readable
from .docx_styles import Numbering, Styles, heading_level, is_on, list_place
from .ooxml import (
    Package,
    chart_lines,
    diagram_lines,
    formula_mark,
    is_decorative,
    is_hidden,
    picture_text,
    superscript,
)
from .outline import Outline, row
from .section import Loss, Section
from .symbols import PRIVATE_USE, symbol
from .xml_text import Element, attribute, child, children, elements, forget, name

BLOCKS = ("p", "tbl", "sdt", "customXml", "altChunk", "AlternateContent", "ins", "moveTo")
GONE = {"del", "moveFrom", "delText", "instrText", "delInstrText", "annotationRef", "rt"}
BREAKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011", "softHyphen": "\u00ad"}
MAX_SPAN = 63  # columns of a table in Word


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text under each heading, and each table.

    Left out: headers and footers, comments, tracked deletions and hidden text.
    """
    with readable("Word document", "open it in a word processor, save it as .docx, and upload it again"):
        package = Package(data)
        yield from _Document(package).read()
        yield from package.losses()


class _Document:
    def __init__(self, package: Package) -> None:
        self.package = package
        self.relationships = package.relationships(package.main)
        self.styles = Styles(self.part("styles"))
        self.numbering = Numbering(self.part("numbering"))
        self.outline = Outline()
        self.losses: list[Loss] = []
        self.after: list[str] = []
        """Notes and text boxes that the present paragraph holds."""
        self.note_numbers: dict[str, int] = {}
        self.notes = {kind: self.note_texts(f"{kind}s") for kind in ("footnote", "endnote")}

    def part(self, kind: str) -> Element | None:
        part = self.package.related(self.package.main, kind)
        return self.package.tree(part) if part else None

    def note_texts(self, kind: str) -> dict[str | None, str]:
        part = self.package.related(self.package.main, kind)
        texts: dict[str | None, str] = {}
        if part:
            with self.package.open(part) as stream:
                for note in elements(stream, kind[:-1]):
                    texts[attribute(note, "id")] = self.flat(note)
                    forget(note)
        return texts

    def read(self) -> Iterator[Section | Loss]:
        with self.package.open(self.package.main) as stream:
            for element in elements(stream, *BLOCKS):
                parent = element.getparent()
                if parent is not None and name(parent) == "body":
                    yield from self.block(element)
                    yield from self.outline.overflow()
                    yield from self.lost()
                    forget(element)
        yield from self.outline.end()

    def lost(self) -> Iterator[Loss]:
        yield from self.losses
        self.losses = []

    def blocks(self, container: Element | None) -> Iterator[Section]:
        for each in children(container):
            yield from self.block(each)

    def block(self, element: Element) -> Iterator[Section]:
        """A paragraph, a table, or what holds such."""
        kind = name(element)
        if kind == "p":
            yield from self.paragraph(element)
        elif kind == "tbl":
            yield from self.table(element)
        elif kind == "sdt":
            yield from self.blocks(child(element, "sdtContent"))
        elif kind == "AlternateContent":
            yield from self.blocks(_chosen(element))
        elif kind in ("customXml", "ins", "moveTo"):
            yield from self.blocks(element)
        elif kind == "altChunk":
            self.losses.append(Loss("embedded document that isn't read"))

    def paragraph(self, element: Element) -> Iterator[Section]:
        properties = child(element, "pPr")
        style = self.styles.paragraph(properties)
        text = "" if style.hidden else self.text(element).rstrip()
        level = heading_level(properties)
        level = style.level if level is None else level if level <= 9 else None
        place = list_place(properties) or style.number
        label = self.numbering.label(place) if place and text else ""
        if style.is_contents:
            pass
        elif level is not None:
            yield from self.outline.heading(level + 1, label.removeprefix("- ") + text)
        else:
            indent = "  " * place[1] if place and label else ""
            self.outline.text(indent + label + text, item=bool(label))
        for line in self.taken():
            self.outline.text(line)

    def taken(self) -> list[str]:
        lines, self.after = self.after, []
        return lines

    def table(self, element: Element) -> Iterator[Section]:
        rows = [each for each in _rows(element) if not is_on(child(each, "trPr"), "del")]
        cells = [list(_cells(each)) for each in rows]
        if all(len(each) <= 1 for each in cells):  # a frame around text
            for cell in (cell for each in cells for cell in each):
                yield from self.blocks(cell)
            return
        lines = [row([text for cell in each for text in self.cell(cell)]) for each in cells]
        look = child(element, "tblPr", "tblLook")
        first = attribute(look, "firstRow") or ("1" if int(attribute(look, "val") or "0", 16) & 0x20 else "0")
        headers = len(list(takewhile(lambda each: is_on(child(each, "trPr"), "tblHeader"), rows)))
        headers = headers or int(first in ("1", "true"))
        after = self.taken()
        yield from self.outline.table(
            [line for line in lines[headers:] if line], "\n".join(line for line in lines[:headers] if line)
        )
        for line in after:
            self.outline.text(line)

    def cell(self, cell: Element) -> list[str]:
        """A cell's text, and an empty one for each further column that it spans."""
        properties = child(cell, "tcPr")
        merge = child(properties, "vMerge")
        goes_on = merge is not None and attribute(merge, "val") != "restart"  # from the row above, where its text is
        span = attribute(child(properties, "gridSpan"), "val") or "1"
        more = min(int(span), MAX_SPAN) - 1 if span.isdigit() else 0
        return ["" if goes_on else self.flat(cell), *[""] * more]

    def flat(self, container: Element) -> str:
        """The text of a cell or note in one line, whatever it holds."""
        lines = []
        for each in container.iter("{*}p"):
            if not any(name(above) in ("txbxContent", "Fallback") for above in _between(each, container)):
                properties = child(each, "pPr")
                style = self.styles.paragraph(properties)
                place = list_place(properties) or style.number
                text = "" if style.hidden else self.text(each)
                label = self.numbering.label(place) if place and text.strip() else ""
                lines.append(label + text)
        return " ".join(line.strip() for line in lines if line.strip())

    def text(self, element: Element) -> str:
        pieces: list[str] = []
        self.inline(element, pieces)
        return "".join(pieces)

    def inline(self, element: Element, pieces: list[str]) -> None:
        """Add what a paragraph, or a part of it, says."""
        kind = name(element)
        if kind == "t":
            pieces.append(element.text or "")
        elif kind in BREAKS:
            pieces.append(BREAKS[kind])
        elif kind in GONE or kind.endswith("Pr"):
            pass
        elif kind == "r":
            self.run(element, pieces)
        elif kind == "sym":
            pieces.append(self.symbol(int(attribute(element, "char") or "0", 16), attribute(element, "font") or ""))
        elif kind in ("footnoteReference", "endnoteReference"):
            self.note(kind.removesuffix("Reference"), attribute(element, "id"), pieces)
        elif kind in ("drawing", "pict", "object"):
            self.drawing(element, pieces)
        elif kind == "AlternateContent":
            for each in children(_chosen(element)):
                self.inline(each, pieces)
        elif kind == "sdt" and child(element, "sdtPr", "showingPlcHdr") is not None:
            pass  # the prompt of a field that nobody filled in
        else:
            pieces += filter(None, [formula_mark(element, pieces)])
            for each in element:
                self.inline(each, pieces)
            if kind == "ruby" and (reading := child(element, "rt")) is not None:
                pieces.append("(" + "".join(self.text(each) for each in reading) + ")")

    def run(self, element: Element, pieces: list[str]) -> None:
        properties = child(element, "rPr")
        style = attribute(child(properties, "rStyle"), "val")
        hidden = is_on(properties, "vanish") or (
            child(properties, "vanish") is None and self.styles.style(style).hidden if style else False
        )
        if hidden:
            return
        inner: list[str] = []
        for each in element:
            self.inline(each, inner)
        text = "".join(inner)
        if any(ord(each) in PRIVATE_USE for each in text):
            font = attribute(child(properties, "rFonts"), "ascii") or ""
            text = "".join(self.symbol(ord(each), font) if ord(each) in PRIVATE_USE else each for each in text)
        raised = attribute(child(properties, "vertAlign"), "val") == "superscript"
        pieces += filter(None, [superscript("".join(pieces[-1:]), text) if raised else text])

    def symbol(self, code: int, font: str) -> str:
        shown = symbol(code, font) if code else ""
        if shown is None:
            self.losses.append(Loss("symbol of a font that isn't known", name=font))
        return shown or ""

    def note(self, kind: str, key: str | None, pieces: list[str]) -> None:
        number = self.note_numbers[kind] = self.note_numbers.get(kind, 0) + 1
        mark = f"[^{number}]" if kind == "footnote" else f"[^e{number}]"
        pieces.append(mark)
        self.after.append(f"{mark}: {self.notes[kind].get(key, '')}")

    def drawing(self, element: Element, pieces: list[str]) -> None:
        """What a picture, chart, diagram, text box or embedded object says."""
        properties = next(element.iter("{*}docPr"), None)
        if properties is None:  # the older drawing language
            properties = next(element.iter("{*}shape", "{*}rect"), None)
        if is_hidden(properties):
            return
        for box in element.iter("{*}txbxContent"):
            if not any(name(above) in ("txbxContent", "Fallback") for above in _between(box, element)):
                after = self.taken()
                self.after = [*after, *self.box(box)]
        description = picture_text(properties) or (attribute(properties, "alt") or "").strip()
        if description:
            pieces.append(f" {description} ")
        for chart in element.iter("{*}chart"):
            self.graphic(chart, "id", chart_lines)
        for diagram in element.iter("{*}relIds"):
            self.graphic(diagram, "dm", diagram_lines)
        pictures = next(element.iter("{*}blip", "{*}imagedata"), None) is not None
        if pictures and not description and not is_decorative(properties) and name(element) != "object":
            self.losses.append(Loss("picture without a description", name=attribute(properties, "name") or ""))

    def graphic(self, element: Element, key: str, lines: Callable[[Element], list[str]]) -> None:
        """The lines of a chart or diagram, which is a part of its own."""
        pointed = self.relationships.get(attribute(element, key) or "")
        root = self.package.tree(pointed.target) if pointed and pointed.target else None
        if root is not None:
            self.after += lines(root)

    def box(self, content: Element) -> Iterator[str]:
        """The paragraphs and tables of a text box as lines."""
        for each in content:
            if name(each) == "tbl":
                for line in _rows(each):
                    yield row([text for cell in _cells(line) for text in self.cell(cell)])
            elif name(each) == "sdt":
                yield from self.box(child(each, "sdtContent"))
            elif name(each) == "p":
                yield self.text(each)


def _chosen(alternatives: Element) -> Element | None:
    """Of the same content in two drawing languages, the newer."""
    choice = child(alternatives, "Choice")
    return choice if choice is not None else child(alternatives, "Fallback")


def _between(element: Element, container: Element) -> Iterator[Element]:
    return takewhile(lambda above: above is not container, element.iterancestors())


def _rows(table: Element) -> Iterator[Element]:
    for each in table:
        if name(each) == "tr":
            yield each
        elif name(each) in ("sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _rows(each)


def _cells(line: Element) -> Iterator[Element]:
    for each in line:
        if name(each) == "tc":
            yield each
        elif name(each) in ("sdt", "sdtContent", "customXml"):
            yield from _cells(each)
