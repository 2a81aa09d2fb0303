"""Sections of text, each with a place to cite: what every document reader returns."""

from typing import NamedTuple

from tandem_contract.errors import TandemError

BOM = "\ufeff"
HEADING_CHARACTERS = 200


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
    header: str = ""
    """Of a table, whose rows are the lines of `text`: its header, which every chunk of it begins with."""


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

    def __str__(self) -> str:
        titles = [title for _, title in self._path]
        # A page's title and its first heading are often the same.
        titles = [title for at, title in enumerate(titles) if at == 0 or title != titles[at - 1]]
        return " > ".join(titles)[-HEADING_CHARACTERS:]


def decode(data: bytes) -> str:
    """Decode UTF-8 text, with or without a byte order mark; raise `Rejected` for anything else."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Rejected("the text is UTF-16, not UTF-8: convert it with `iconv -f UTF-16 -t UTF-8`")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(
            f"the text is not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}): "
            "convert it with `iconv -f WINDOWS-1252 -t UTF-8`, or from the encoding that it really has"
        ) from error
    if (at := text.find("\0")) >= 0:
        raise Rejected(f"the file is binary, not text (NUL at character {at}): upload a text file")
    return text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
