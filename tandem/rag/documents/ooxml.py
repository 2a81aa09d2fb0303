"""Office Open XML: the package of parts that docx, pptx and xlsx are.

python-docx and python-pptx are not used: they hold every part as a tree and every picture (a docx of 25 MB of text took
749 MB, 43 MB when it is streamed), and skip content controls, text boxes, footnotes and insertions without a word.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple
from urllib.parse import unquote

from .archive import MAX_HELD, check_held, open_zip, read
from .prolog import prolog
from .section import Loss, Rejected
from .xml_text import Element, attribute, children, name, parse

EXPONENT = re.compile(r"[+\-\u2212]?(\d+|[a-z])", re.IGNORECASE)
FORMULA = {"den": "/", "sup": "^", "sub": "_"}
EMBEDDED = ("package", "oleObject")


class Relationship(NamedTuple):
    """What a part points to."""

    kind: str
    """The last word of its type: `hyperlink`, `image`, `footnotes`."""
    target: str
    """Name of a part; empty for what lies outside, which is never fetched."""


class Package:
    """The parts of a document."""

    def __init__(self, data: bytes) -> None:
        self.archive = open_zip(data)
        self._names = {each.lower(): each for each in self.archive.namelist()}
        for each in self.archive.namelist():
            if each.lower().endswith((".xml", ".rels")):
                with self.open(each) as part:
                    if prolog(part).has_doctype:
                        raise Rejected(
                            f"its part {each} declares a document type, which office programs never write (it may be "
                            "an XML bomb): open it in its program, save it, and upload it again"
                        )
        main = [each.target for each in self.relationships("").values() if each.kind == "officeDocument"]
        if not main or main[0].lower() not in self._names:
            raise Rejected("the file has no main part: open it in its program, save it, and upload it again")
        self.main = main[0]

    def losses(self) -> Iterator[Loss]:
        """What no reader of these formats reads."""
        if any(each.endswith("vbaproject.bin") for each in self._names):
            yield Loss("macros, which are not text")
        for each in self._names.values():
            folder, base = posixpath.split(each)
            if base.endswith(".rels") and "charts" not in folder:  # a chart shows the workbook that it embeds
                for pointed in self.relationships(posixpath.join(posixpath.dirname(folder), base[:-5])).values():
                    if pointed.kind in EMBEDDED:
                        yield Loss("embedded file that isn't read", name=posixpath.basename(pointed.target))

    def open(self, part: str) -> IO[bytes]:
        """A part as a stream."""
        return self.archive.open(self._names[part.lower()])

    def tree(self, part: str) -> Element | None:
        """A part as a tree, None if it is missing."""
        return parse(read(self.archive, self._names[part.lower()])) if part.lower() in self._names else None

    def check_held(self, part: str | None, limit: int = MAX_HELD) -> None:
        """Raise `Rejected` for a part that is too large to be held in memory by whoever reads it."""
        if part:
            check_held(self.archive, self._names[part.lower()], limit)

    def related(self, part: str, kind: str) -> str | None:
        """The first part of a kind that a part points to, None for none."""
        targets = (each.target for each in self.relationships(part).values() if each.kind == kind)
        return next((target for target in targets if target.lower() in self._names), None)

    def relationships(self, part: str) -> dict[str, Relationship]:
        """What a part points to, by id; the package itself is the part with no name."""
        folder, base = posixpath.split(part)
        found = {}
        for each in children(self.tree(posixpath.join(folder, "_rels", f"{base}.rels"))):
            target = unquote(each.get("Target", ""))
            inside = each.get("TargetMode") != "External"
            found[each.get("Id", "")] = Relationship(
                each.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, target))[1:] if inside else "",
            )
        return found


def chart_lines(chart: Element) -> list[str]:
    """A chart's titles, categories and values, as the workbook behind it gave them."""
    lines = [text for title in chart.iter("{*}title") if (text := _text(title))]
    for series in chart.iter("{*}ser"):
        values = [
            [_text(point) for point in series.iterfind(f"{{*}}{part}//{{*}}pt")]
            for part in ("tx", "cat", "xVal", "val", "yVal")
        ]
        title, labels, numbers = values[0], values[1] or values[2], values[3] or values[4]
        labels += [""] * (len(numbers) - len(labels))
        points = ", ".join(f"{label} {number}".strip() for label, number in zip(labels, numbers, strict=False))
        lines.append(f"{' '.join(title)}: {points}" if title else points)
    return lines


def diagram_lines(data: Element) -> list[str]:
    """The texts of a SmartArt diagram, a paragraph a line."""
    return [text for paragraph in data.iter("{*}p") if (text := _text(paragraph))]


def _text(element: Element) -> str:
    return "".join(each.text or "" for each in element.iter("{*}t", "{*}v") if name(each) in ("t", "v")).strip()


def picture_text(properties: Element | None) -> str:
    """The description that an author gave a picture or drawing (its alternative text), empty for none."""
    return (attribute(properties, "descr") or attribute(properties, "title") or "").strip()


def is_decorative(properties: Element | None) -> bool:
    """Whether the author says that there is nothing to describe."""
    return properties is not None and any(each.get("val") in ("1", "true") for each in properties.iter("{*}decorative"))


def is_hidden(properties: Element | None) -> bool:
    """Whether an author hid a shape, which then is in no view of the document but the list of its shapes."""
    return attribute(properties, "hidden") in ("1", "true") or "visibility:hidden" in (
        attribute(properties, "style") or ""
    )


def formula_mark(element: Element, before: Sequence[str]) -> str:
    """What is written before a part of a formula: `10^5`, `H_2`, `1/2`; nothing before any other element."""
    if name(element) == "f" and len(element):
        return " " if "".join(before[-1:])[-1:].isalnum() else ""
    return FORMULA.get(name(element), "") if len(element) else ""


def superscript(before: str, text: str) -> str:
    """A raised text as it is written in plain text: `10^5 V` is not 105 V, but 1st stays."""
    return f"^{text}" if before[-1:].strip() and EXPONENT.fullmatch(text) else text
