"""Sections of PDF: one a page, by pdfium."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ctypes import POINTER, byref, c_double, cast, create_string_buffer
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from .page_layout import Box, Line, column_lines, gutters, page_texts, units, with_spaces
from .pdf_damage import Damage
from .running_heads import HEAD_CHARACTERS, running_lines, with_number
from .section import Loss, Rejected, Section

ENCRYPTED = "the PDF is encrypted: save it without a password (`qpdf --decrypt IN.pdf OUT.pdf`) and upload it again"
PROTECTED = (
    "the PDF is protected by a certificate or a rights server: save it without protection in the program that opens "
    "it, and upload it again"
)
REPAIR = "repair it (`qpdf IN.pdf OUT.pdf`) or export it again, and upload it again"
OCR = "if it is a scan, run OCR first (for example `ocrmypdf IN.pdf OUT.pdf`) and upload the result"
SCANNED, DAMAGED, UNREADABLE = "no text (a scan?)", "damaged", "unreadable font"
XFA = "form that only Adobe's programs show (XFA): print it to PDF there"
XFA_PAGES = 3

# After so many pages that can't be loaded the rest isn't tried: a tree of pages that loops has as many as it says.
DAMAGED_IN_A_ROW = 1000
# A page is a picture if pictures are so large a part of it; with no more words of its own than that it has no text.
PICTURE, FEW_WORDS, FORM_DEPTH = 0.5, 3, 3
HIDDEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
DIGITS, SOME_LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]{2,}")
# Shares of a page's characters that have no meaning: from the first on it is told, from the second no text is left.
DOUBTFUL, GARBAGE = 0.15, 0.5
# At most so many characters of a page are looked at for a meaning.
LOOKED_AT = 100
# Spaces a character from which on a document lacks some, and where that is looked at.
MISSING_SPACES, SAMPLED_PAGES, SAMPLED_LINES = 0.001, 8, 15
# Where a number may be raised beside another, by how much of its height, and where a raised end is joined.
POWER, RISE, TOP_RISE, RAISED_END = re.compile(r"(?<=\d)[-\u2212+]?\d"), 0.25, 1.5, re.compile(r"\r\n(?=[\s.,;:!?)\]])")
# Scripts that stand together in a word; a word of three others comes from a font whose map is wrong.
MIXED_SCRIPTS = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FULLWIDTH", "HALFWIDTH", "LATIN", "COMBINING"}


class _Page(NamedTuple):
    lines: list[Line]
    box: Box
    loss: str = ""
    is_picture: bool = False


NOT_LOADED = _Page([], Box(0, 0, 0, 0), DAMAGED)


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text of each page without running heads and page numbers; raise `Rejected` where there is none."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise Rejected(ENCRYPTED) from error
        if error.err_code == pdfium.FPDF_ERR_SECURITY:
            raise Rejected(PROTECTED) from error
        raise Rejected(f"the PDF is corrupt ({error}): {REPAIR}") from error
    with document:
        if document.get_formtype() != pdfium.FORMTYPE_NONE:
            document.init_forms()
        is_xfa = _is_xfa(document)
        damage = Damage(data)
        lacks_spaces = _lacks_spaces(document)
        pages = _pages(document, damage, lacks_spaces)
        names = [document.get_attachment(at).get_name() for at in range(document.count_attachments())]
    pages = _with_scans(pages)
    dropped = running_lines([page.lines for page in pages], [page.box for page in pages])
    texts = page_texts(
        [[line for line in page.lines if line not in left_out] for page, left_out in zip(pages, dropped, strict=True)]
    )
    if is_xfa and not any(texts):
        raise Rejected(f"the PDF is a {XFA}, and upload that")
    if not any(texts):
        lost = {page.loss: [] for page in pages if page.loss}
        for number, page in enumerate(pages, start=1):
            if page.loss:
                lost[page.loss].append(number)
        told = "; ".join(f"{what}: {_numbers(numbers)}" for what, numbers in lost.items()) or "all pages are blank"
        raise Rejected(f"no text could be extracted from the PDF ({told}): {REPAIR if set(lost) == {DAMAGED} else OCR}")
    for number, (page, text) in enumerate(zip(pages, texts, strict=True), start=1):
        if text:
            yield Section(text, page=number)
        if page.loss:
            yield Loss(page.loss, page=number)
    if is_xfa:
        yield Loss(XFA)
    for name in names:
        yield Loss("attachment", name=name)


def _is_xfa(document: pypdfium2.PdfDocument) -> bool:
    """Whether the pages only say that another program is needed; pages of other XFA forms have fields as well."""
    kind = document.get_formtype()
    if kind == pdfium.FORMTYPE_XFA_FOREGROUND:
        with suppress(pypdfium2.PdfiumError):
            return not any(pdfium.FPDFPage_GetAnnotCount(document[at]) for at in range(min(len(document), XFA_PAGES)))
    return kind == pdfium.FORMTYPE_XFA_FULL


def _numbers(pages: list[int]) -> str:
    """Numbers of pages as a person writes them: `pages 1, 3-9`."""
    known = set(pages)
    starts = [page for page in pages if page - 1 not in known]
    ends = [page for page in pages if page + 1 not in known]
    runs = [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(runs)}"


def _pages(document: pypdfium2.PdfDocument, damage: Damage, lacks_spaces: bool) -> list[_Page]:
    pages: list[_Page] = []
    failed = 0
    for at in range(len(document)):
        page = _page(document, at, damage, lacks_spaces) if failed < DAMAGED_IN_A_ROW else None
        failed = 0 if page else failed + 1
        pages.append(page or NOT_LOADED)
    return pages


def _page(document: pypdfium2.PdfDocument, at: int, damage: Damage, lacks_spaces: bool) -> _Page | None:
    try:
        page = document[at]
        notes = _free_text(page)
        # What was filled into a form or stamped becomes text of its page, when that is loaded again.
        if pdfium.FPDFPage_GetAnnotCount(page) and (document.formenv or notes):
            pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY)
            page.close()
            page = document[at]
        text = page.get_textpage()
        if page.get_rotation() and _is_upright(text):  # pdfium orders lines as the page is turned
            page.set_rotation(0)
            page.close()
            page = document[at]
            text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return None
    drawn = pdfium.FPDFPage_CountObjects(page) > 0
    box = Box(*page.get_cropbox())
    lines = [with_number(line, box, lambda line: _character_boxes(text, line)) for line in _lines(text)]
    if lacks_spaces:
        lines = [with_spaces(line, _character_boxes(text, line, loose=True)) for line in lines]
    else:
        lines = [_with_powers(text, line) for line in lines]
    lines = [line._replace(text=RAISED_END.sub("", line.text).replace("\r\n", " ")) for line in lines]
    loss = ""
    if not lines:
        loss = SCANNED if _shows_more_than_text(page) else ""
    elif (share := _meaningless(text, lines)) > DOUBTFUL:
        loss, lines = UNREADABLE, lines if share < GARBAGE else []
    if damage.is_on(document, at, drawn):
        loss = DAMAGED
    words = " ".join(word for line in lines for word in line.text.split())
    lines += [note for note in notes if " ".join(note.text.split()) not in words]
    is_picture = len(words) <= HEAD_CHARACTERS and _is_picture(page, box)
    text.close()
    page.close()
    return _Page(lines, box, loss, is_picture)


def _shows_more_than_text(page: pypdfium2.PdfPage) -> bool:
    objects = (pdfium.FPDFPage_GetObject(page, at) for at in range(pdfium.FPDFPage_CountObjects(page)))
    return any(pdfium.FPDFPageObj_GetType(each) != pdfium.FPDF_PAGEOBJ_TEXT for each in objects)


def _free_text(page: pypdfium2.PdfPage) -> list[Line]:
    """What was written on a page with a tool for notes, and is seen on it; empty ones for stamps."""
    found = []
    for at in range(pdfium.FPDFPage_GetAnnotCount(page)):
        note = pdfium.FPDFPage_GetAnnot(page, at)
        kind = pdfium.FPDFAnnot_GetSubtype(note)
        if (
            kind in (pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP)
            and not pdfium.FPDFAnnot_GetFlags(note) & HIDDEN
        ):
            place = pdfium.FS_RECTF()
            pdfium.FPDFAnnot_GetRect(note, place)
            text = _contents(note) if kind == pdfium.FPDF_ANNOT_FREETEXT else ""
            found.append(Line(text, place.top, place.bottom, 0))
        pdfium.FPDFPage_CloseAnnot(note)
    return found


def _contents(note: object) -> str:
    size = pdfium.FPDFAnnot_GetStringValue(note, b"Contents", None, 0)
    buffer = create_string_buffer(size)
    pdfium.FPDFAnnot_GetStringValue(note, b"Contents", cast(buffer, POINTER(pdfium.FPDF_WCHAR)), size)
    return buffer.raw[:size].decode("utf-16-le", "replace").rstrip("\0").replace("\r\n", "\n").replace("\r", "\n")


def _is_picture(page: pypdfium2.PdfPage, box: Box) -> bool:
    """Whether a page is filled by pictures, as a scan is, which can come in strips."""
    area = 0.0
    with suppress(pypdfium2.PdfiumError):
        for each in page.get_objects(max_depth=1):
            if each.type == pdfium.FPDF_PAGEOBJ_IMAGE or (
                each.type == pdfium.FPDF_PAGEOBJ_FORM
                and any(page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], FORM_DEPTH, each))
            ):
                place = Box(*each.get_bounds())
                area += (place.right - place.left) * (place.top - place.bottom)
    return area > PICTURE * (box.right - box.left) * (box.top - box.bottom)


def _with_scans(pages: Sequence[_Page]) -> list[_Page]:
    """The pages, where pictures with a few words, or only such as other pages have, are told to have no text.

    A number or a head that is stamped on scans is no text of theirs.
    """
    texts = [{DIGITS.sub("", " ".join(line.text.split())) for line in page.lines} for page in pages]
    on_pages = Counter(text for each in texts for text in each)
    found = []
    for page, each in zip(pages, texts, strict=True):
        own = [word for text in each if on_pages[text] == 1 for word in SOME_LETTERS.findall(text)]
        is_scan = page.is_picture and not page.loss and len(own) <= FEW_WORDS
        found.append(page._replace(loss=SCANNED) if is_scan else page)
    return found


def _is_upright(page: pypdfium2.PdfTextPage) -> bool:
    boxes = [Box(*page.get_rect(at)) for at in range(page.count_rects())]
    return sum(box.right - box.left > box.top - box.bottom for box in boxes) > len(boxes) / 2


def _lines(page: pypdfium2.PdfTextPage) -> list[Line]:
    """The lines of a page in reading order."""
    lines = []
    start = 0
    for text in page.get_text_range(errors="surrogatepass").split("\r\n"):
        end = start + units(text)
        if text.strip():
            line = Line(text, _baseline(page, start), _baseline(page, end - 1), start)
            if lines and lines[-1].bottom > lines[-1].top == line.top:  # pdfium ends a line at what is raised
                raised = lines.pop()
                line = raised._replace(text=f"{raised.text}\r\n{text}", bottom=line.bottom)
            lines.append(line)
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


def _with_powers(page: pypdfium2.PdfTextPage, line: Line) -> Line:
    """A line with a caret where a raised number follows a number: ten to the fifth isn't 105."""

    def with_caret(power: re.Match[str]) -> str:
        base, raised = (line.start + units(line.text[:at]) for at in (power.start() - 1, power.end() - 1))
        rise = _baseline(page, raised) - _baseline(page, base)
        if rise <= 0:
            return power[0]
        box = Box(*page.get_charbox(_index(page, base)))
        return f"^{power[0]}" if RISE < rise / max(box.top - box.bottom, 1) < TOP_RISE else power[0]

    return line._replace(text=POWER.sub(with_caret, line.text))


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
