"""Sections of EPUB: the pages of a book in the order that it is read."""

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from .archive import open_zip, read, readable
from .outline import below
from .section import BOM, Loss, Rejected, Section
from .xml_text import attribute, children, name, parse

OBFUSCATIONS = {"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"}  # of fonts, which aren't text
PAGES = {"application/xhtml+xml", "text/html", "application/x-dtbook+xml"}

MAX_PAGE = 50_000_000


def sections(data: bytes) -> Iterator[Section | Loss]:
    """Yield the sections of each page below the book's title; the book's navigation is left out."""
    from . import html

    with readable("book", "export it again as EPUB, and upload it again"):
        archive = open_zip(data)
        names = set(archive.namelist())
        if "META-INF/encryption.xml" in names:
            methods = parse(read(archive, "META-INF/encryption.xml")).iter("{*}EncryptionMethod")
            if any(method.get("Algorithm") not in OBFUSCATIONS for method in methods):
                raise Rejected("the book is encrypted (DRM): upload a copy that isn't protected")
        container = parse(read(archive, "META-INF/container.xml"))
        package_file = next((each.get("full-path", "") for each in container.iter("{*}rootfile")), "")
        package = parse(read(archive, package_file))
        title = next((" ".join((each.text or "").split()) for each in package.iter("{*}title")), "")
        items = {each.get("id"): each for each in children(package, "manifest") if name(each) == "item"}
        for entry in children(package, "spine"):
            item = items.get(entry.get("idref"))
            if item is None or "nav" in (item.get("properties") or "").split():
                continue
            file = posixpath.normpath(posixpath.join(posixpath.dirname(package_file), unquote(item.get("href", ""))))
            if file not in names:
                yield Loss("page that is missing from the book", name=file)
            elif attribute(item, "media-type") not in PAGES:
                yield Loss("page that isn't text", name=file)
            else:
                yield from below(title, html.sections(_declared(read(archive, file, MAX_PAGE))))


def _declared(page: bytes) -> bytes:
    """A page that says that it is XML, which the HTML reader goes by: `<title/>` would swallow a page of HTML."""
    page = page.removeprefix(BOM.encode())
    return page if page.startswith((b"<?xml", b"\xff\xfe", b"\xfe\xff")) else b'<?xml version="1.0"?>' + page
