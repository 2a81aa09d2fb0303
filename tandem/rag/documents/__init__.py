"""From the bytes of a document to sections of text. Formats: plain text, Markdown, HTML and PDF."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

BOM = "\ufeff"
HEADING_CHARACTERS = 200


class Rejected(Exception):
    """A document that no retry can help; the message names its problem and the remedy."""


@dataclass(frozen=True)
class Section:
    """A run of text with one place to cite."""

    text: str
    page: int | None = None
    """Page, from 1; PDF only."""
    heading: str | None = None
    """Headings above the text, outermost first, joined by ` > `."""


def check_size(size: int, max_megabytes: float) -> None:
    """Raise `Rejected` for a document of `size` bytes that is empty or over the limit (1 MB is 1,000,000 bytes)."""
    if size == 0:
        raise Rejected("the file is empty (0 bytes): upload it again with its content")
    if size > max_megabytes * 1_000_000:
        raise Rejected(
            f"the file has {size / 1_000_000:.1f} MB, over the limit of {max_megabytes:g} MB: "
            "split it, or raise max_document_megabytes"
        )


def extract(name: str, content_type: str, data: bytes) -> Iterator[Section]:
    """Yield the sections of a document that hold text, in order.

    The format comes from the extension of `name`, else from the content type. Raises `Rejected`.
    """
    found = False
    for section in _reader(name, content_type)(data):
        if text := section.text.strip():
            found = True
            yield Section(text, section.page, section.heading)
    if not found:
        raise Rejected("no text could be extracted: if it is a scan, run OCR first (for example `ocrmypdf`)")


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


def _plain(data: bytes) -> Iterator[Section]:
    yield Section(decode(data))


# Each format is imported when it is met: an import costs a cold start, and most batches have one format.
def _markdown(data: bytes) -> Iterator[Section]:
    from .extract_markdown import sections

    return sections(decode(data))


def _html(data: bytes) -> Iterator[Section]:
    from .extract_html import sections

    return sections(decode(data))


def _pdf(data: bytes) -> Iterator[Section]:
    from .extract_pdf import sections

    return sections(data)


Reader = Callable[[bytes], Iterator[Section]]
EXTENSIONS: dict[str, Reader] = {
    ".txt": _plain,
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
}
CONTENT_TYPES: dict[str, Reader] = {
    "text/plain": _plain,
    "text/markdown": _markdown,
    "text/html": _html,
    "application/pdf": _pdf,
}


def _reader(name: str, content_type: str) -> Reader:
    extension = PurePosixPath(name).suffix.lower()
    media_type = content_type.partition(";")[0].strip().lower()
    reader = EXTENSIONS.get(extension) or CONTENT_TYPES.get(media_type)
    if reader is None:
        raise Rejected(
            f"unknown document type (extension {extension or 'none'!r}, content type {media_type or 'none'!r}): "
            f"convert it to one of {', '.join(EXTENSIONS)}"
        )
    return reader
