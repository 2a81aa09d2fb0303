"""Sections of RTF: its paragraphs under its headings, and its tables.

striprtf, the library there is, drops footnotes and text boxes without a word, shows hidden text, and knows no headings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .archive import readable
from .ooxml import superscript
from .outline import Outline, row
from .section import Loss, Rejected, Section
from .symbols import PRIVATE_USE, symbol

MAX_DEPTH = 1000
TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
STYLED_HEADING = re.compile(rb"\\s(\d+)\b[^{};]{0,500}?\bheading ([1-9])\s*;", re.IGNORECASE)

SYMBOL_FONT = re.compile(rb"\\f(\d+)\b[^{};]{0,200}?\\fcharset2\b[^;]{0,200}? (Symbol|Wingdings(?: 2)?);")
FONT_TABLE = 1 << 20  # it stands at the beginning

# fmt: off
SKIPPED = {
    "fonttbl", "colortbl", "stylesheet", "info", "header", "headerl", "headerr", "headerf", "footer", "footerl",
    "footerr", "footerf", "fldinst", "listtable", "annotation", "xe", "tc", "rxe", "bkmkstart", "bkmkend", "themedata",
    "objdata", "nonshppict", "shprslt", "upr", "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "pntxta", "pntxtb",
    "template", "generator", "private",
}
# fmt: on
SHOWN = {"shptxt", "ud", "footnote"}
"""Within what is skipped, or would be."""
CHARACTERS = {
    "line": "\n", "tab": "\t", "emdash": "\u2014", "endash": "\u2013", "emspace": "\u2003", "enspace": "\u2002",
    "qmspace": "\u2005", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c",
    "rdblquote": "\u201d", "page": "\n", "column": "\n", "nestcell": " ", "nestrow": " ", "zwj": "\u200d",
    "zwnj": "\u200c", "~": "\u00a0", "-": "\u00ad", "_": "\u2011", "{": "{", "}": "}", "\\": "\\",
    "\n": "\n", "\r": "\n",
}  # fmt: skip
PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
# What a font's number of a character set means.
CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp850",
}  # fmt: skip


@dataclass(slots=True)
class _State:
    """What a group's end puts back."""

    skipped: bool = False
    hidden: bool = False
    deleted: bool = False
    raised: bool = False
    font: int | None = None
    fallback: int = 1
    """Characters that stand behind a Unicode one for programs that don't know it."""
    level: int | None = None
    note: bool = False


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the text under each heading, and each table; hidden and deleted text, headers and footers are left out."""
    with readable("RTF", "open it in a word processor, save it again, and upload it again"):
        if not data.lstrip().startswith(b"{\\rtf"):
            raise Rejected("the file is no RTF, which begins with `{\\rtf`: give it the ending of what it is")
        yield from _Reader(data).read()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.outline = Outline()
        self.state = _State()
        self.stack: list[_State] = []
        self.page = "cp1252"
        self.charsets: dict[int, str] = {}
        self.headings = {int(style): int(level) for style, level in STYLED_HEADING.findall(data)}
        self.symbols = {int(font): name.decode() for font, name in SYMBOL_FONT.findall(data[:FONT_TABLE])}
        self.pieces: list[str] = []
        self.note: list[str] = []
        self.notes: list[str] = []
        self.raw = bytearray()
        """Bytes that wait for the rest of a character."""
        self.skip = 0
        self.cells: list[str] = []
        self.rows: list[str] = []
        self.header = ""
        self.is_header = False
        self.in_table = False
        self.in_fonts = False
        self.count = 0
        self.pictures = 0

    def read(self) -> Iterator[Section | Loss]:
        at = 0
        while token := TOKEN.search(self.data, at):
            at = token.end()
            word, number, code, symbol, brace, text = token.groups()
            if code is None and (text is None or self.skip):
                self.decode()
            if word is not None:
                value = int(number) if number else None
                if word == b"bin":
                    at += max(value or 0, 0)
                else:
                    yield from self.word(word.decode(), value)
            elif brace is not None:
                self.brace(brace)
                if not self.stack:
                    break  # what follows the document is none of it
            elif code is not None:
                self.bytes(bytes.fromhex(code.decode()))
            elif symbol == b"*":
                self.state.skipped = True
            elif symbol is not None:
                self.add(CHARACTERS.get(symbol.decode("latin-1"), ""))
            elif text is not None:
                self.bytes(text)
        self.decode()
        self.in_table = False
        yield from self.paragraph()
        yield from self.table()
        yield from self.outline.end()
        if self.pictures:
            yield from [Loss("picture without a description")] * self.pictures

    def brace(self, brace: bytes) -> None:
        self.skip = 0
        if brace == b"{":
            if len(self.stack) >= MAX_DEPTH:
                raise Rejected(f"the RTF has groups nested over {MAX_DEPTH} deep: save it again in a word processor")
            self.stack.append(replace(self.state))
        elif self.stack:
            was, self.state = self.state, self.stack.pop()
            if was.note and not self.state.note:
                self.count += 1
                self.pieces.append(f"[^{self.count}]")
                self.notes.append(f"[^{self.count}]: {_joined(self.note).strip()}")
                self.note = []

    def word(self, word: str, value: int | None) -> Iterator[Section]:
        state, on = self.state, value != 0
        self.skip = 0
        if word == "pict":
            self.pictures += not state.skipped
            state.skipped = True
        elif word in SKIPPED:
            state.skipped = True
            self.in_fonts = word == "fonttbl"
        elif word in SHOWN:
            state.skipped = False
            state.note = state.note or word == "footnote"
        elif word == "fcharset" and self.in_fonts and state.font is not None:
            self.charsets[state.font] = CHARSETS.get(value or 0, "")
        elif word in ("f", "af"):
            state.font = value if word == "f" else state.font
        elif word == "deff":
            state.font = value
        elif word == "ansicpg" and value:
            self.page = "utf-8" if value == 65001 else f"cp{value}"
        elif word in PAGES:
            self.page = PAGES[word]
        elif word == "uc":
            state.fallback = value or 0
        elif word == "u" and value is not None:
            self.add(self.symbol(value % 0x10000))
            self.skip = state.fallback
        elif word in ("v", "deleted", "super", "nosupersub"):
            state.hidden = on if word == "v" else state.hidden
            state.deleted = on if word == "deleted" else state.deleted
            state.raised = (word == "super" and on) if word not in ("v", "deleted") else state.raised
        elif word == "plain":
            state.hidden = state.deleted = state.raised = False
        elif word in CHARACTERS:
            self.add(CHARACTERS[word])
        elif not state.skipped:
            yield from self.layout(word, value)

    def layout(self, word: str, value: int | None) -> Iterator[Section]:
        """Paragraphs, headings and tables."""
        if word == "pard":
            self.state.level, self.in_table = None, False
        elif word == "intbl":
            self.in_table = True
        elif word == "s" and value in self.headings:
            self.state.level = self.headings[value]
        elif word == "outlinelevel" and value is not None and value < 9:
            self.state.level = value + 1
        elif word in ("par", "sect") and self.state.note:
            self.note.append(" ")
        elif word in ("par", "sect"):
            yield from self.paragraph()
        elif word == "trowd":
            self.is_header = False
        elif word == "trhdr":
            self.is_header = True
        elif word == "cell":
            self.cells.append(_joined(self.pieces))
            self.pieces = []
        elif word == "row":
            self.line()

    def line(self) -> None:
        line, self.cells = row(self.cells), []
        if self.is_header and not self.rows:
            self.header = "\n".join(filter(None, (self.header, line)))
        elif line:
            self.rows.append(line)

    def table(self) -> Iterator[Section]:
        if self.rows or self.header:
            yield from self.outline.table(self.rows, self.header)
        self.rows, self.header = [], ""

    def paragraph(self) -> Iterator[Section]:
        if self.cells or self.in_table:  # a paragraph within a cell
            self.pieces.append(" ")
            return
        text = _joined(self.pieces)
        self.pieces = []
        if text.strip():
            yield from self.table()
            if self.state.level is None:
                self.outline.text(text)
            else:
                yield from self.outline.heading(self.state.level, text)
            yield from self.outline.overflow()
        for note in self.notes:
            self.outline.text(note)
        self.notes = []

    def bytes(self, data: bytes) -> None:
        if self.skip:
            data, self.skip = data[self.skip :], max(0, self.skip - len(data))
        if not self.state.skipped:
            self.raw += data

    def decode(self) -> None:
        """Turn the bytes so far into text, by the font's character set or the document's."""
        if self.raw and self.state.font in self.symbols:
            text = "".join(self.symbol(PRIVATE_USE.start + 0x1000 + code) for code in self.raw)
            self.raw.clear()
            self.add(text)
        elif self.raw:
            charset = self.charsets.get(self.state.font if self.state.font is not None else -1, "") or self.page
            try:
                text = self.raw.decode(charset, "replace")
            except LookupError:
                text = self.raw.decode("cp1252", "replace")
            self.raw.clear()
            self.add(text)

    def symbol(self, code: int) -> str:
        """A character, which in a symbol font may be another than its code says."""
        font = self.symbols.get(self.state.font if self.state.font is not None else -1, "")
        return (symbol(code, font) or "") if code in PRIVATE_USE and font else chr(code)

    def add(self, text: str) -> None:
        state = self.state
        if not (state.skipped or state.hidden or state.deleted):
            pieces = self.note if state.note else self.pieces
            pieces.append(superscript("".join(pieces[-1:]), text) if state.raised else text)


def _joined(pieces: list[str]) -> str:
    """Pieces as text; characters beyond 16 bits are written as two halves."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
