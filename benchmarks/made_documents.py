"""Documents of about the same text in each format, made for the benchmark of reading."""

import csv
import email.message
import html
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any


def _docx(paragraphs: Sequence[str]) -> bytes:
    import docx

    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    return _saved(document)


def _pptx(paragraphs: Sequence[str]) -> bytes:
    import pptx

    deck = pptx.Presentation()
    for at in range(0, len(paragraphs), 20):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = paragraphs[at][:80]
        slide.placeholders[1].text = "\n".join(paragraphs[at : at + 20])
    return _saved(deck)


def _xlsx(paragraphs: Sequence[str]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet")
    for row in _rows(paragraphs):
        sheet.append(row)
    return _saved(book)


def _saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def _rows(paragraphs: Sequence[str]) -> list[list[str]]:
    return [["number", "text"], *([str(at), text[:30_000]] for at, text in enumerate(paragraphs))]


def _csv(paragraphs: Sequence[str]) -> bytes:
    target = io.StringIO()
    csv.writer(target).writerows(_rows(paragraphs))
    return target.getvalue().encode()


def _eml(paragraphs: Sequence[str]) -> bytes:
    mail = email.message.EmailMessage()
    mail["Subject"] = "Made"
    mail.set_content("\n\n".join(paragraphs))
    return mail.as_bytes()


def _epub(paragraphs: Sequence[str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        book.writestr("META-INF/container.xml", CONTAINER)
        book.writestr("book.opf", PACKAGE)
        body = "".join(f"<p>{html.escape(text)}</p>" for text in paragraphs)
        book.writestr("text.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>')
    return target.getvalue()


CONTAINER = (
    '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>'
    '<item id="t" href="text.xhtml" media-type="application/xhtml+xml"/></manifest>'
    '<spine><itemref idref="t"/></spine></package>'
)


def _rtf(paragraphs: Sequence[str]) -> bytes:
    text = "\\par\n".join(text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}") for text in paragraphs)
    return b"{\\rtf1\\ansi\n" + text.encode("ascii", "ignore") + b"}"


def _json(paragraphs: Sequence[str]) -> bytes:
    return json.dumps([{"number": at, "text": text} for at, text in enumerate(paragraphs)]).encode()


def _xml(paragraphs: Sequence[str]) -> bytes:
    return f"<book>{''.join(f'<para>{html.escape(text)}</para>' for text in paragraphs)}</book>".encode()


def _text(paragraphs: Sequence[str]) -> bytes:
    return "\n\n".join(paragraphs).encode()


def _markdown(paragraphs: Sequence[str]) -> bytes:
    return "\n\n".join(f"## Part {at}\n\n{text}" for at, text in enumerate(paragraphs)).encode()


MADE: dict[str, Callable[[Sequence[str]], bytes]] = {
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "csv": _csv,
    "eml": _eml,
    "epub": _epub,
    "rtf": _rtf,
    "json": _json,
    "xml": _xml,
    "rst": _text,
    "md": _markdown,
    "txt": _text,
}
