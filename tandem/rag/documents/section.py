"""Sections of text, each with a place to cite: what every document reader returns."""

import codecs
from collections.abc import Callable
from typing import NamedTuple

from tandem_contract.errors import TandemError

from .charsets import codec, errors

BOM = "\ufeff"
HEADING_CHARACTERS = 200
SEPARATOR = " > "
# UTF-32's begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Rejected(TandemError):
    """A document that no retry can help; the message names its problem and the remedy."""


class Section(NamedTuple):
    """A run of text with one place to cite."""

    text: str
    """As it stands in the document."""
    page: int | None = None
    """Page or slide, from 1, in formats that have them."""
    heading: str | None = None
    """Headings above the text, outermost first, joined by ` > `."""
    header: str | None = None
    """Of a table, whose rows are the lines of `text`: its header, which every chunk of it begins with; empty if it has
    none. None: the text is no table."""

    def changed(self, change: Callable[[str], str]) -> "Section":
        """With each of its texts changed."""
        return self._replace(
            text=change(self.text),
            heading=self.heading and change(self.heading),
            header=self.header and change(self.header),
        )


class Loss(NamedTuple):
    """Something that a reader left out or couldn't read. It becomes a warning of the document, grouped by `what`."""

    what: str
    """In the singular and as a person says it: `no text (a scan?)`, `damaged`, `attachment that can't be read`."""
    page: int | None = None
    name: str = ""
    """What it is called, where it has a name."""


class HeadingPath:
    """The headings above the present place in a document."""

    def __init__(self) -> None:
        self._path: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        """Come upon a heading: it ends all of its level and below."""
        title = " ".join(title.split())
        self._path = [entry for entry in self._path if entry[0] < level]
        if title:
            self._path.append((level, title))

    @property
    def is_whole(self) -> bool:
        """Whether there is room for all of the headings."""
        return len(SEPARATOR.join(self._titles())) <= HEADING_CHARACTERS

    def __str__(self) -> str:
        titles = self._titles()
        while len(titles) > 1 and len(SEPARATOR.join(titles)) > HEADING_CHARACTERS:
            titles = titles[1:]
        path = SEPARATOR.join(titles)
        return path if len(path) <= HEADING_CHARACTERS else f"{path[: HEADING_CHARACTERS - 1]}…"

    def _titles(self) -> list[str]:
        titles = [title for _, title in self._path]
        # A page's title and its first heading are often the same.
        return [title for at, title in enumerate(titles) if at == 0 or title != titles[at - 1]]


def decode(data: bytes, declared: str = "") -> str:
    """Decode text: by its byte order mark, else as it declares, else as UTF-8. Raises `Rejected`.

    Nothing is guessed: a wrong guess would be indexed as words that nobody wrote.
    """
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "")
    if not encoding and declared:
        encoding = codec(declared)
        if encoding.startswith(("utf-16", "utf-32")):  # what declares itself in ASCII isn't
            encoding = "utf-8"
    try:
        text = data.decode(encoding or "utf-8", errors(encoding))
    except UnicodeDecodeError as error:
        raise Rejected(_not_decoded(error, data, encoding if encoding != "utf-8" else "")) from error
    if (at := text.find("\0")) >= 0:
        raise Rejected(f"the file is binary, not text (NUL at character {at}): upload a text file")
    return text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")


def _not_decoded(error: UnicodeDecodeError, data: bytes, encoding: str) -> str:
    where = f"byte {error.start} is 0x{data[error.start]:02x}"
    if encoding:
        return f"the text says that it is {encoding.upper()}, but isn't ({where}): save it as UTF-8 and upload it again"
    return (
        f"the text is not UTF-8 ({where}) and doesn't say what else it is: convert it with "
        "`iconv -f ENCODING -t UTF-8`, from the encoding that it was written in (often WINDOWS-1252 in the West of "
        "Europe, WINDOWS-1251 or KOI8-R for Russian, SHIFT_JIS for Japanese, GB18030 for Chinese)"
    )
