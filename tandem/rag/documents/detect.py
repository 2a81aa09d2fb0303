"""What a document is: its content decides, then its name, then its content type."""

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from .containers import container, guess
from .section import BOM, Rejected

LOOKED_AT = 1024


class Format(NamedTuple):
    """A type of documents."""

    reader: str
    """The module of this folder whose `sections(data: bytes)` yields `Section`s and `Loss`es in order, and raises
    `Rejected`.

    It is imported when a document of the type is met: an import costs a cold start, and most batches have one type.
    """
    extensions: tuple[str, ...]
    content_types: tuple[str, ...]


OFFICE = "application/vnd.openxmlformats-officedocument"

FORMATS = (
    Format("text", (".txt",), ("text/plain",)),
    Format("markdown", (".md", ".markdown"), ("text/markdown",)),
    Format("html", (".html", ".htm", ".xhtml"), ("text/html", "application/xhtml+xml")),
    Format("pdf", (".pdf",), ("application/pdf",)),
    Format("docx", (".docx", ".docm", ".dotx", ".dotm"), (f"{OFFICE}.wordprocessingml.document",)),
    Format("pptx", (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), (f"{OFFICE}.presentationml.presentation",)),
    Format("xlsx", (".xlsx", ".xlsm", ".xltx", ".xltm"), (f"{OFFICE}.spreadsheetml.sheet",)),
    Format("csv", (".csv", ".tsv"), ("text/csv", "text/tab-separated-values")),
    Format("eml", (".eml", ".mbox"), ("message/rfc822", "application/mbox")),
    Format("epub", (".epub",), ("application/epub+zip",)),
    Format("rtf", (".rtf",), ("application/rtf", "text/rtf")),
    Format("json", (".json", ".jsonl", ".ndjson"), ("application/json", "application/jsonl", "application/x-ndjson")),
    Format("xml", (".xml", ".docbook", ".dbk"), ("application/xml", "text/xml")),
    Format("rst", (".rst", ".rest"), ("text/x-rst", "text/prs.fallenstein.rst")),
)
READERS = {each.reader: each for each in FORMATS}
EXTENSIONS = {extension: each for each in FORMATS for extension in each.extensions}
CONTENT_TYPES = {content_type: each for each in FORMATS for content_type in each.content_types}

# A page may begin with a declaration of XML and comments. Markdown may begin with any other tag.
HTML = re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html\b|<html\b)", re.IGNORECASE | re.DOTALL)


def detect(name: str, content_type: str, data: bytes) -> Format:
    """The format of a document; raises `Rejected` for one that nothing here reads."""
    extension = PurePosixPath(name).suffix.lower()
    media_type = content_type.partition(";")[0].strip().lower()
    named = EXTENSIONS.get(extension) or CONTENT_TYPES.get(media_type)
    found = _by_content(data) or named or READERS.get(guess(data))
    if found is READERS["xml"] and named is READERS["html"]:
        found = named  # a page may leave out its root element
    if found is None:
        raise Rejected(
            f"unknown document type (extension {extension or 'none'!r}, content type {media_type or 'none'!r}): "
            f"convert it to one of {', '.join(EXTENSIONS)}"
        )
    return found


def _by_content(data: bytes) -> Format | None:
    """The format that the first bytes tell, if they tell one."""
    start = data[:LOOKED_AT].removeprefix(BOM.encode()).lstrip()
    if start.startswith(b"%PDF-"):
        return READERS["pdf"]
    if HTML.match(start):
        return READERS["html"]
    # Readers of PDF look for its beginning so far in: what sent it can have put something before.
    if b"%PDF-" in data[:LOOKED_AT] and b"%%EOF" in data[-LOOKED_AT:]:
        return READERS["pdf"]
    return READERS.get(container(data))
