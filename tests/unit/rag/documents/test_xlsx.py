"""Workbooks: rows as tables, values as they are shown."""

import io
import re
from datetime import date, datetime, time, timedelta
from time import process_time

import openpyxl
import pytest
import xlsxwriter
from openpyxl.drawing.image import Image
from openpyxl.workbook import Workbook

from tandem.rag.documents import extract
from tandem.rag.documents.section import Loss, Rejected, Section

from .files import changed, losses, parts, read, saved, sections, zipped


def workbook(*rows: list[object], title: str = "Bays") -> Workbook:
    made = Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    return made


def with_shared_strings(*rows: list[str]) -> bytes:
    """A workbook as Excel writes it, whose texts stand in a part of their own."""
    target = io.BytesIO()
    made = xlsxwriter.Workbook(target)
    sheet = made.add_worksheet("Bays")
    for at, row in enumerate(rows):
        sheet.write_row(at, 0, row)
    bold = made.add_format({"bold": True})
    sheet.write_rich_string(len(rows), 0, "N", bold, "5", ", cold")
    made.close()
    return target.getvalue()


def test_texts_in_a_part_of_their_own_and_in_several_fonts():
    assert read("xlsx", with_shared_strings(["Bay", "Load"], ["N4", "18 t"])) == [
        Section("N4 | 18 t\nN5, cold", heading="Bays", header="Bay | Load")
    ]


def test_a_sheet_is_a_heading_and_its_first_row_the_header():
    made = workbook(["Bay", "Load"], ["N4", "18 t"], [], ["N5", None, "spare"])
    made.create_sheet("Empty")
    made.create_sheet("One column").append(["a note"])
    assert read("xlsx", saved(made)) == [
        Section("N4 | 18 t\nN5 |  | spare", heading="Bays", header="Bay | Load"),
        Section("a note", heading="One column"),
    ]


def test_an_empty_workbook_is_refused():
    with pytest.raises(Rejected, match="no text could be extracted"):
        list(extract("a.xlsx", "", saved(workbook())))


def test_hidden_rows_and_columns_are_left_out_and_told():
    made = workbook(["Bay", "Key", "Load"], ["N4", "1234", "18 t"], ["N5", "5678", "12 t"], ["N6", "9012", "9 t"])
    made.active.column_dimensions["B"].hidden = True
    made.active.row_dimensions[3].hidden = True
    assert read("xlsx", saved(made)) == [
        Section("N4 |  | 18 t\nN6 |  | 9 t", heading="Bays", header="Bay |  | Load"),
        Loss("sheet with hidden rows or columns", name="Bays"),
    ]


def test_cells_that_are_far_away_cost_nothing():
    made = workbook(["near"])
    made.active.cell(1_048_576, 16_384).value = "far"
    assert read("xlsx", saved(made)) == [Section("near\nfar", heading="Bays")]
    made = workbook(["Bay", "Load"], ["N4", 18])
    made.active.cell(2, 16_384).value = "far"
    rows = "".join(f'<row r="{at}"><c r="A{at}"><v>1</v></c><c r="XFD{at}"><v>2</v></c></row>' for at in range(3, 3000))
    claimed = '<row r="2000000000"><c t="str"><v>last</v></c></row>'
    data = changed(saved(made), sheet1=lambda xml: xml.replace("</sheetData>", f"{rows}{claimed}</sheetData>"))
    started = process_time()
    found = sections("xlsx", data)
    assert process_time() - started < 10
    assert found[0].text.startswith("N4 | 18 | far\n1 |  | 2\n")
    assert found[-1].text.endswith("\nlast")


def test_raised_text_is_written_as_such():
    target = io.BytesIO()
    made = xlsxwriter.Workbook(target)
    raised = made.add_format({"font_script": 1})
    made.add_worksheet("Bays").write_rich_string(0, 0, "10", raised, "5", " V")
    made.close()
    assert sections("xlsx", target.getvalue()) == [Section("10^5 V", heading="Bays")]


def test_a_title_above_the_table_is_text():
    made = workbook([], ["Loads in winter"], [], ["Bay", "Load"], ["N4", 18])
    assert read("xlsx", saved(made)) == [
        Section("Loads in winter", heading="Bays"),
        Section("N4 | 18", heading="Bays", header="Bay | Load"),
    ]


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (18, "General", "18"),
        (0.1 + 0.2, "General", "0.3"),
        (4006381333931, "General", "4006381333931"),
        (0.12, "0%", "12%"),
        (0.1234, "0.0%", "12.3%"),
        (1250, "#,##0.00", "1,250.00"),
        (1250.5, '#,##0.00 "EUR"', "1,250.50 EUR"),
        (1250, "[$€-407]#,##0", "€1,250"),
        (-3.5, "0.00", "-3.50"),
        (-3.5, "0.00;(0.00)", "(3.50)"),
        (-0.001, "0.00", "0.00"),
        (0, '0;-0;"none"', "none"),
        (1.5, "0.##", "1.5"),
        (2, "0.##", "2"),
        (0.125, "0.00", "0.13"),
        (1234, "00000", "01234"),
        (1500000, '0.0,,"M"', "1.5M"),
        (12345.678, "0.00E+00", "1.23E+4"),
        (0.5, "# ?/?", "0.5"),
        (5550123, "000-0000", "5550123"),
        (True, "General", "TRUE"),
        ("#N/A", "General", "#N/A"),
        (date(2026, 11, 29), "yyyy-mm-dd", "2026-11-29"),
        (date(2026, 11, 29), "DD.MM.YYYY", "29.11.2026"),
        (date(2026, 11, 9), "d mmmm yyyy", "9 November 2026"),
        (date(2026, 11, 29), "[$-407]d/ mmm yy;@", "29/ Nov 26"),
        (date(2026, 11, 29), "mm-dd-yy", "2026-11-29"),
        (datetime(2026, 11, 29, 6, 40), "yyyy-mm-dd hh:mm", "2026-11-29 06:40"),
        (datetime(2026, 11, 29, 18, 5), "h:mm AM/PM", "6:05 PM"),
        (datetime(2026, 11, 29, 6, 40), "m/d/yy h:mm", "2026-11-29 06:40:00"),
        (time(6, 40), "hh:mm", "06:40"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
    ],
)
def test_values_are_as_a_person_sees_them(value, form, shown):
    made = workbook(["Bay", "Value"], ["N4", value])
    made.active["B2"].number_format = form
    assert [each.text for each in sections("xlsx", saved(made))] == [f"N4 | {shown}"]


def test_hidden_sheets_are_told():
    made = workbook(["Bay", "Load"], ["N4", "18 t"])
    made.create_sheet("Wages").append(["secret", 1])
    made["Wages"].sheet_state = "veryHidden"
    assert read("xlsx", saved(made)) == [
        Section("N4 | 18 t", heading="Bays", header="Bay | Load"),
        Loss("hidden sheet", name="Wages"),
    ]


def test_merged_cells_have_their_text_once():
    made = workbook(["Loads", None, None], ["Bay", "dry", "wet"], ["N4", 18, 9])
    made.active.merge_cells("A1:C1")
    assert [each.text for each in sections("xlsx", saved(made))] == ["Loads", "N4 | 18 | 9"]


def formula(value: str) -> bytes:
    """A workbook with a formula, whose saved result is `value`."""
    made = workbook(["Bay", "Load"], ["N4", "=9+9"])
    return changed(saved(made), sheet1=lambda xml: re.sub(r"(</f>)<v ?/?>(</v>)?", rf"\1{value}", xml))


def test_a_formula_shows_its_saved_result_and_one_without_is_told():
    table = Section("N4 | 18", heading="Bays", header="Bay | Load")
    assert read("xlsx", formula("<v>18</v>")) == [table]
    told = Loss("sheet with formulas whose results were not saved", name="Bays")
    assert read("xlsx", formula("")) == [table._replace(text="N4"), told]
    assert read("xlsx", formula("<v></v>")) == [table._replace(text="N4"), told]


def test_a_wrong_claim_of_the_size_loses_nothing():
    made = workbook(["Bay", "Load"], ["N4", "18 t"], ["N5", "12 t"])
    for claim in ("A1", "A1:XFD1048576"):
        data = changed(saved(made), sheet1=lambda xml, claim=claim: xml.replace('ref="A1:B3"', f'ref="{claim}"'))
        assert [each.text for each in sections("xlsx", data)] == ["N4 | 18 t\nN5 | 12 t"]


def test_charts_are_read_and_pictures_told():
    made = workbook(["Bay", "Load"], ["N4", 18])
    chart = openpyxl.chart.BarChart()
    chart.title = "Loads in winter"
    made.active.add_chart(chart, "D2")
    found = saved(made)
    assert [each.text for each in sections("xlsx", found)] == ["N4 | 18", "Loads in winter"]

    from PIL import Image as Pixels

    pictured = workbook(["Bay", "Load"], ["N4", 18])
    target = io.BytesIO()
    Pixels.new("RGB", (2, 2)).save(target, "PNG")
    pictured.active.add_image(Image(target), "D2")
    data = changed(saved(pictured), drawing1=lambda xml: re.sub(' descr="[^"]*"', "", xml))
    assert losses("xlsx", data) == [Loss("picture without a description", name="Image 1")]


def test_macros_are_told_and_the_text_read():
    data = zipped({**parts(saved(workbook(["Bay", "Load"], ["N4", 1]))), "xl/vbaProject.bin": b"x"})
    data = changed(
        data,
        **{
            "[Content_Types]": lambda xml: xml.replace(
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
                "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
            )
        },
    )
    assert read("xlsx", data) == [
        Section("N4 | 1", heading="Bays", header="Bay | Load"),
        Loss("macros, which are not text"),
    ]


def test_a_long_sheet_comes_in_pieces_that_repeat_the_header():
    made = workbook(["Bay", "Load"], *([f"N{at}", at] for at in range(2500)))
    found = sections("xlsx", saved(made))
    assert [each.text.count("\n") + 1 for each in found] == [1000, 1000, 500]
    assert {each.header for each in found} == {"Bay | Load"}


def test_the_strict_form_of_the_format_is_refused_rather_than_read_as_empty():
    strict = {
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main": "http://purl.oclc.org/ooxml/spreadsheetml/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/": "http://purl.oclc.org/ooxml/officeDocument/",
    }
    found = parts(saved(workbook(["Bay", "Load"], ["N4", "18 t"])))
    for old, new in strict.items():
        found = {name: content.replace(old.encode(), new.encode()) for name, content in found.items()}
    with pytest.raises(Rejected, match="Strict Open XML: save it as"):
        read("xlsx", zipped(found))


def test_a_sheet_of_a_chart_alone_says_its_title():
    made = workbook(["Bay", "Load"], ["N4", 18])
    chart = openpyxl.chart.BarChart()
    chart.title = "Loads in winter"
    made.create_chartsheet("Chart").add_chart(chart)
    assert read("xlsx", saved(made))[1:] == [Section("Loads in winter", heading="Chart")]
