"""Documents made for tests, and what a reader makes of them."""

import io
import zipfile
from collections.abc import Callable
from importlib import import_module

from tandem.rag.documents.section import Loss, Section


def read(reader: str, data: bytes | str) -> list[Section | Loss]:
    module = import_module(f"tandem.rag.documents.{reader}")
    return list(module.sections(data.encode() if isinstance(data, str) else data))


def sections(reader: str, data: bytes | str) -> list[Section]:
    return [each for each in read(reader, data) if isinstance(each, Section) and each.text.strip()]


def losses(reader: str, data: bytes | str) -> list[Loss]:
    return [each for each in read(reader, data) if isinstance(each, Loss)]


def text(reader: str, data: bytes | str) -> str:
    """All that a reader says, with headings and header rows."""
    return "\n".join(f"{each.heading or ''}\n{each.header or ''}\n{each.text}" for each in sections(reader, data))


def saved(document: object) -> bytes:
    """A document of python-docx, python-pptx or openpyxl as bytes."""
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def zipped(parts: dict[str, bytes | str], stored: tuple[str, ...] = ()) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return target.getvalue()


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(data: bytes, **changes: Callable[[str], str]) -> bytes:
    """An archive with some of its XML parts rewritten; a part is named by its file name without `.xml`."""
    found = parts(data)
    for name in found:
        stem = name.rpartition("/")[2].removesuffix(".xml")
        if stem in changes:
            found[name] = changes[stem](found[name].decode()).encode()
    return zipped(found)
