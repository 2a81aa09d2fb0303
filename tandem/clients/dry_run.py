"""Dry run: what the index would see of documents, read on this machine as the ingest function reads them."""

import mimetypes
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from tandem_contract import __version__
from tandem_contract.settings import INGEST_SETTINGS

from tandem.clients.document_files import Document
from tandem.rag import reading
from tandem.rag.documents import check_size
from tandem.rag.documents.section import Rejected
from tandem.runtime.retry import Deadline

PATIENCE_SECONDS = 3600  # a function has five minutes


def versions() -> dict[str, Any]:
    """What decides the text: of Tandem, of its extractor, and of the packages that read documents."""
    requirements = Path(reading.__file__).with_name("requirements.in").read_text(encoding="utf-8")
    packages = re.findall(r"^[\w-]+", requirements, re.MULTILINE)
    found = {each.name: each.version for name in packages for each in metadata.distributions(name=name)}
    return {"tandem": __version__, "extractor": reading.EXTRACTOR, **found}


def dry_run(documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    """`path`, `status`, `reason`, `warnings` and `chunks` of each, with the limits and the chunking of a stack that
    says nothing else."""
    for document in documents:
        with reading.folder() as folder:
            try:
                read = _read(document, folder / "document")
            except Rejected as error:
                yield _outcome(document, "rejected", reason=str(error))
                continue
            chunks = [
                {"text": chunk.searched, "cited": chunk.text, "page": chunk.page, "heading": chunk.heading}
                for chunk in read.chunks()
            ]
            status = "indexed with warnings" if read.warnings else "indexed"
            yield _outcome(document, status, warnings=read.warnings, chunks=chunks)


def _read(document: Document, file: Path) -> reading.Reading:
    check_size(document.path.stat().st_size, INGEST_SETTINGS["max_document_megabytes"].default)
    file.symlink_to(document.path.resolve())
    content_type = mimetypes.guess_type(document.path.name)[0] or ""
    return reading.read(file, document.path.name, content_type, Deadline(PATIENCE_SECONDS))


def _outcome(document: Document, status: str, **facts: Any) -> dict[str, Any]:
    return {"path": str(document.path), "status": status, "reason": "", "warnings": [], "chunks": []} | facts
