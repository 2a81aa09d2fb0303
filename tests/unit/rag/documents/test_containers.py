"""What a file is by its content, and what is refused."""

import io

import docx
import pptx
import pytest
from openpyxl.workbook import Workbook

from tandem.rag.documents import extract
from tandem.rag.documents.containers import container, guess
from tandem.rag.documents.section import Rejected

from .files import saved, zipped


def saved_words() -> bytes:
    made = docx.Document()
    made.add_paragraph("words")
    return saved(made)


TYPES = '<Types><Override PartName="/x.xml" ContentType="application/vnd.{}main+xml"/></Types>'


def ole(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + stream.encode("utf-16-le")


@pytest.mark.parametrize(
    ("data", "reader"),
    [
        (saved(docx.Document()), "docx"),
        (saved(pptx.Presentation()), "pptx"),
        (saved(Workbook()), "xlsx"),
        (zipped({"[Content_Types].xml": TYPES.format("ms-word.document.macroEnabled.")}), "docx"),
        (zipped({"[Content_Types].xml": TYPES.format("ms-word.template.macroEnabledTemplate.")}), "docx"),
        (zipped({"[Content_Types].xml": TYPES.format("ms-excel.sheet.macroEnabled.")}), "xlsx"),
        (zipped({"[Content_Types].xml": TYPES.format("ms-powerpoint.slideshow.macroEnabled.")}), "pptx"),
        (zipped({"mimetype": "application/epub+zip"}, stored=("mimetype",)), "epub"),
        (zipped({"META-INF/container.xml": "<container/>"}), "epub"),
        (rb"{\rtf1 x}", "rtf"),
        (b'<?xml version="1.0"?><depot/>', "xml"),
        ('<?xml version="1.0" encoding="utf-16"?><depot/>'.encode("utf-16"), "xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', "html"),
        (b'<?xml version="1.0"?><!DOCTYPE html><!-- x --><html/>', "html"),
        (b"# Depot\n\ntext", ""),
        (b"bay,load\nN4,18 t", ""),
        (b"", ""),
    ],
)
def test_content_decides(data, reader):
    assert container(data) == reader


@pytest.mark.parametrize(
    ("data", "reader"),
    [
        (b' {"a": 1}', "json"),
        (b"[\n 1]", "json"),
        (b"{}", "json"),
        (b"[a link](x.md)", ""),
        (b"{braces} in a text", ""),
        (b'{"a": 1}\n{"a": 2}\n', "json"),
        (b"[1] a reference\n[2] another", ""),
        (b"[2026-11-29 06:40] a line of a log", ""),
        (b"[" * 100_000, ""),
        (b"From: a@example.org\r\nSubject: hours\r\n\r\nwords", "eml"),
        (b"Received: by x\n with y\nDate: now\n\nwords", "eml"),
        (b"Note: this is a text\n\nFrom: nobody\nTo: nobody", ""),
        (b"<depot><opens/></depot>", "xml"),
        (b"<title>Bays</title><p>Never open valve 3.<p>Unclosed", "html"),
        (b"<meta charset=utf-8><p>Never open valve 3.", "html"),
        (b"<3 this", ""),
        (b"words", ""),
    ],
)
def test_a_text_whose_name_says_nothing_is_guessed(data, reader):
    assert guess(data) == reader


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (ole("WordDocument"), r"Word document of before 2007 \(\.doc\): save it as \.docx"),
        (ole("Workbook"), r"\.xls\): save it as \.xlsx"),
        (ole("PowerPoint Document"), r"\.ppt\): save it as \.pptx"),
        (ole("EncryptedPackage"), "encrypted: save it without a password"),
        (ole("__properties_version1.0"), r"Outlook message \(\.msg\): save it as \.eml"),
        (ole("other"), "old office format: save it"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), r"OpenDocument: save it as \.docx"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), r"save it as \.xlsx"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.presentation"}), r"save it as \.pptx"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.graphics"}), r"save it as \.pdf"),
        (zipped({"Index/Document.iwa": b"x"}), r"Keynote: export it as \.docx"),
        (zipped({"[Content_Types].xml": TYPES.format("ms-excel.sheet.binary.macroEnabled.")}), r"\.xlsb\): save it as"),
        (zipped({"[Content_Types].xml": TYPES.format("visio.drawing.")}), "isn't read: save it as"),
        (zipped({"a.txt": "words"}), r"archive \(zip\): unpack it"),
        (b"7z\xbc\xaf\x27\x1c\0\4", r"archive \(7z\): unpack it"),
        (b"Rar!\x1a\x07\x01\0", r"archive \(rar\)"),
        (b"\x1f\x8b\x08\0", r"archive \(gzip\)"),
        (b"\xfd7zXZ\0", r"archive \(xz\)"),
        (bytes(257) + b"ustar\x0000", r"archive \(tar\)"),
        (b"PK\x03\x04 and nothing", "archive is damaged"),
    ],
)
def test_what_no_reader_exists_for_is_refused_with_the_remedy(data, reason):
    with pytest.raises(Rejected, match=reason):
        container(data)


def test_a_directory_at_the_end_of_other_bytes_is_no_archive():
    assert container(b"words" + zipped({"a.txt": "words"})) == ""
    assert io.BytesIO(zipped({})).getvalue()[:4] == b"PK\x05\x06"
    with pytest.raises(Rejected, match="unpack it"):
        container(zipped({}))


@pytest.mark.parametrize(
    ("name", "content_type", "data", "text"),
    [
        ("notes.txt", "text/plain", saved_words(), "words"),
        ("notes", "", saved_words(), "words"),
        ("notes.docx", "", rb"{\rtf1 words}", "words"),
        ("feed.txt", "", b'<?xml version="1.0"?><depot>06:40</depot>', "depot: 06:40"),
        ("hours", "", b'{"opens": "06:40"}', "opens: 06:40"),
        ("hours.tsv", "", b"bay\tload\nN4\t18 t", "N4 | 18 t"),
        ("page.html", "", b'<?xml version="1.0"?><p>words', "words"),
        (
            "page.xhtml",
            "",
            b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><p>words</p></html>',
            "words",
        ),
    ],
)
def test_the_reader_follows_the_content_before_the_name(name, content_type, data, text):
    assert [each.text for each in extract(name, content_type, data)] == [text]
