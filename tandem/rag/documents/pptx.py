"""Sections of pptx: a slide is a page, its title the heading."""

from collections.abc import Callable, Iterator

from .archive import readable
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
from .xml_text import Element, attribute, child, children, name

NOTES = "Notes"
TITLES = ("title", "ctrTitle")
FURNITURE = ("dt", "ftr", "sldNum", "hdr", "sldImg")  # the running lines of every slide


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield each slide's text, tables and notes in the order of the show.

    Hidden slides are read, as their authors keep them for questions; comments, dates, footers and numbers are left out.
    """
    with readable("presentation", "open it in a presentation program, save it as .pptx, and upload it again"):
        package = Package(data)
        relationships = package.relationships(package.main)
        presentation = package.tree(package.main)
        for number, entry in enumerate(children(presentation, "sldIdLst"), start=1):
            pointed = relationships.get(_relationship_id(entry))
            root = package.tree(pointed.target) if pointed else None
            if pointed is None or root is None:
                yield Loss("slide that is missing from the file", page=number)
            else:
                yield from _Slide(package, pointed.target, number).read(root)
        yield from package.losses()


def _relationship_id(element: Element) -> str:
    """`r:id`, beside which there is another `id`."""
    return next((value for key, value in element.attrib.items() if key.endswith("}id")), "")


class _Slide:
    def __init__(self, package: Package, part: str, number: int) -> None:
        self.package = package
        self.part = part
        self.number = number
        self.relationships = package.relationships(part)
        self.outline = Outline()
        self.losses: list[Loss] = []

    def read(self, root: Element) -> Iterator[Section | Loss]:
        shapes = list(_shapes(child(root, "cSld", "spTree")))
        title = next((each for each in shapes if _placeholder(each) in TITLES), None)
        if title is not None:
            yield from self.outline.heading(1, " ".join(_paragraphs(child(title, "txBody"))), self.number)
        for shape in shapes:
            if shape is not title and _placeholder(shape) not in FURNITURE:
                yield from self.shape(shape)
        notes = self.package.related(self.part, "notesSlide")
        if notes and (tree := self.package.tree(notes)) is not None:
            lines = [
                line
                for each in _shapes(child(tree, "cSld", "spTree"))
                if _placeholder(each) not in FURNITURE
                for line in _paragraphs(child(each, "txBody"))
            ]
            if any(line.strip() for line in lines):
                yield from self.outline.heading(2, NOTES, self.number)
                self.outline.text("\n".join(lines))
        yield from self.outline.end(self.number)
        yield from self.losses

    def shape(self, shape: Element) -> Iterator[Section]:
        kind = name(shape)
        properties = next(shape.iter("{*}cNvPr"), None)
        if kind == "graphicFrame":
            for table in shape.iter("{*}tbl"):
                yield from self.table(table)
            for chart in shape.iter("{*}chart"):
                self.graphic(_relationship_id(chart), chart_lines)
            for diagram in shape.iter("{*}relIds"):
                self.graphic(attribute(diagram, "dm") or "", diagram_lines)
        self.outline.text("\n".join(_paragraphs(child(shape, "txBody"))))
        description = picture_text(properties)
        self.outline.text(description)
        if kind == "pic" and not description and not is_decorative(properties):
            self.losses.append(Loss("picture without a description", self.number, attribute(properties, "name") or ""))

    def table(self, table: Element) -> Iterator[Section]:
        rows = [
            row([" ".join(_paragraphs(child(cell, "txBody"))) for cell in line.iterfind("{*}tc")])
            for line in table.iterfind("{*}tr")
        ]
        headed = attribute(child(table, "tblPr"), "firstRow") in ("1", "true")
        header, rows = (rows[0], rows[1:]) if headed and rows else ("", rows)
        yield from self.outline.table([line for line in rows if line], header, self.number)

    def graphic(self, key: str, lines: Callable[[Element], list[str]]) -> None:
        """The lines of a chart or diagram, which is a part of its own."""
        pointed = self.relationships.get(key)
        root = self.package.tree(pointed.target) if pointed and pointed.target else None
        if root is not None:
            self.outline.text("\n".join(lines(root)))


def _shapes(tree: Element | None) -> Iterator[Element]:
    """Shapes in reading order as the file has it, those of groups in their place; hidden ones are left out."""
    for each in children(tree):
        if is_hidden(next(each.iter("{*}cNvPr"), None)):
            continue
        if name(each) == "grpSp":
            yield from _shapes(each)
        elif name(each) == "AlternateContent":  # the same content in two drawing languages: the first is the newer
            yield from _shapes(each[0] if len(each) else None)
        elif name(each) in ("sp", "pic", "graphicFrame", "cxnSp"):
            yield each


def _placeholder(shape: Element) -> str:
    """What a shape is for on its layout: `title`, `ftr`; empty for anything else."""
    return attribute(next(shape.iter("{*}ph"), None), "type") or ""


def _paragraphs(body: Element | None) -> list[str]:
    return [_paragraph(each) for each in children(body) if name(each) == "p"]


def _paragraph(paragraph: Element) -> str:
    pieces: list[str] = []
    _inline(paragraph, pieces)
    return "".join(pieces)


def _inline(element: Element, pieces: list[str]) -> None:
    """Add what a paragraph, or a part of it, says."""
    kind = name(element)
    if kind == "br":
        pieces.append("\n")
    elif kind == "t":
        raised = (attribute(child(element.getparent(), "rPr"), "baseline") or "").rstrip("%")
        text = element.text or ""
        pieces.append(superscript("".join(pieces[-1:]), text) if raised.isdigit() and int(raised) else text)
    elif kind == "AlternateContent":  # the same in two languages, of which the first is the newer
        for each in element[:1]:
            _inline(each, pieces)
    elif not kind.endswith("Pr"):
        pieces += filter(None, [formula_mark(element, pieces)])
        for each in element:
            _inline(each, pieces)
