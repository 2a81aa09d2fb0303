"""Extraction: each format, each rejection."""

import contextlib
import io
import string

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from tandem.rag.documents import check_size, extract
from tandem.rag.documents.section import Rejected, Section


def sections(name: str, content: bytes | str, content_type: str = "") -> list[Section]:
    parts = extract(name, content_type, content.encode() if isinstance(content, str) else content)
    return [part for part in parts if isinstance(part, Section)]


def pdf(*pages: str, password: str | None = None) -> bytes:
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(300, 300)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_plain_text_with_a_byte_order_mark_and_windows_lines():
    assert sections("a.txt", b"\xef\xbb\xbfOne\r\nTwo\r\n") == [Section("One\nTwo")]


def test_markdown_headings_make_a_path():
    text = "---\ntitle: x\n---\nIntro\n# Guide #\n## Setup\nstep\n\nUse\n---\nuse it\n# End\nbye"
    assert sections("a.md", text) == [
        Section("title: x"),
        Section("Intro"),
        Section("step", heading="Guide > Setup"),
        Section("use it", heading="Guide > Use"),
        Section("bye", heading="End"),
    ]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_markdown_fenced_code_holds_no_headings(fence):
    text = f"# A\n{fence}sh\n# a comment\n{fence[0]}\n{fence}\n# B\nb"
    assert [section.heading for section in sections("a.md", text)] == ["A", "B"]


def test_html_text_under_title_and_headings():
    html = """<html><head><title>Shop</title><style>p{}</style></head><body><nav>menu</nav>
      <h1>Shop</h1><p>We <b>sell</b>
      tea.</p>after<ul><li>green<li>black</ul><script>evil()</script><!-- no -->
      <h2>Prices</h2><table><tr><th>Tea</th><th>Price</th></tr><tr><td>Green</td><td>3</td></tr></table>
      <pre>a
  b</pre></body></html>"""
    assert sections("a.html", html) == [
        Section("We sell tea.\n\nafter\n\ngreen\nblack", heading="Shop"),
        Section("Green | 3", heading="Shop > Prices", header="Tea | Price"),
        Section("a\n  b", heading="Shop > Prices"),
    ]


def test_html_title_without_a_head():
    assert sections("a.html", "<title>Shop</title><p>tea") == [Section("tea", heading="Shop")]


def test_html_nested_too_deeply_for_recursion():
    assert sections("a.html", "<div>" * 20000 + "deep" + "</div>" * 20000) == [Section("deep")]


def test_pdf_by_page():
    assert sections("a.PDF", pdf("first page", "", "third page")) == [
        Section("first page", page=1),
        Section("third page", page=3),
    ]


def test_pdf_with_an_empty_password_is_read():
    assert sections("a.pdf", pdf("readable", password="")) == [Section("readable", page=1)]


def test_content_type_decides_without_a_known_extension():
    assert sections("README", "# A\ntext", "text/markdown; charset=utf-8") == [Section("text", heading="A")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b" \n", "no text could be extracted.*only white space"),
        ("a.md", b"", "no text could be extracted"),
        ("a.pdf", pdf(""), "OCR"),
        ("a.odg", b"PK", r"'\.odg'.*convert it to one of \.txt"),
        ("a", b"x", "unknown document type"),
        ("a.txt", "naïve".encode("latin-1"), "byte 2 is 0xef.*iconv"),
        ("a.txt", b"MZ\x00\x01", "NUL at character 2"),
        ("a.pdf", b"not a PDF at all", "corrupt.*qpdf"),
        ("a.pdf", pdf("cut")[:300], "corrupt.*qpdf"),
        ("a.pdf", pdf("secret", password="pw"), "encrypted.*--decrypt"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_remedy(name, content, reason):
    with pytest.raises(Rejected, match=reason):
        sections(name, content)


def test_every_byte_of_damage_is_a_rejection_or_text():
    whole = pdf(string.ascii_letters, "second")
    assert len(PdfReader(io.BytesIO(whole)).pages) == 2
    for at in range(0, len(whole), 37):
        damaged = whole[:at] + bytes(byte ^ 0x5A for byte in whole[at : at + 20]) + whole[at + 20 :]
        with contextlib.suppress(Rejected):
            sections("a.pdf", damaged)


@pytest.mark.parametrize(("size", "reason"), [(0, "empty"), (2_000_001, "over the limit of 2 MB.*split")])
def test_size_is_checked(size, reason):
    check_size(2_000_000, 2)
    with pytest.raises(Rejected, match=reason):
        check_size(size, 2)
