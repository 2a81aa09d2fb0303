"""Presentations: a slide is a page."""

import io

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from tandem.rag.documents.section import Loss, Rejected, Section

from .files import changed, parts, read, saved, sections, zipped

DEPOT = "The winter depot in Harnfell opens at 06:40."
PLACE = (Inches(1), Inches(1), Inches(4), Inches(1))
TITLE_AND_CONTENT, TITLE_ONLY, BLANK = 1, 5, 6


def slide(show: pptx.presentation.Presentation, title: str = "", body: str = "") -> pptx.slide.Slide:
    made = show.slides.add_slide(show.slide_layouts[TITLE_AND_CONTENT if title else BLANK])
    if title:
        made.shapes.title.text = title
        made.placeholders[1].text = body
    return made


def test_slides_are_pages_and_titles_headings():
    show = pptx.Presentation()
    slide(show, "Depot", DEPOT)
    slide(show, "Title alone")
    slide(show)
    slide(show, "Gate", "open\nshut")
    assert read("pptx", saved(show)) == [
        Section(DEPOT, page=1, heading="Depot"),
        Section("Title alone", page=2),
        Section("open\nshut", page=4, heading="Gate"),
    ]


def test_slides_come_in_the_order_of_the_show():
    show = pptx.Presentation()
    slide(show, "Second", "b")
    slide(show, "First", "a")
    order = show.slides._sldIdLst
    order.append(order[0])
    assert [(each.page, each.heading) for each in sections("pptx", saved(show))] == [(1, "First"), (2, "Second")]


def test_notes_are_named_and_tables_have_their_header():
    show = pptx.Presentation()
    made = slide(show, "Bays", "see the table")
    table = made.shapes.add_table(2, 2, *PLACE).table
    for at, content in enumerate(("Bay", "Load", "N4", "18 t")):
        table.cell(at // 2, at % 2).text = content
    made.notes_slide.notes_text_frame.text = "Say that N5 is shut."
    assert read("pptx", saved(show)) == [
        Section("see the table", page=1, heading="Bays"),
        Section("N4 | 18 t", page=1, heading="Bays", header="Bay | Load"),
        Section("Say that N5 is shut.", page=1, heading="Bays > Notes"),
    ]


def test_groups_charts_and_hidden_slides_are_read():
    show = pptx.Presentation()
    made = slide(show)
    group = made.shapes.add_group_shape()
    group.shapes.add_textbox(*PLACE).text_frame.text = "in a group"
    data = CategoryChartData()
    data.categories = ["N4", "N5"]
    data.add_series("Load", (18, 12))
    made.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *PLACE, data)
    hidden = slide(show, "For questions", "the gate code")
    hidden._element.set("show", "0")
    assert read("pptx", saved(show)) == [
        Section("in a group\n\nLoad: N4 18, N5 12", page=1),
        Section("the gate code", page=2, heading="For questions"),
    ]


def test_a_picture_has_its_description_or_is_told():
    from PIL import Image

    image = io.BytesIO()
    Image.new("RGB", (2, 2)).save(image, "PNG")
    show = pptx.Presentation()
    made = slide(show)
    for description in ("a plan of bay N4", ""):
        image.seek(0)
        shown = made.shapes.add_picture(image, *PLACE)
        shown._element.nvPicPr.cNvPr.set("descr", description)
    assert read("pptx", saved(show)) == [
        Section("a plan of bay N4", page=1),
        Loss("picture without a description", page=1, name="Picture 2"),
    ]


def test_raised_digits_stay_exponents_and_shapes_in_two_languages_are_read_once():
    show = pptx.Presentation()
    made = slide(show)
    paragraph = made.shapes.add_textbox(*PLACE).text_frame.paragraphs[0]
    paragraph.add_run().text = "10"
    raised = paragraph.add_run()
    raised.text = "5"
    raised.font._element.set("baseline", "30000")
    paragraph.add_run().text = " V"

    def wrap(xml: str) -> str:
        start, end = xml.index("<p:sp>"), xml.index("</p:sp>") + len("</p:sp>")
        shape = xml[start:end]
        both = (
            '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
            f"<mc:Choice>{shape}</mc:Choice><mc:Fallback>{shape}</mc:Fallback></mc:AlternateContent>"
        )
        return xml[:start] + both + xml[end:]

    assert read("pptx", changed(saved(show), slide1=wrap)) == [Section("10^5 V", page=1)]


def test_formulas_keep_their_exponents_and_hidden_shapes_are_left_out():
    show = pptx.Presentation()
    shapes = show.slides.add_slide(show.slide_layouts[BLANK]).shapes
    for words in ("Max FORMULA V", "secret"):
        shapes.add_textbox(*PLACE).text_frame.text = words
    shapes[1]._element.nvSpPr.cNvPr.set("hidden", "1")
    power = "<m:sSup><m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>5</m:t></m:r></m:sup></m:sSup>"
    half = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    formula = f'<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">{power}{half}</m:oMath>'
    data = changed(saved(show), slide1=lambda xml: xml.replace("FORMULA", f"</a:t></a:r>{formula}<a:r><a:t>"))
    assert read("pptx", data) == [Section("Max 10^5 1/2 V", page=1)]


def test_a_missing_slide_is_told_and_a_missing_presentation_refused():
    show = pptx.Presentation()
    slide(show, "One", "a")
    slide(show, "Two", "b")
    found = parts(saved(show))
    assert read("pptx", zipped({k: v for k, v in found.items() if k != "ppt/slides/slide1.xml"})) == [
        Loss("slide that is missing from the file", page=1),
        Section("b", page=2, heading="Two"),
    ]
    with pytest.raises(Rejected, match="no main part"):
        read("pptx", zipped({k: v for k, v in found.items() if k != "ppt/presentation.xml"}))
