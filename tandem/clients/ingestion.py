"""Ingestion: uploads or removes documents, and waits until searches find them, or no chunk of them is left."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from tandem_contract.errors import TandemError
from tandem_contract.settings import INGEST_SETTINGS

from tandem.clients.document_files import Document
from tandem.clients.documents_bucket import DocumentsBucket, content_etag
from tandem.clients.patience import Patience
from tandem.clients.query_service import QueryService
from tandem.rag.documents.section import Rejected

UPLOADS = 8  # at a time
POLL_SECONDS = 0.25
SEARCH_SECONDS = 2.0  # between searches while more is to come: they take the embedder's time
SILENT_SECONDS = 30.0  # then a line says what is waited for
MOST_MEGABYTES = INGEST_SETTINGS["max_document_megabytes"].high or 0
"""What no stack takes isn't uploaded; whether one takes less is for the stack to say."""


@dataclass
class Upload:
    """A document in the bucket: the version to wait for, when it got there, and whether this run put it there."""

    document: Document
    version: str
    size: int
    finished: float
    is_new: bool


@dataclass
class Search:
    """A search under way for the document that was indexed last: one each would take the embedder's time."""

    keys: list[str]
    """Those that were indexed by then."""
    found: "Future[None]"


class Ingestion:
    """Uploads documents, follows them through the ledger and searches for them.

    `say` gets a line for every document, and one when nothing has moved for a while; `timeout` is that of `Patience`.
    Afterwards `outcomes` has an entry for each document; `searchable` and `failed` count them, `warned` those of which
    something was lost, `new` and `new_chunks` what this run has uploaded of those.
    """

    def __init__(
        self, bucket: DocumentsBucket, service: QueryService, say: Callable[[str], None], timeout: float
    ) -> None:
        self.bucket = bucket
        self.service = service
        self.say = say
        self.timeout = timeout
        self.outcomes: list[dict[str, Any]] = []
        self.searchable = self.failed = self.warned = self.new = self.new_chunks = 0
        self.patience = Patience(timeout)

    def run(
        self,
        documents: list[Document],
        uploaded: Callable[[], None] = lambda: None,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring all documents to an end: searchable, rejected, failed or timed out.

        `uploaded` and `finished` are called once for each document, for a display of progress.
        """
        uploaders, searchers = ThreadPoolExecutor(UPLOADS), ThreadPoolExecutor(1)
        try:
            uploads = self._upload_all(uploaders, documents, uploaded)
            for _ in range(len(documents) - len(uploads)):
                finished()
            self._follow(searchers, uploads, finished)
        finally:
            uploaders.shutdown(wait=False, cancel_futures=True)
            searchers.shutdown(wait=False, cancel_futures=True)

    def _upload_all(
        self, pool: ThreadPoolExecutor, documents: list[Document], uploaded: Callable[[], None]
    ) -> list[Upload]:
        start = time.monotonic()
        rows = self.bucket.ledger_rows(document.key for document in documents)
        futures = {
            pool.submit(self._upload, document, rows.get(document.key, {}).get("version")): document
            for document in documents
        }
        uploads = []
        for future, document in futures.items():
            try:
                uploads.append(future.result())
            except (OSError, Rejected, *_aws_errors()) as error:
                self._fail(document, f"not uploaded: {error}")
            uploaded()
        seconds = time.monotonic() - start
        new = [upload for upload in uploads if upload.is_new]
        size = sum(upload.size for upload in new) / 1e6
        self.say(
            f"uploaded {len(new)} files, {size:.2f} MB in {seconds:.1f} s "
            f"({len(new) / seconds:.0f} files/s, {size / seconds:.2f} MB/s), {len(uploads) - len(new)} unchanged"
        )
        return uploads

    def _upload(self, document: Document, known_version: str | None) -> Upload:
        """Upload a document unless bucket and ledger have this content already, or no stack would take it."""
        if (megabytes := document.path.stat().st_size / 1_000_000) > MOST_MEGABYTES:
            raise Rejected(f"it has {megabytes:.1f} MB, and no stack takes more than {MOST_MEGABYTES:g}: split it")
        version = content_etag(document.path)
        is_new = known_version != version or self.bucket.stored_etag(document.key) != version
        if is_new:
            version = self.bucket.upload(document.path, document.key)
        return Upload(document, version, document.path.stat().st_size, time.monotonic(), is_new)

    def _follow(self, pool: ThreadPoolExecutor, uploads: list[Upload], finished: Callable[[], None]) -> None:
        """Wait for the ledger and then for the search, until all is done or nothing has moved for `timeout` seconds."""
        pending = {upload.document.key: upload for upload in uploads}
        indexed: dict[str, tuple[Upload, dict[str, Any]]] = {}
        search: Search | None = None
        worked_on: dict[str, float] = {}
        self.patience = Patience(self.timeout)
        told, searched = time.monotonic(), 0.0
        while pending or indexed:
            before = len(pending), len(indexed)
            rows = self.bucket.ledger_rows(pending)
            for key, upload in list(pending.items()):
                row = rows.get(key, {})
                # A long document is worked on for minutes, and its lease extended.
                if row.get("updated_at", 0) > worked_on.setdefault(key, row.get("updated_at", 0)):
                    worked_on[key] = row["updated_at"]
                    self.patience.moved()
                if row.get("version") != upload.version or row.get("status") not in ("indexed", "rejected"):
                    continue
                self.patience.moved()
                del pending[key]
                if row["status"] == "rejected":
                    self._fail(upload.document, f"rejected: {row.get('error', 'no reason given')}")
                    finished()
                else:
                    indexed[key] = upload, row
            if search and search.found.done():
                for key in self._seen(search, indexed):
                    self._finish(*indexed.pop(key))
                    finished()
                search = None
            is_due = not pending or time.monotonic() - searched > SEARCH_SECONDS
            if indexed and not search and is_due:
                keys, searched = list(indexed), time.monotonic()
                last = max(keys, key=lambda key: indexed[key][1].get("updated_at", 0))
                search = Search(keys, pool.submit(self._search, last))
            if self._stalled():
                seconds = f"{self.patience.seconds:.0f}"
                for key, upload in pending.items():
                    status = rows.get(key, {}).get("status", "nothing")
                    self._fail(upload.document, f"timed out after {seconds} s (the ledger says: {status})")
                pending.clear()
            if before != (len(pending), len(indexed)):
                told = time.monotonic()
            elif time.monotonic() - told > SILENT_SECONDS:
                told = time.monotonic()
                self.say(f"waiting for {len(pending)} documents to be indexed, {len(indexed)} to be found by a search")
            pause = max(POLL_SECONDS, len(pending) / 200)
            if search:
                wait([search.found], pause)
            elif pending:
                time.sleep(pause)

    def _search(self, key: str) -> None:
        """Search within a document until it is found; the index takes a while to show what was written."""
        request = {"question": "document", "filter": {"document": key}, "top_k": 1, "generate": False}
        pause = POLL_SECONDS
        while not self.service.ask(request, self.patience)["retrieved"]:
            time.sleep(pause + random.uniform(0, pause / 2))  # noqa: S311 - spreads requests, no secret
            if self._stalled():
                raise TandemError(f"timed out: indexed, but not found by a search within {self.patience.seconds:.0f} s")
            pause = min(pause * 1.5, 5)

    def _seen(self, search: "Search", indexed: dict[str, tuple[Upload, dict[str, Any]]]) -> list[str]:
        """Those that its search has shown to be there; all of them fail with it."""
        try:
            search.found.result()
        except (TandemError, *_aws_errors()) as error:
            for key in search.keys:
                self._fail(indexed.pop(key)[0].document, str(error))
            return []
        return search.keys

    def _stalled(self) -> bool:
        return not self.patience.remaining()

    def _finish(self, upload: Upload, row: dict[str, Any]) -> None:
        self.patience.moved()
        self.searchable += 1
        chunks, warnings = row.get("chunk_count", 0), row.get("warnings", [])
        self.warned += bool(warnings)
        if upload.is_new:
            self.new += 1
            self.new_chunks += chunks
        seconds = time.monotonic() - upload.finished
        status = "indexed with warnings" if warnings else "indexed"
        self.outcomes.append(
            {"document": upload.document.key, "status": "searchable", "new": upload.is_new, "chunks": chunks}
            | {"warnings": list(warnings), "reason": ""}
        )
        what = f"{status} in {seconds:.1f} s" if upload.is_new else f"already {status}"
        self.say("\n  ".join([f"{upload.document.key}: {what}, {chunks} chunks", *warnings]))

    def _fail(self, document: Document, reason: str) -> None:
        self.failed += 1
        empty = {"new": False, "chunks": 0, "warnings": []}
        self.outcomes.append({"document": document.key, "status": "failed"} | empty | {"reason": reason})
        self.say(f"{document.key}: {reason}")


def forget(bucket: DocumentsBucket, keys: Iterable[str], say: Callable[[str], None], timeout: float) -> None:
    """Delete documents and wait until they are out of the index; `say` gets a line for each, `timeout` is `Patience`'s.

    Raises `TandemError` for a key that isn't there, before anything is deleted.
    """
    left = set(keys)
    unknown = sorted(key for key in left - bucket.ledger_rows(left).keys() if bucket.stored_etag(key) is None)
    if unknown:
        raise TandemError(f"Not in bucket {bucket.bucket}: {', '.join(unknown)}. Nothing was deleted.")
    for key in left:
        bucket.delete(key)
    patience = Patience(timeout)
    while left:
        gone = left - bucket.ledger_rows(left).keys()
        for key in sorted(gone):
            say(f"{key}: forgotten")
            patience.moved()
        left -= gone
        if left and not patience.remaining():
            raise TandemError(
                f"Deleted, but after {patience.seconds:.0f} s still in the ledger: {', '.join(sorted(left))}."
            )
        time.sleep(POLL_SECONDS if left else 0)


def _aws_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError
