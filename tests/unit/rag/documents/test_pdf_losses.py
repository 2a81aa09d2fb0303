"""PDF: what can't be read of a page is told."""

import base64
import io
import zlib
from collections.abc import Callable

import pytest
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from tandem.rag.documents.section import Loss, Rejected, Section

from .pdf_files import drawn, font, names, page_of, pdf, read

WHOLE = page_of("The valve stays shut.")
PACKED = zlib.compress(WHOLE)
BENT = PACKED[:20] + b"\xff" * 8 + PACKED[28:]


def content(data: bytes, *filters: str) -> StreamObject:
    stream = StreamObject()
    stream._data = data
    stream[NameObject("/Filter")] = ArrayObject(NameObject(f"/{each}") for each in filters)
    return stream


def changed(data: bytes, change: Callable[[PdfWriter], object]) -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(data))
    change(writer)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def with_content(stream: StreamObject | None) -> bytes:
    """Two pages, of which the second has this content; without one it names what isn't there."""

    def put(writer: PdfWriter) -> None:
        content = writer._add_object(stream) if stream else IndirectObject(77, 0, writer)
        writer.pages[1][NameObject("/Contents")] = content

    return changed(pdf(page_of("one"), page_of("two")), put)


@pytest.mark.parametrize(
    "stream",
    [
        content(BENT, "FlateDecode"),
        content(base64.a85encode(BENT) + b"~>", "ASCII85Decode", "FlateDecode"),
        content(base64.a85encode(PACKED)[:30] + b"\x7f" * 9 + b"~>", "A85", "Fl"),
        content(BENT.hex().encode() + b">", "ASCIIHexDecode", "FlateDecode"),
        content(b'\x80\x0b`P"garbage', "LZWDecode"),
        content(PACKED, "Unknown"),
        None,
    ],
)
def test_a_page_whose_content_is_damaged_or_missing_is_told(stream: StreamObject | None):
    assert read(with_content(stream)) == [Section("one", page=1), Loss("damaged", page=2)]


def test_a_filter_that_is_an_object_of_its_own_hides_no_damage():
    data = with_content(content(BENT, "FlateDecode")).replace(b"[ /FlateDecode ]", b"99 0 R")
    data = data.replace(b"xref\n", b"99 0 obj\n/FlateDecode\nendobj\nxref\n", 1)
    assert read(data) == [Section("one", page=1), Loss("damaged", page=2)]


@pytest.mark.parametrize(
    "stream",
    [
        content(base64.a85encode(PACKED) + b"~>", "ASCII85Decode", "FlateDecode"),
        content(PACKED.hex().encode() + b">", "ASCIIHexDecode", "FlateDecode"),
    ],
)
def test_a_page_in_another_packing_is_whole(stream: StreamObject):
    assert read(with_content(stream)) == [Section("one", page=1), Section("The valve stays shut.", page=2)]


def test_a_page_with_nothing_but_spaces_is_blank():
    assert read(pdf(page_of("one"), drawn((50, 700, " ")))) == [Section("one", page=1)]


PICTURE = b"q %d 0 0 %d 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q\n"


def scan(*lines: tuple[float, float, str], width: int = 600, height: int = 800) -> bytes:
    return PICTURE % (width, height) + drawn(*lines)


@pytest.mark.parametrize("stamp", ["{}", "ACME-00000{}", "Page {} of 5", "Received 12 May 2024"])
def test_a_scan_with_a_stamp_has_no_text(stamp: str):
    parts = read(pdf(page_of("A cover."), *[scan((290, 30, stamp.format(at))) for at in range(1, 5)]))
    assert [part.page for part in parts if isinstance(part, Loss)] == [2, 3, 4, 5]
    assert {part.what for part in parts if isinstance(part, Loss)} == {"no text (a scan?)"}


def test_a_scan_with_a_running_head_has_no_text():
    head = (50, 770, "Operating manual of the boiler HX-300 by ACME, second edition")
    parts = read(pdf(*[scan(head, (290, 30, str(at))) for at in range(1, 5)]))
    assert [part.page for part in parts if isinstance(part, Loss)] == [1, 2, 3, 4]


def test_text_on_a_picture_or_a_small_picture_is_no_scan():
    text = (50, 700, "The valve stays shut in winter.")
    assert read(pdf(scan(text))) == [Section(text[2], page=1)]
    assert read(pdf(scan((50, 700, "Chapter 2"), width=200, height=300))) == [Section("Chapter 2", page=1)]


def note(subtype: str, text: str, appearance: bytes = b"", flags: int = 4) -> Callable[[PdfWriter], None]:
    """An annotation on the first page."""

    def put(writer: PdfWriter) -> None:
        made = names(Type="/Annot", Subtype=f"/{subtype}")
        made[NameObject("/Contents")] = TextStringObject(text)
        made[NameObject("/F")] = NumberObject(flags)
        made[NameObject("/Rect")] = ArrayObject(NumberObject(each) for each in (50, 500, 250, 520))
        if appearance:
            shown = DecodedStreamObject()
            shown.set_data(appearance)
            shown[NameObject("/Subtype")] = NameObject("/Form")
            shown[NameObject("/BBox")] = ArrayObject(NumberObject(each) for each in (0, 0, 200, 20))
            fonts = DictionaryObject({NameObject("/F1"): font()})
            shown[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
            made[NameObject("/AP")] = DictionaryObject({NameObject("/N"): writer._add_object(shown)})
        writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(made)])

    return put


@pytest.mark.parametrize("appearance", [b"", drawn((2, 5, "Close pump 2."))])
def test_what_is_written_on_a_page_as_a_note_is_read_once(appearance: bytes):
    parts = read(changed(pdf(page_of("The valve.")), note("FreeText", "Close pump 2.", appearance)))
    assert [part.text.split("\n")[-1] for part in parts if isinstance(part, Section)] == ["Close pump 2."]
    assert sum(part.text.count("pump") for part in parts if isinstance(part, Section)) == 1


def test_a_stamp_is_read_and_a_comment_or_what_is_hidden_is_not():
    page = pdf(page_of("The valve."))
    (found,) = read(changed(page, note("Stamp", "", drawn((2, 5, "Approved")))))
    assert isinstance(found, Section) and "Approved" in found.text
    for left_out in (note("Text", "Nonsense."), note("FreeText", "Old.", flags=2)):
        assert read(changed(page, left_out)) == [Section("The valve.", page=1)]


@pytest.mark.parametrize(("rendered", "fields", "told"), [(True, 0, True), (False, 0, True), (False, 1, False)])
def test_a_form_that_only_its_maker_shows_is_told(rendered: bool, fields: int, told: bool):
    def put(writer: PdfWriter) -> None:
        form = DecodedStreamObject()
        form.set_data(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
        entries = {NameObject("/Fields"): ArrayObject(), NameObject("/XFA"): writer._add_object(form)}
        writer.root_object[NameObject("/AcroForm")] = DictionaryObject(entries)
        writer.root_object[NameObject("/NeedsRendering")] = BooleanObject(rendered)
        if fields:
            note("Widget", "")(writer)

    if told:
        with pytest.raises(Rejected, match="the PDF is a form that only Adobe's programs show"):
            read(changed(pdf(b""), put))
    parts = read(changed(pdf(page_of("Please wait...")), put))
    assert [type(part) for part in parts] == [Section, *[Loss] * told]


def test_a_tree_of_pages_that_loops_ends():
    count = 20_000
    data = pdf(page_of("one")).replace(b"/Count 1", b"/Count %d" % count)
    kids = data.index(b"/Kids [ ") + 8
    data = data[:kids] + b"1 0 R" + data[kids + 5 :]
    with pytest.raises(Rejected, match=rf"damaged: pages [12]-{count}.*qpdf"):
        read(data)
