"""Sections of xlsx: a sheet is a heading, its rows a table with the values as they are shown."""

import re
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from openpyxl import load_workbook
from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.worksheet._reader import WorkSheetParser

from .archive import readable
from .ooxml import Package, chart_lines, is_decorative, is_hidden, picture_text
from .outline import Cells, Outline
from .section import Loss, Rejected, Section
from .spreadsheet_values import shown
from .xml_text import attribute, children, name

# A formula whose result nobody saved. Of a formula with an empty text as its result the type is `str`.
NO_RESULT = re.compile(
    rb'<(?:\w+:)?c\b(?![^>]*\bt="str")[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)'
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
STRICT = "//purl.oclc.org/ooxml/"  # the namespace of a form of the format that openpyxl takes for an empty workbook
TRUE = ("1", "true")
MAX_STRINGS = 100_000_000
"""Of the texts of cells, which are held in memory as long as a sheet is read."""
PIECE = 1 << 20
CELL_CHARACTERS = 40_000
"""More than a cell can hold, so that pieces that overlap by so much show every cell whole."""


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield each sheet's rows, the first that has several cells as the table's header.

    Hidden sheets, rows and columns are left out and told; comments are left out. Merged cells have their text once.
    """
    with readable("workbook", "open it in a spreadsheet program, save it as .xlsx, and upload it again"):
        package = Package(data)
        relationships = package.relationships(package.main)
        main = package.tree(package.main)
        if main is not None and STRICT in main.tag:
            raise Rejected("the workbook is saved as Strict Open XML: save it as an Excel workbook (.xlsx)")
        package.check_held(package.related(package.main, "styles"))
        package.check_held(package.related(package.main, "sharedStrings"), MAX_STRINGS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of extensions that it doesn't know
            workbook = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False, rich_text=True)
            titles = {sheet.title: sheet for sheet in workbook.worksheets}
            outline = Outline()
            for entry in children(main, "sheets"):
                title = entry.get("name", "")
                pointed = relationships.get(attribute(entry, "id") or "")
                if entry.get("state", "visible") != "visible":
                    yield Loss("hidden sheet", name=title)
                    continue
                yield from outline.part(title)
                if title in titles:
                    hidden: list[str] = []
                    yield from outline.sheet(_rows(titles[title], hidden))
                    yield from (Loss("sheet with hidden rows or columns", name=each) for each in hidden)
                elif pointed is None or pointed.kind != "chartsheet":
                    yield Loss("sheet that can't be read", name=title)
                if pointed and pointed.target:
                    yield from _beside(package, pointed.target, title, outline)
            yield from outline.end()
        yield from package.losses()


def _rows(sheet: Any, hidden: list[str]) -> Iterator[Cells]:
    """The rows of a sheet that aren't empty; its title goes to `hidden` if it hides some, or columns.

    The worksheet's own rows hold the empty cells and rows between those that are there, up to millions of them.
    """
    workbook = sheet.parent
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=workbook.epoch,
            date_formats=workbook._date_formats,
            timedelta_formats=workbook._timedelta_formats,
            rich_text=True,
        )
        columns: list[tuple[int, int]] | None = None
        for number, cells in parser.parse():
            is_hidden = parser.row_dimensions.pop(str(number), {}).get("hidden") in TRUE
            if columns is None:  # they stand before the rows
                widths = parser.column_dimensions.values()
                columns = [(int(each["min"]), int(each["max"])) for each in widths if each.get("hidden") in TRUE]
            found = []
            for cell in cells:
                if text := " ".join(shown(ReadOnlyCell(sheet, **cell)).split()):
                    column = cell["column"]
                    if is_hidden or any(low <= column <= high for low, high in columns):
                        hidden[:] = [sheet.title]
                    else:
                        found.append((column - 1, text))
            if found:
                yield found


def _beside(package: Package, part: str, title: str, outline: Outline) -> Iterator[Loss]:
    """Charts, pictures and text boxes, which lie over the cells; and results that are missing from them."""
    if _lacks_results(package, part):
        yield Loss("sheet with formulas whose results were not saved", name=title)
    drawing = package.related(part, "drawing")
    root = package.tree(drawing) if drawing else None
    if drawing is None or root is None:
        return
    for shape in root.iter("{*}sp"):
        for paragraph in shape.iter("{*}p") if not is_hidden(next(shape.iter("{*}cNvPr"), None)) else ():
            outline.text("".join(each.text or "" for each in paragraph.iter("{*}t")))
    for properties in root.iter("{*}cNvPr"):
        if is_hidden(properties):
            continue
        outline.text(picture_text(properties))
        parent = properties.getparent()
        picture = parent is not None and name(parent) == "nvPicPr"
        if picture and not picture_text(properties) and not is_decorative(properties):
            yield Loss("picture without a description", name=attribute(properties, "name") or "")
    for pointed in package.relationships(drawing).values():
        if pointed.kind == "chart" and (chart := package.tree(pointed.target)) is not None:
            outline.text("\n".join(chart_lines(chart)))


def _lacks_results(package: Package, part: str) -> bool:
    with package.open(part) as stream:
        kept = b""
        while piece := stream.read(PIECE):
            kept += piece
            if NO_RESULT.search(kept):
                return True
            kept = kept[-CELL_CHARACTERS:]
    return False
