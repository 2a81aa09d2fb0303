"""Sections of PDF: one a page, by pdfium."""

import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import suppress
from ctypes import byref, c_double
from functools import lru_cache
from io import BytesIO
from itertools import accumulate
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from .page_layout import Box, Line, column_lines, gutters, page_texts, units, with_spaces
from .running_heads import running_lines
from .section import Loss, Rejected, Section

ENCRYPTED = "the PDF is encrypted: save it without a password (`qpdf --decrypt IN.pdf OUT.pdf`) and upload it again"
OCR = "if it is a scan, run OCR first (for example `ocrmypdf IN.pdf OUT.pdf`) and upload the result"
SCANNED, DAMAGED, UNREADABLE = "no text (a scan?)", "damaged", "unreadable font"

# Shares of a page's characters that have no meaning: from the first on it is told, from the second no text is left.
DOUBTFUL, GARBAGE = 0.15, 0.5
# At most so many characters of a page are looked at for a meaning.
LOOKED_AT = 100
# Unpacked streams beyond this aren't looked at for damage: a few kilobytes can unpack to gigabytes.
MAX_UNPACKED, PIECE = 500_000_000, 1 << 20
# Spaces a character from which on a document lacks some, and where that is looked at.
MISSING_SPACES, SAMPLED_PAGES, SAMPLED_LINES = 0.001, 8, 15
DEFLATED = re.compile(rb"/Filter\s*\[?\s*/FlateDecode\b(?:(?!endobj|stream).){0,400}?>>\s*stream\r?\n", re.DOTALL)
# Scripts that stand together in a word; a word of three others comes from a font whose map is wrong.
MIXED_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FULLWIDTH", "HALFWIDTH", "LATIN", "COMBINING"}


class _Page(NamedTuple):
    lines: list[Line]
    box: Box
    loss: str = ""


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text of each page without running heads and page numbers; raise `Rejected` where there is none."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Rejected(ENCRYPTED) from error
        raise Rejected(
            f"the PDF is corrupt ({error}): repair it (`qpdf IN.pdf OUT.pdf`) or export it again, and upload it again"
        ) from error
    with document:
        if document.get_formtype() != pdfium.FORMTYPE_NONE:
            document.init_forms()
        suspect = _has_damage(data)
        lacks_spaces = _lacks_spaces(document)
        pages = [_page(document, at, suspect, lacks_spaces) for at in range(len(document))]
        names = [document.get_attachment(at).get_name() for at in range(document.count_attachments())]
    dropped = running_lines([page.lines for page in pages], [page.box for page in pages])
    texts = page_texts(
        [[line for line in page.lines if line not in left_out] for page, left_out in zip(pages, dropped, strict=True)]
    )
    if not any(texts):
        lost = {page.loss: [] for page in pages if page.loss}
        for number, page in enumerate(pages, start=1):
            if page.loss:
                lost[page.loss].append(number)
        told = "; ".join(f"{what}: {_numbers(numbers)}" for what, numbers in lost.items()) or "all pages are blank"
        raise Rejected(f"no text could be extracted from the PDF ({told}): {OCR}")
    for number, (page, text) in enumerate(zip(pages, texts, strict=True), start=1):
        if text:
            yield Section(text, page=number)
        if page.loss:
            yield Loss(page.loss, page=number)
    for name in names:
        yield Loss("attachment", name=name)


def _numbers(pages: list[int]) -> str:
    """Numbers of pages as a person writes them: `pages 1, 3-9`."""
    known = set(pages)
    starts = [page for page in pages if page - 1 not in known]
    ends = [page for page in pages if page + 1 not in known]
    runs = [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(runs)}"


def _page(document: pypdfium2.PdfDocument, at: int, suspect: bool, lacks_spaces: bool) -> _Page:
    try:
        page = document[at]
        if document.formenv:
            page.flatten()  # what was filled into a form becomes text of its page, when that is loaded again
            page.close()
            page = document[at]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return _Page([], Box(0, 0, 0, 0), DAMAGED)
    drawn = pdfium.FPDFPage_CountObjects(page) > 0
    lines = _lines(text)
    if lacks_spaces:
        lines = [with_spaces(line, _character_boxes(text, line, loose=True)) for line in lines]
    loss = ""
    if not lines and drawn:  # nothing at all is no loss: the page is blank
        loss = SCANNED
    elif (share := _meaningless(text, lines)) > DOUBTFUL:
        loss, lines = UNREADABLE, lines if share < GARBAGE else []
    if (suspect or not drawn) and _is_damaged(document, at):
        loss = DAMAGED
    box = Box(*page.get_cropbox())
    text.close()
    page.close()
    return _Page(lines, box, loss)


def _lines(page: pypdfium2.PdfTextPage) -> list[Line]:
    """The lines of a page in reading order."""
    lines = []
    start = 0
    for text in page.get_text_range(errors="surrogatepass").split("\r\n"):
        end = start + units(text)
        if text.strip():
            lines.append(Line(text, _baseline(page, start), _baseline(page, end - 1), start))
        start = end + 2
    boxes = [Box(*page.get_rect(at)) for at in range(page.count_rects())]
    if between := gutters(boxes):
        lines = column_lines(lines, between, lambda line: _character_boxes(page, line)) or lines
    return lines


def _index(page: pypdfium2.PdfTextPage, unit: int) -> int:
    return pdfium.FPDFText_GetCharIndexFromTextIndex(page, unit)


def _baseline(page: pypdfium2.PdfTextPage, unit: int) -> float:
    x, y = c_double(), c_double()
    pdfium.FPDFText_GetCharOrigin(page, _index(page, unit), byref(x), byref(y))
    return y.value


def _character_boxes(page: pypdfium2.PdfTextPage, line: Line, loose: bool = False) -> list[Box]:
    starts = list(accumulate(map(units, line.text[:-1]), initial=line.start))
    first, last = _index(page, starts[0]), _index(page, starts[-1])
    # What has no character stands between others in few lines.
    indices = range(first, last + 1) if last - first == len(starts) - 1 else [_index(page, unit) for unit in starts]
    return [Box(*page.get_charbox(at, loose)) for at in indices]


def _lacks_spaces(document: pypdfium2.PdfDocument) -> bool:
    """Whether pdfium misses spaces in a document, as it does in some of groff's: a look at some pages tells."""
    found = characters = 0
    for at in range(0, len(document), -(-len(document) // SAMPLED_PAGES)):
        with suppress(pypdfium2.PdfiumError):
            page = document[at].get_textpage()
            for line in _lines(page)[:SAMPLED_LINES]:
                found += len(with_spaces(line, _character_boxes(page, line, loose=True)).text) - len(line.text)
                characters += len(line.text)
    return found > MISSING_SPACES * characters


def _meaningless(page: pypdfium2.PdfTextPage, lines: list[Line]) -> float:
    """The share of a page's characters that have no meaning, because their font doesn't say what they are."""
    words = " ".join(line.text for line in lines).split()
    count = sum(map(len, words))
    if not count:
        return 0.0
    total = page.count_chars()
    looked_at = range(0, total, -(-total // LOOKED_AT))
    unmapped = sum(pdfium.FPDFText_HasUnicodeMapError(page, at) == 1 for at in looked_at) / len(looked_at)
    return max(unmapped, sum(map(_meaningless_characters, words)) / count)


@lru_cache(maxsize=10_000)
def _meaningless_characters(word: str) -> int:
    if word.isascii():
        return sum(character < " " and character != "\x02" for character in word)
    scripts = {unicodedata.name(character, "").partition(" ")[0] for character in word if character.isalpha()}
    if len(scripts - MIXED_SCRIPTS) > 2:
        return len(word)
    return sum(unicodedata.category(each) in ("Cc", "Cn", "Co") and each not in "\x02\ufffe" for each in word)


def _has_damage(data: bytes) -> bool:
    """Whether a deflated stream of a file can't be unpacked, as pdfium then shows what comes before, or nothing."""
    view, unpacked = memoryview(data), 0
    for found in DEFLATED.finditer(data):
        stream, at = zlib.decompressobj(), found.end()
        rest: bytes | memoryview = view[at : at + PIECE]
        try:
            while not stream.eof and rest and unpacked < MAX_UNPACKED:
                unpacked += len(stream.decompress(rest, PIECE))
                if not stream.unconsumed_tail:
                    at += PIECE
                rest = stream.unconsumed_tail or view[at : at + PIECE]
        except zlib.error:
            return True
    return False


def _is_damaged(document: pypdfium2.PdfDocument, at: int) -> bool:
    """Whether it is this page that is damaged: alone in a file, it has only streams of its own."""
    alone = BytesIO()
    with pypdfium2.PdfDocument.new() as copy:
        try:
            copy.import_pages(document, [at])
        except pypdfium2.PdfiumError:
            return True
        copy.save(alone)
    return _has_damage(alone.getvalue())
