"""Small PDFs, made by tests."""

import io

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from tandem.rag.documents import extract
from tandem.rag.documents.section import Loss, Section

HELVETICA = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica", "/Encoding": "/WinAnsiEncoding"}


def read(data: bytes, name: str = "a.pdf") -> list[Section | Loss]:
    return list(extract(name, "", data))


def texts(data: bytes) -> list[str]:
    return [part.text for part in read(data) if isinstance(part, Section)]


def names(**entries: str) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{key}"): NameObject(value) for key, value in entries.items()})


def font() -> DictionaryObject:
    return DictionaryObject({NameObject(key): NameObject(value) for key, value in HELVETICA.items()})


def drawn(*lines: tuple[float, float, str], size: int = 10) -> bytes:
    """The content of a page: text at places."""
    return b"\n".join(
        b"BT /F1 %d Tf %.1f %.1f Td (%s) Tj ET" % (size, x, y, text.encode("cp1252")) for x, y, text in lines
    )


def pdf(*contents: bytes, fonts: DictionaryObject | None = None, password: str | None = None) -> bytes:
    writer = PdfWriter()
    for content in contents:
        page = writer.add_blank_page(600, 800)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): fonts or font()})}
        )
        stream = DecodedStreamObject()
        stream.set_data(content)
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def page_of(*paragraph: str, head: str = "", foot: str = "") -> bytes:
    lines = [(50.0, 700.0 - 14 * at, text) for at, text in enumerate(paragraph)]
    return drawn(*([(50, 770, head)] if head else []), *lines, *([(290, 30, foot)] if foot else []))
