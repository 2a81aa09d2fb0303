"""PDF: words, lines and pages as a reader sees them, and what was lost."""

import io
import zlib
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from tandem.rag.chunk import chunk
from tandem.rag.documents.section import Loss, Rejected, Section

from .pdf_files import drawn, font, names, page_of, pdf, read, texts

CASES = Path(__file__).parent / "cases"


def case(name: str) -> list[Section | Loss]:
    return read((CASES / name).read_bytes())


def test_broken_words_are_whole():
    text = " ".join(part.text for part in case("hyphen.pdf") if isinstance(part, Section))
    assert "warehouse administration" in text and "documents of the insurance company" in text


def test_a_compound_keeps_its_hyphen():
    page = page_of("A command-line tool has a com-", "mand and a well-known command-", "line, and rules of order.")
    assert "a command and a well-known command-line, and" in texts(pdf(page))[0]


@pytest.mark.parametrize(
    ("start", "end", "whole"),
    [
        ("HX", "300", "HX-300"),
        ("Nord", "Süd", "Nord-Süd"),
        ("E", "Mail", "E-Mail"),
        ("x", "ray", "x-ray"),
        ("Vor", "und Nachteile", "Vor- und Nachteile"),
        ("rock", "and-roll", "rock-and-roll"),
        ("state-of-the", "art", "state-of-the-art"),
        ("B2", "c", "B2-c"),
        ("ad", "ministration", "administration"),
        ("Ware", "house", "Warehouse"),
        ("well", "meant", "well-meant"),
        ("10", "20 bar", "10-20 bar"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line(start: str, end: str, whole: str):
    page = page_of(f"The words are {start}-", f"{end} here.", "The warehouse: it is well meant.")
    assert f"The words are {whole} here." in texts(pdf(page))[0]


def test_columns_drawn_across_are_read_one_after_the_other():
    (found,) = case("two-columns.pdf")
    assert isinstance(found, Section)
    assert found.text.split("\n") == [
        f"{side} column line {line} about the {things}"
        for side, things in (("Left", "pump and its valve"), ("Right", "roof and its gutter"))
        for line in range(1, 31)
    ]


def test_columns_have_a_title_above_and_a_line_below():
    rows = [
        (x, 600.0 - 14 * at, f"{side} {at} has quite some words")
        for at in range(9)
        for x, side in ((50, "left"), (210, "right"))
    ]
    page = drawn(
        (50, 640, "A title that goes across both of the columns of this page, from end to end"),
        *rows,
        (50, 400, "The end of all"),
    )
    text = texts(pdf(page))[0]
    assert text.index("A title") < text.index("left 8") < text.index("right 0") < text.index("The end")


def test_a_table_is_read_row_by_row():
    rows = [
        (x, 600.0 - 14 * at, cell)
        for at in range(12)
        for x, cell in ((50, f"Z{at}"), (200, f"{at * 2} kg"), (350, f"{at} EUR"))
    ]
    assert "Z3 6 kg 3 EUR" in texts(pdf(drawn(*rows)))[0]


def test_a_table_with_long_cells_is_read_row_by_row():
    rows = [
        (x, 600.0 - 14 * at, f"{cell} {at} of the hall in the north")
        for at in range(12)
        for x, cell in ((50, "Bay"), (320, "load"))
    ]
    assert "Bay 3 of the hall in the north load 3 of the hall in the north\n" in texts(pdf(drawn(*rows)))[0]


@pytest.mark.parametrize(
    ("raised", "after", "text"),
    [("5", "( V at most.)", "10^5 V at most."), ("-3", "(, as said)", "10^-3, as said"), ("12", "(x)", "10^12x")],
)
def test_a_power_is_no_further_digit(raised: str, after: str, text: str):
    page = b"BT /F1 11 Tf 72 700 Td (Max 10) Tj 5 Ts /F1 7 Tf (%s) Tj 0 Ts /F1 11 Tf %s Tj ET"
    assert texts(pdf(page % (raised.encode(), after.encode()))) == [f"Max {text}"]
    assert texts(pdf(page_of("No. 105 and 2019-12"))) == ["No. 105 and 2019-12"]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_keeps_the_order_of_its_lines(turn: int):
    writer = PdfWriter(clone_from=io.BytesIO(pdf(page_of("one", "two", "three"))))
    writer.pages[0].rotate(turn)
    target = io.BytesIO()
    writer.write(target)
    assert texts(target.getvalue()) == ["one\ntwo\nthree"]


def test_each_page_is_cited_with_its_own_number_and_a_damaged_one_is_told():
    parts = case("one-bad-page.pdf")
    assert [part for part in parts if isinstance(part, Loss)] == [Loss("damaged", page=3)]
    pieces = chunk(part for part in parts if isinstance(part, Section))
    assert [(piece.page, piece.text) for piece in pieces] == [
        (page, f"Page {page}: the sluice {page} is closed at level {page * 11}.") for page in (1, 2, 4, 5)
    ]


def test_a_page_damaged_in_its_middle_is_told_and_what_is_left_is_read():
    data = bytearray(pdf(page_of(*(f"line {at} {at * 7919 % 1000}" for at in range(40))), page_of("whole")))
    start = data.index(b"stream\n") + 7
    length = len(zlib.compress(page_of(*(f"line {at} {at * 7919 % 1000}" for at in range(40)))))
    data[start + length * 2 // 3 : start + length * 2 // 3 + 40] = b"\xff" * 40
    parts = read(bytes(data))
    assert Loss("damaged", page=1) in parts and Section("whole", page=2) in parts
    assert not any(isinstance(part, Loss) and part.page == 2 for part in parts)


def test_pages_without_text_are_told():
    cover, *others = case("scan-with-text-cover.pdf")
    assert cover == Section("Cover sheet. Contract 88.", page=1)
    assert others == [Loss("no text (a scan?)", page=page) for page in range(2, 11)]


def test_a_blank_page_is_no_loss():
    assert read(pdf(page_of("one"), b"", b"q Q", page_of("four"))) == [Section("one", page=1), Section("four", page=4)]


def test_a_scan_is_refused_with_its_pages():
    scan = PdfWriter()
    for page in PdfReader(CASES / "scan-with-text-cover.pdf").pages[1:4]:
        scan.add_page(page)
    target = io.BytesIO()
    scan.write(target)
    with pytest.raises(Rejected, match=r"no text \(a scan\?\): pages 1-3.*ocrmypdf"):
        read(target.getvalue())


def test_encryption_without_a_password_is_no_obstacle():
    (found,) = case("encrypted-owner-only-AES_128.pdf")
    assert isinstance(found, Section) and "opens at 06:40" in found.text
    assert texts(pdf(page_of("readable"), password="")) == ["readable"]
    with pytest.raises(Rejected, match=r"encrypted.*--decrypt"):
        read(pdf(page_of("secret"), password="pw"))


def garbled(kind: str) -> DictionaryObject:
    """A font that doesn't say what its glyphs are."""
    differences = ArrayObject([NumberObject(32), *(NameObject(f"/g{code}") for code in range(32, 127))])
    found = font()
    found[NameObject("/BaseFont")] = NameObject("/ABCDEF+Unknown")
    found[NameObject("/Subtype")] = NameObject(kind)
    found[NameObject("/Encoding")] = DictionaryObject(
        {NameObject("/Type"): NameObject("/Encoding"), NameObject("/Differences"): differences}
    )
    return found


def test_a_font_that_says_nothing_is_told():
    with pytest.raises(Rejected, match=r"unreadable font: page 1"):
        read(pdf(page_of("The winter depot opens at six", "in the morning of each Monday"), fonts=garbled("/Type1")))


def test_an_attachment_is_named():
    writer = PdfWriter(clone_from=io.BytesIO(pdf(page_of("see the sheet"))))
    writer.add_attachment("sheet.xlsx", b"PK")
    target = io.BytesIO()
    writer.write(target)
    assert read(target.getvalue()) == [Section("see the sheet", page=1), Loss("attachment", name="sheet.xlsx")]


def test_the_content_decides_not_the_name():
    for name in ("a.txt", "a.md", "a.html", "a", "a.unknown"):
        assert read(pdf(page_of("readable")), name) == [Section("readable", page=1)]


def test_what_stands_before_a_pdf_does_not_hide_it():
    data = b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n" + pdf(page_of("readable"))
    assert read(data, "a.txt") == [Section("readable", page=1)]
    assert read(b"A file that begins with %PDF-1.7 is a PDF.", "a.txt")[0].text.startswith("A file")


def test_protection_by_a_certificate_is_no_corruption():
    data = pdf(page_of("secret")).replace(b"trailer\n<<", b"trailer\n<< /Encrypt << /Filter /Adobe.PubSec /V 4 >>")
    with pytest.raises(Rejected, match="protected by a certificate"):
        read(data)


def test_a_form_is_read_as_it_was_filled_in():
    writer = PdfWriter(clone_from=io.BytesIO(pdf(page_of("Name:"))))
    appearance = StreamObject()
    appearance.set_data(b"BT /F1 10 Tf 2 2 Td (Kranich) Tj ET")
    resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font()})})
    box = ArrayObject([NumberObject(each) for each in (0, 0, 100, 20)])
    appearance.update(
        {NameObject("/Subtype"): NameObject("/Form"), NameObject("/BBox"): box, NameObject("/Resources"): resources}
    )
    field = names(Type="/Annot", Subtype="/Widget", FT="/Tx")
    field.update(
        {
            NameObject("/T"): TextStringObject("name"),
            NameObject("/V"): TextStringObject("Kranich"),
            NameObject("/F"): NumberObject(4),
            NameObject("/Rect"): ArrayObject([NumberObject(each) for each in (90, 695, 190, 715)]),
            NameObject("/AP"): DictionaryObject({NameObject("/N"): writer._add_object(appearance)}),
        }
    )
    reference = writer._add_object(field)
    writer.pages[0][NameObject("/Annots")] = ArrayObject([reference])
    writer.root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/Fields"): ArrayObject([reference])})
    target = io.BytesIO()
    writer.write(target)
    assert "Kranich" in texts(target.getvalue())[0]
