"""Damage in PDFs that pdfium passes over: it shows what comes before, or a blank page."""

import base64
import re
import zlib
from io import BytesIO

import pypdfium2

# Unpacked streams beyond this aren't looked at: a few kilobytes can unpack to gigabytes.
MAX_UNPACKED, PIECE = 500_000_000, 1 << 20
REFERENCE = rb"\d{1,9}\s+\d{1,5}\s+R\b"
STREAM = re.compile(
    rb"/Filter\s*(/\w+|\[[^\]]{0,200}\]|" + REFERENCE + rb")(?:(?!endobj|stream).){0,400}?>>\s*stream\r?\n", re.DOTALL
)
CONTENTS = re.compile(rb"/Contents\s*(\[[^\]]{0,5000}\]|" + REFERENCE + rb")")
OBJECT = re.compile(rb"\b(\d{1,9})\s+\d{1,5}\s+obj\b")
FLATE, ASCII85, HEXADECIMAL = (b"FlateDecode", b"Fl"), (b"ASCII85Decode", b"A85"), (b"ASCIIHexDecode", b"AHx")
WHITE_SPACE = b" \t\r\n\f\0"


class Damage:
    """The damage of a file: looked for once in all of it, and then in the pages that may have it."""

    def __init__(self, data: bytes) -> None:
        self._is_damaged = _has_damaged_stream(data)
        self._lacks_contents = _lacks_contents(data)

    def is_on(self, document: pypdfium2.PdfDocument, at: int, drawn: bool) -> bool:
        """Whether it is this page that is damaged: alone in a file, it has only streams of its own.

        Where nothing is `drawn` its content must be in a form that can be checked: others unpack to something always.
        """
        if drawn and not self._is_damaged and not self._lacks_contents:
            return False
        target = BytesIO()
        with pypdfium2.PdfDocument.new() as copy:
            try:
                copy.import_pages(document, [at])
            except pypdfium2.PdfiumError:
                return True
            copy.save(target)
        alone = target.getvalue()
        contents = CONTENTS.findall(alone)
        if self._lacks_contents and not contents:
            return True
        if not drawn and any(not _is_checked(alone, int(number)) for each in contents for number in _numbers(each)):
            return True
        return _has_damaged_stream(alone)


def _lacks_contents(data: bytes) -> bool:
    """Whether a page names content that isn't there."""
    if b"/ObjStm" in data:  # what else is named as content, a list of it, may be packed
        return False
    known = {int(number) for number in OBJECT.findall(data)}
    return any(int(number) not in known for each in CONTENTS.findall(data) for number in _numbers(each))


def _numbers(references: bytes) -> list[bytes]:
    return re.findall(rb"(\d+)\s+\d+\s+R", references)


def _object(data: bytes, number: int) -> bytes:
    """The beginning of an object."""
    found = re.search(rb"\b%d\s+\d{1,5}\s+obj\b" % number, data)
    return data[found.end() : found.end() + PIECE] if found else b""


def _filters(data: bytes, named: bytes) -> list[bytes]:
    """The names of a stream's filters, which may be an object of their own."""
    for number in _numbers(named):
        named = _object(data, int(number)).partition(b"endobj")[0]
    return re.findall(rb"/(\w+)", named)


def _is_checked(data: bytes, number: int) -> bool:
    """Whether a stream is packed in a way whose damage shows."""
    start = _object(data, number).partition(b"endobj")[0]
    found = STREAM.search(start)
    return not found or all(name in (*FLATE, *ASCII85, *HEXADECIMAL) for name in _filters(data, found[1]))


def _has_damaged_stream(data: bytes) -> bool:
    unpacked = 0
    for found in STREAM.finditer(data):
        source, at = data, found.end()
        try:
            for name in _filters(data, found[1]):
                if name in FLATE:
                    unpacked += _inflated(memoryview(source), at, MAX_UNPACKED - unpacked)
                    break
                if name not in ASCII85 and name not in HEXADECIMAL:
                    break
                source, at = _from_ascii(source, at, name), 0
        except (ValueError, zlib.error):
            return True
    return False


def _from_ascii(source: bytes, at: int, name: bytes) -> bytes:
    ends = [source.find(mark, at) for mark in (b"~>" if name in ASCII85 else b">", b"endstream")]
    text = source[at : min((end for end in ends if end >= 0), default=len(source))].translate(None, WHITE_SPACE)
    if name in ASCII85:
        return base64.a85decode(text)
    return bytes.fromhex(text.decode("ascii", "replace") + "0" * (len(text) % 2))


def _inflated(view: memoryview, at: int, limit: int) -> int:
    """How many bytes a deflated stream unpacks to, at most about `limit`."""
    stream, unpacked = zlib.decompressobj(), 0
    rest: bytes | memoryview = view[at : at + PIECE]
    while not stream.eof and rest and unpacked < limit:
        unpacked += len(stream.decompress(rest, PIECE))
        if not stream.unconsumed_tail:
            at += PIECE
        rest = stream.unconsumed_tail or view[at : at + PIECE]
    return unpacked
