"""Word documents: the reader sees what a person sees."""

import docx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from tandem.rag.documents.section import Loss, Section

from .files import changed, losses, parts, read, saved, sections, text, zipped

W = nsdecls("w")
DEPOT = "The winter depot in Harnfell opens at 06:40."


def document(*body: str) -> bytes:
    """A document with paragraphs of raw XML."""
    made = docx.Document()
    for xml in body:
        made.element.body.insert(len(made.element.body) - 1, parse_xml(xml))
    return saved(made)


def paragraph(inner: str) -> str:
    return f'<w:p {nsdecls("w", "r", "wp", "a", "pic")} xmlns:v="urn:schemas-microsoft-com:vml">{inner}</w:p>'


def run(content: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{content}</w:t></w:r>'


def test_headings_text_and_a_table_with_its_header():
    made = docx.Document()
    made.add_heading("Depot rules", 1)
    made.add_paragraph(DEPOT)
    table = made.add_table(2, 2)
    for cell, content in zip(table._cells, ("Bay", "Load", "N4", "18 t"), strict=True):
        cell.text = content
    made.add_heading("Gate", 2)
    made.add_heading("Empty", 2)
    made.add_heading("Last", 1)
    made.add_paragraph("bye")
    assert read("docx", saved(made)) == [
        Section(DEPOT, heading="Depot rules"),
        Section("N4 | 18 t", heading="Depot rules", header="Bay | Load"),
        Section("Gate", heading="Depot rules"),
        Section("Empty", heading="Depot rules"),
        Section("bye", heading="Last"),
    ]


def test_a_heading_by_a_style_of_any_language_that_inherits_its_level():
    made = docx.Document()
    base = made.styles.add_style("Kapitel", WD_STYLE_TYPE.PARAGRAPH)
    base.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {W} w:val="0"/>'))
    made.styles.add_style("Eigenes Kapitel", WD_STYLE_TYPE.PARAGRAPH).base_style = base
    made.add_paragraph("Winterlager", style="Eigenes Kapitel")
    made.add_paragraph("offen")
    level = parse_xml(f'<w:outlineLvl {W} w:val="1"/>')
    direct = made.add_paragraph("Tor")
    direct._p.get_or_add_pPr().append(level)
    made.add_paragraph("zu")
    assert sections("docx", saved(made)) == [
        Section("offen", heading="Winterlager"),
        Section("zu", heading="Winterlager > Tor"),
    ]


def test_a_heading_by_a_style_that_is_not_defined():
    found = parts(
        document(paragraph(f'<w:pPr><w:pStyle w:val="Heading2"/></w:pPr>{run("Gate")}'), paragraph(run("open")))
    )
    bare = zipped({name: content for name, content in found.items() if not name.endswith("/styles.xml")})
    assert sections("docx", bare) == [Section("open", heading="Gate")]


def test_lists_have_the_labels_that_word_counts_out():
    made = docx.Document()
    for content in ("salt", "sand"):
        made.add_paragraph(content, style="List Bullet")
    for content in ("open", "close"):
        made.add_paragraph(content, style="List Number")
    assert [each.text for each in sections("docx", saved(made))] == ["- salt\n- sand\n1. open\n2. close"]


def test_numbered_headings_are_found_by_their_numbers():
    made = docx.Document()
    numbering = made.part.numbering_part.element
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{form}"/><w:lvlText w:val="{label}"/></w:lvl>'
        for at, form, label in ((0, "upperRoman", "%1."), (1, "decimal", "%1.%2"))
    )
    numbering.insert(0, parse_xml(f'<w:abstractNum {W} w:abstractNumId="900">{levels}</w:abstractNum>'))
    numbering.append(parse_xml(f'<w:num {W} w:numId="900"><w:abstractNumId w:val="900"/></w:num>'))
    for depth, content in ((0, "Gates"), (1, "North"), (1, "South"), (0, "Bays"), (1, "Cold")):
        heading = made.add_heading(content, depth + 1)
        number = f'<w:numPr {W}><w:ilvl w:val="{depth}"/><w:numId w:val="900"/></w:numPr>'
        heading._p.get_or_add_pPr().append(parse_xml(number))
        made.add_paragraph(f"about {content}")
    assert [each.heading for each in sections("docx", saved(made))] == [
        "I. Gates",
        "I. Gates > I.1 North",
        "I. Gates > I.2 South",
        "II. Bays",
        "II. Bays > II.1 Cold",
    ]


def test_insertions_are_kept_and_deletions_comments_and_hidden_text_are_not():
    data = document(
        paragraph(
            run("shown ")
            + f"<w:ins>{run('inserted ')}</w:ins>"
            + "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
            + f"<w:moveFrom>{run('moved away')}</w:moveFrom><w:moveTo>{run('moved here ')}</w:moveTo>"
            + run("hidden", "<w:vanish/>")
            + run("not hidden", '<w:vanish w:val="0"/>')
            + "<w:r><w:commentReference w:id='0'/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>"
        )
    )
    assert sections("docx", data) == [Section("shown inserted moved here not hidden")]


def test_headers_and_footers_are_left_out():
    made = docx.Document()
    made.sections[0].header.paragraphs[0].text = "Confidential"
    made.sections[0].footer.paragraphs[0].text = "Page 1"
    made.add_paragraph(DEPOT)
    assert read("docx", saved(made)) == [Section(DEPOT)]


def test_content_controls_links_fields_and_formulas_are_text():
    formula = (
        '<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
        "<m:sSup><m:e><m:r><m:t>E=mc</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"
    )
    data = document(
        f"<w:sdt {W}><w:sdtContent><w:p>{run('in a control')}</w:p></w:sdtContent></w:sdt>",
        f"<w:sdt {W}><w:sdtPr><w:docPartObj/></w:sdtPr><w:sdtContent><w:sdt><w:sdtContent><w:p>{run('deeper')}</w:p>"
        "</w:sdtContent></w:sdt></w:sdtContent></w:sdt>",
        paragraph(f"<w:hyperlink>{run('a link')}</w:hyperlink> <w:fldSimple>{run(' a field')}</w:fldSimple>{formula}"),
        paragraph(run("10") + run("5", '<w:vertAlign w:val="superscript"/>') + run(" V, the 1")).replace(
            "</w:p>", run("st", '<w:vertAlign w:val="superscript"/>') + "</w:p>"
        ),
    )
    assert text("docx", data).split("\n\n")[1:] == ["in a control", "deeper", "a link a fieldE=mc^2", "10^5 V, the 1st"]


NOTES = (
    f'<w:footnotes {W}><w:footnote w:type="separator" w:id="-1"><w:p/></w:footnote>'
    f'<w:footnote w:id="2"><w:p>{run("Measured cold.")}</w:p></w:footnote></w:footnotes>'
)


def with_part(data: bytes, name: str, content: str, kind: str) -> bytes:
    """A document with one more part, related to its main one as `rIdNew`."""
    found: dict[str, bytes | str] = dict(parts(data))
    found[f"word/{name}"] = content
    rels = found["word/_rels/document.xml.rels"].decode()
    new = f'<Relationship Id="rIdNew" Type="http://schemas.openxmlformats.org/x/relationships/{kind}" Target="{name}"/>'
    found["word/_rels/document.xml.rels"] = rels.replace("</Relationships>", new + "</Relationships>")
    return zipped(found)


def test_footnotes_stand_behind_their_paragraph():
    data = document(
        paragraph(run("4 bar") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + run(" at most.")),
        paragraph(run("next")),
    )
    [only] = sections("docx", with_part(data, "footnotes.xml", NOTES, "footnotes"))
    assert only.text == "4 bar[^1] at most.\n\n[^1]: Measured cold.\n\nnext"


BOX = (
    '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice>'
    '<w:drawing><wp:inline><wp:docPr id="1" name="Box"/><a:graphic><a:graphicData><wps:wsp '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><wps:txbx><w:txbxContent>'
    "<w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic>"
    "</wp:inline></w:drawing></mc:Choice><mc:Fallback><w:pict><v:shape><v:textbox><w:txbxContent><w:p><w:r>"
    "<w:t>in the box</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></mc:Fallback>"
    "</mc:AlternateContent>"
)


def test_a_text_box_is_read_once():
    data = document(paragraph(run("beside") + f"<w:r>{BOX}</w:r>"))
    assert read("docx", data) == [Section("beside\n\nin the box")]


def picture(name: str, description: str = "") -> str:
    return (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" name="{name}" descr="{description}"/><a:graphic><a:graphicData>'
        '<pic:pic><pic:blipFill><a:blip r:embed="rId99"/></pic:blipFill></pic:pic></a:graphicData></a:graphic>'
        "</wp:inline></w:drawing></w:r>"
    )


def test_a_picture_has_its_description_or_is_told():
    data = document(paragraph(run("See") + picture("P1", "a plan of bay N4")), paragraph(picture("Picture 2")))
    assert read("docx", data) == [
        Loss("picture without a description", name="Picture 2"),
        Section("See a plan of bay N4"),
    ]


def cell(content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p>{run(content)}</w:p></w:tc>"


def table(*rows: str, look: str = "") -> str:
    return f"<w:tbl {W}><w:tblPr>{look}</w:tblPr>{''.join(f'<w:tr>{each}</w:tr>' for each in rows)}</w:tbl>"


def test_tables_merged_nested_deleted_and_with_two_header_rows():
    header = "<w:trPr><w:tblHeader/></w:trPr>"
    data = document(
        table(
            header + cell("Bay", '<w:vMerge w:val="restart"/>') + cell("Load", '<w:gridSpan w:val="2"/>'),
            header + cell("", "<w:vMerge/>") + cell("dry") + cell("wet"),
            cell("N5", '<w:gridSpan w:val="2"/>') + cell("7 t"),
            cell("N4") + cell("18 t") + f"<w:tc>{table(cell('9 t') + cell('iced'))}<w:p/></w:tc>",
            f"<w:trPr><w:del/></w:trPr>{cell('gone')}{cell('gone')}",
        )
    )
    assert sections("docx", data) == [Section("N5 |  | 7 t\nN4 | 18 t | 9 t iced", header="Bay | Load\n | dry | wet")]


def test_a_table_of_one_column_is_a_frame_whose_headings_are_headings():
    framed = f'<w:tc><w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>{run("Gate")}</w:p><w:p>{run("open")}</w:p></w:tc>'
    assert sections("docx", document(table(framed))) == [Section("open", heading="Gate")]


def test_a_table_of_contents_is_left_out():
    made = docx.Document()
    made.styles.add_style("toc 1", WD_STYLE_TYPE.PARAGRAPH)
    made.add_paragraph("Gate\t3", style="toc 1")
    made.add_heading("Gate")
    made.add_paragraph("open")
    assert sections("docx", saved(made)) == [Section("open", heading="Gate")]


CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><c:tx><c:rich><a:p><a:r>'
    "<a:t>Loads</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache>"
    '<c:pt idx="0"><c:v>Winter</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache>'
    '<c:pt idx="0"><c:v>N4</c:v></c:pt></c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache>'
    '<c:pt idx="0"><c:v>18</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea></c:chart>'
    "</c:chartSpace>"
)


def test_a_chart_says_its_titles_and_values():
    graphic = (
        '<w:r><w:drawing><wp:inline><wp:docPr id="1" name="Chart 1"/><a:graphic><a:graphicData>'
        '<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" r:id="rIdNew"/>'
        "</a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
    data = with_part(document(paragraph(run("As drawn:") + graphic)), "chart1.xml", CHART, "chart")
    assert read("docx", data) == [Section("As drawn:\n\nLoads\n\nWinter: N4 18")]


def test_the_strict_form_of_the_format_is_read():
    made = docx.Document()
    made.add_heading("Depot")
    made.add_paragraph(DEPOT)
    strict = "http://purl.oclc.org/ooxml"
    swap = {
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main": f"{strict}/wordprocessingml/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships": f"{strict}/officeDocument/relationships",
    }
    found: dict[str, bytes | str] = {}
    for name, content in parts(saved(made)).items():
        for old, new in swap.items():
            content = content.replace(old.encode(), new.encode())  # noqa: PLW2901
        found[name] = content
    assert sections("docx", zipped(found)) == [Section(DEPOT, heading="Depot")]


def test_macros_and_embedded_files_are_told():
    data = with_part(document(paragraph(run(DEPOT))), "embeddings/sheet1.xlsx", "x", "package")
    data = zipped({**parts(data), "word/vbaProject.bin": b"x"})
    assert read("docx", data) == [
        Section(DEPOT),
        Loss("macros, which are not text"),
        Loss("embedded file that isn't read", name="sheet1.xlsx"),
    ]


def test_what_is_outside_is_not_fetched():
    data = document(paragraph(run(DEPOT) + picture("linked")))
    remote = 'Target="http://203.0.113.1/a.png" TargetMode="External"/></Relationships>'
    data = zipped(
        {
            **parts(data),
            "word/_rels/document.xml.rels": parts(data)["word/_rels/document.xml.rels"]
            .decode()
            .replace("</Relationships>", f'<Relationship Id="rId99" Type="x/image" {remote}'),
        }
    )
    assert [each.text for each in sections("docx", data)] == [DEPOT]
    assert [each.name for each in losses("docx", data)] == ["linked"]


@pytest.mark.parametrize("broken", ["document", "styles"])
def test_a_damaged_part_is_told_with_the_remedy(broken):
    from tandem.rag.documents.section import Rejected

    data = changed(document(paragraph(run(DEPOT))), **{broken: lambda xml: xml[: len(xml) // 2]})
    with pytest.raises(Rejected, match=r"Word document is damaged .*save it as \.docx"):
        read("docx", data)


def test_characters_of_symbol_fonts_are_what_they_show():
    marks = "".join(f'<w:r><w:sym w:font="Wingdings" w:char="F0{code}"/></w:r>' for code in ("FC", "FB"))
    typed = run("\uf06d\uf057", '<w:rFonts w:ascii="Symbol"/>')
    unknown = '<w:r><w:sym w:font="Logos" w:char="F041"/></w:r>'
    assert read("docx", document(paragraph(marks + typed + unknown))) == [
        Loss("symbol of a font that isn't known", name="Logos"),
        Section("\u2713\u2717\u03bc\u03a9"),
    ]


def test_a_hidden_drawing_is_left_out():
    drawing = (
        '<w:r><w:drawing><wp:inline><wp:docPr id="1" name="P" descr="secret" hidden="1"/></wp:inline></w:drawing></w:r>'
    )
    assert read("docx", document(paragraph(run("words") + drawing))) == [Section("words")]
