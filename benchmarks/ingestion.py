"""Chunks per second from upload to searchable, against the embedding model alone on the same texts."""

import mimetypes
import time
import uuid
from collections.abc import Iterator
from statistics import median

from tandem.clients.document_files import Document, find_documents
from tandem.clients.documents_bucket import DocumentsBucket
from tandem.clients.ingestion import Ingestion, forget
from tandem.clients.pulumi_stack import deployed
from tandem.clients.query_service import QueryService
from tandem.models.embedders import open_embedder
from tandem.rag.chunk import chunk
from tandem.rag.documents import extract
from tandem.rag.documents.section import Section
from tandem.rag.index_version import IndexVersion
from tandem.runtime.retry import Deadline

from .report import Say, Table
from .samples import SAMPLES

ROUNDS = 3
TIMEOUT_SECONDS = 600


def run(stack: str, say: Say) -> Table:
    """Measure both, alternating; the documents get keys of their own and are forgotten after each round."""
    found = deployed(stack, "queryUrl", say=say)
    (url,), documents_bucket = found.pick("queryUrl"), DocumentsBucket(found)
    version = documents_bucket.ledger.active()
    assert version is not None  # noqa: S101 - the sample documents are indexed
    sources, _ = find_documents([SAMPLES])
    texts = [text for source in sources for text in embedded_texts(source, version)]
    embedder = open_embedder(version.embedder, version.dimensions, found.client, version.embedder_secret_arn)
    prefix = f"bench/{uuid.uuid4().hex[:8]}"
    path_rates, model_rates = [], []
    for number in range(1, ROUNDS + 1):
        start = time.monotonic()
        embedder.documents(texts, Deadline(TIMEOUT_SECONDS))
        model_rates.append(len(texts) / (time.monotonic() - start))
        say(f"round {number} of {ROUNDS}: model alone {model_rates[-1]:.1f} chunks/s")
        documents, _ = find_documents([SAMPLES], f"{prefix}/{number}")
        try:
            service = QueryService(url, None, say, region=found.region)
            seconds = ingest(documents_bucket, service, documents, len(texts))
        finally:
            forget_all(documents_bucket, documents)
        path_rates.append(len(texts) / seconds)
        say(f"round {number} of {ROUNDS}: whole path {path_rates[-1]:.1f} chunks/s")
    ratios = [whole / alone for whole, alone in zip(path_rates, model_rates, strict=True)]
    return Table(
        [f"{len(sources)} documents, {len(texts)} chunks", "chunks/s", "of the model alone", "worst", "best"],
        [
            ["embedding model alone", f"{median(model_rates):.1f}", "1.00", "", ""],
            [
                "upload to searchable",
                f"{median(path_rates):.1f}",
                f"{median(ratios):.2f}",
                f"{min(ratios):.2f}",
                f"{max(ratios):.2f}",
            ],
        ],
    )


def embedded_texts(document: Document, version: IndexVersion) -> Iterator[str]:
    """What the functions embed of a document."""
    content_type = mimetypes.guess_type(document.path.name)[0] or ""
    parts = extract(document.key, content_type, document.path.read_bytes())
    sections = (part for part in parts if isinstance(part, Section))
    return (piece.embedded for piece in chunk(sections, version.chunk_tokens, version.chunk_overlap))


def ingest(bucket: DocumentsBucket, service: QueryService, documents: list[Document], expected: int) -> float:
    """Upload the documents and return the seconds until a search has found each of them."""
    lines: list[str] = []
    ingestion = Ingestion(bucket, service, lines.append, TIMEOUT_SECONDS)
    start = time.monotonic()
    ingestion.run(documents)
    seconds = time.monotonic() - start
    if ingestion.failed or ingestion.new_chunks != expected:
        raise RuntimeError("\n".join([f"{ingestion.new_chunks} of {expected} chunks were ingested:", *lines]))
    return seconds


def forget_all(bucket: DocumentsBucket, documents: list[Document]) -> None:
    """Take them out of bucket and index again."""
    stored = [document.key for document in documents if bucket.stored_etag(document.key)]
    forget(bucket, stored, lambda _: None, TIMEOUT_SECONDS)
