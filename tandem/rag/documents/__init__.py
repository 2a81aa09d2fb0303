"""Document readers: from bytes to sections of text.

A type of documents is a module of this folder with a function `sections`, and a row of `FORMATS`.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath
from typing import NamedTuple

from .section import Rejected, Section


class Format(NamedTuple):
    """A type of documents."""

    reader: str
    """The module of this folder whose `sections(data: bytes)` yields `Section`s in order, and raises `Rejected`.

    It is imported when a document of the type is met: an import costs a cold start, and most batches have one type.
    """
    extensions: tuple[str, ...]
    content_type: str


FORMATS = (
    Format("text", (".txt",), "text/plain"),
    Format("markdown", (".md", ".markdown"), "text/markdown"),
    Format("html", (".html", ".htm"), "text/html"),
    Format("pdf", (".pdf",), "application/pdf"),
)
EXTENSIONS = {extension: each for each in FORMATS for extension in each.extensions}
CONTENT_TYPES = {each.content_type: each for each in FORMATS}


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

    The type comes from the extension of `name`, else from the content type. Raises `Rejected`.
    """
    found = False
    for section in import_module(f".{_format(name, content_type).reader}", __name__).sections(data):
        if text := section.text.strip():
            found = True
            yield Section(text, section.page, section.heading)
    if not found:
        raise Rejected("no text could be extracted: if it is a scan, run OCR first (for example `ocrmypdf`)")


def _format(name: str, content_type: str) -> Format:
    extension = PurePosixPath(name).suffix.lower()
    media_type = content_type.partition(";")[0].strip().lower()
    found = EXTENSIONS.get(extension) or CONTENT_TYPES.get(media_type)
    if found is None:
        raise Rejected(
            f"unknown document type (extension {extension or 'none'!r}, content type {media_type or 'none'!r}): "
            f"convert it to one of {', '.join(EXTENSIONS)}"
        )
    return found
