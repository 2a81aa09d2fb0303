"""`tandem ingest`: uploads documents and waits until each can be found. `tandem forget`: the opposite."""

import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import DEFAULT_STACK, StackOption, TokenOption
from tandem.clients.document_files import Document, find_documents
from tandem.clients.pulumi_stack import read_outputs
from tandem.clients.query_service import QueryService

if TYPE_CHECKING:
    from rich.console import Console

    from tandem.clients.documents_bucket import Storage

UPLOADS = 8  # at a time
SEARCHES = 4  # at a time
POLL_SECONDS = 0.5
TimeoutOption = Annotated[float, typer.Option(min=1, help="Give up after so many seconds without any progress.")]


@dataclass
class Upload:
    """A document in the bucket: the version to wait for, when it got there, and whether this run put it there."""

    document: Document
    version: str
    size: int
    finished: float
    is_new: bool


class Ingestion:
    """Uploads documents, follows them through the ledger and searches for each; prints a line for every document."""

    def __init__(self, storage: "Storage", service: QueryService, console: "Console", timeout: float) -> None:
        self.storage = storage
        self.service = service
        self.console = console
        self.timeout = timeout
        self.searchable = self.failed = self.new = self.new_chunks = 0
        self.last_progress = time.monotonic()

    def run(self, documents: list[Document]) -> None:
        """Bring all documents to an end: searchable, rejected, failed or timed out."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        quiet = not self.console.is_terminal
        uploaders, searchers = ThreadPoolExecutor(UPLOADS), ThreadPoolExecutor(SEARCHES)
        try:
            with Progress(*columns, console=self.console, disable=quiet, transient=True) as progress:
                bars = [progress.add_task(name, total=len(documents)) for name in ("uploaded", "finished")]
                uploads = self._upload_all(uploaders, documents, lambda: progress.advance(bars[0]))
                progress.update(bars[1], completed=len(documents) - len(uploads))
                self._follow(searchers, uploads, lambda: progress.advance(bars[1]))
        finally:
            uploaders.shutdown(wait=False, cancel_futures=True)
            searchers.shutdown(wait=False, cancel_futures=True)

    def _upload_all(
        self, pool: ThreadPoolExecutor, documents: list[Document], advance: Callable[[], None]
    ) -> list[Upload]:
        start = time.monotonic()
        rows = self.storage.ledger_rows(document.key for document in documents)
        futures = {
            pool.submit(self._upload, document, rows.get(document.key, {}).get("version")): document
            for document in documents
        }
        uploads = []
        for future, document in futures.items():
            try:
                uploads.append(future.result())
            except (OSError, *_aws_errors()) as error:
                self._fail(document, f"not uploaded: {error}")
            advance()
        seconds = time.monotonic() - start
        new = [upload for upload in uploads if upload.is_new]
        size = sum(upload.size for upload in new) / 1e6
        self._say(
            f"uploaded {len(new)} files, {size:.2f} MB in {seconds:.1f} s "
            f"({len(new) / seconds:.0f} files/s, {size / seconds:.2f} MB/s), {len(uploads) - len(new)} unchanged"
        )
        return uploads

    def _upload(self, document: Document, known_version: str | None) -> Upload:
        """Upload a document unless bucket and ledger have this content already."""
        from tandem.clients.documents_bucket import content_etag

        version = content_etag(document.path)
        is_new = known_version != version or self.storage.stored_etag(document.key) != version
        if is_new:
            version = self.storage.upload(document.path, document.key)
        return Upload(document, version, document.path.stat().st_size, time.monotonic(), is_new)

    def _follow(self, pool: ThreadPoolExecutor, uploads: list[Upload], advance: Callable[[], None]) -> None:
        """Wait for the ledger and then for the search, until all is done or nothing has moved for `timeout` seconds."""
        pending = {upload.document.key: upload for upload in uploads}
        searches: dict[Future[None], tuple[Upload, int]] = {}
        self.last_progress = time.monotonic()
        while pending or searches:
            rows = self.storage.ledger_rows(pending)
            for key, upload in list(pending.items()):
                row = rows.get(key, {})
                if row.get("version") != upload.version or row.get("status") not in ("indexed", "rejected"):
                    continue
                self.last_progress = time.monotonic()
                del pending[key]
                if row["status"] == "rejected":
                    self._fail(upload.document, f"rejected: {row.get('error', 'no reason given')}")
                    advance()
                else:
                    searches[pool.submit(self._find, key)] = (upload, row.get("chunk_count", 0))
            for future in [future for future in searches if future.done()]:
                self._finish(*searches.pop(future), future)
                advance()
            if self._stalled():
                for key, upload in pending.items():
                    status = rows.get(key, {}).get("status", "nothing")
                    self._fail(upload.document, f"timed out after {self.timeout:.0f} s (the ledger says: {status})")
                pending.clear()
            if pending or searches:
                time.sleep(max(POLL_SECONDS, len(pending) / 200))

    def _find(self, key: str) -> None:
        """Search within one document until it is found; the index takes a while to show what was written."""
        request = {"question": Path(key).stem, "filter": {"document": key}, "top_k": 1, "generate": False}
        wait = 0.5
        while True:
            answer = self.service.ask(request)
            if answer.get("passages") or answer["reason"] == "below_min_score":
                return
            if self._stalled():
                raise TandemError(f"timed out: indexed, but not found by a search within {self.timeout:.0f} s")
            time.sleep(wait + random.uniform(0, 0.2))  # noqa: S311 - spreads requests, no secret
            wait = min(wait * 1.5, 5)

    def _stalled(self) -> bool:
        return time.monotonic() - self.last_progress > self.timeout

    def _finish(self, upload: Upload, chunks: int, search: "Future[None]") -> None:
        if error := search.exception():
            self._fail(upload.document, str(error))
            return
        self.last_progress = time.monotonic()
        self.searchable += 1
        if upload.is_new:
            self.new += 1
            self.new_chunks += chunks
        seconds = time.monotonic() - upload.finished
        what = f"indexed in {seconds:.1f} s" if upload.is_new else "already indexed"
        self._say(f"{upload.document.key}: {what}, {chunks} chunks")

    def _fail(self, document: Document, reason: str) -> None:
        self.failed += 1
        self._say(f"{document.key}: {reason}")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)


def _aws_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    stack: StackOption = DEFAULT_STACK,
    prefix: Annotated[str, typer.Option(help="Put before every key, as a folder.")] = "",
    timeout: TimeoutOption = 600,
    token: TokenOption = None,
) -> None:
    """Upload documents and wait until each can be found; run it again to resume or to update."""
    from rich.console import Console

    from tandem.clients.documents_bucket import Storage

    console = Console(highlight=False)
    documents, skipped = find_documents(paths, prefix)
    for item in skipped:
        console.print(f"{item.path}: skipped, {item.reason}", markup=False, soft_wrap=True)
    if not documents:
        raise TandemError("There is nothing to upload.")
    url, bucket, table = read_outputs(stack, "queryUrl", "documentsBucket", "ledgerTable")
    service = QueryService(url, token, say=lambda message: console.print(message, markup=False, soft_wrap=True))
    ingestion = Ingestion(Storage(bucket, table), service, console, timeout)
    start = time.monotonic()
    try:
        ingestion.run(documents)
    except KeyboardInterrupt:
        typer.echo("Interrupted. What is uploaded stays: run the same command again to go on.", err=True)
        sys.stdout.flush()
        os._exit(130)  # A normal exit would wait for the requests in the threads; none of them needs an end.
    seconds = time.monotonic() - start
    console.print(
        f"{ingestion.searchable} of {len(documents)} documents searchable, {ingestion.failed} failed, "
        f"{len(skipped)} skipped, in {seconds:.1f} s; new: {ingestion.new} documents, {ingestion.new_chunks} chunks "
        f"({ingestion.new / seconds:.1f} documents/s, {ingestion.new_chunks / seconds:.0f} chunks/s)",
        soft_wrap=True,
    )
    if ingestion.failed:
        raise typer.Exit(1)


def forget(
    keys: Annotated[list[str], typer.Argument(help="Keys of documents in the bucket.")],
    stack: StackOption = DEFAULT_STACK,
    timeout: TimeoutOption = 600,
) -> None:
    """Delete documents and wait until they are out of the index."""
    from tandem.clients.documents_bucket import Storage

    bucket, table = read_outputs(stack, "documentsBucket", "ledgerTable")
    storage = Storage(bucket, table)
    left = set(keys)
    if unknown := sorted(key for key in left - storage.ledger_rows(left).keys() if storage.stored_etag(key) is None):
        raise TandemError(f"Not in bucket {bucket}: {', '.join(unknown)}. Nothing was deleted.")
    for key in left:
        storage.delete(key)
    deadline = time.monotonic() + timeout
    while left:
        gone = left - storage.ledger_rows(left).keys()
        for key in sorted(gone):
            typer.echo(f"{key}: forgotten")
        left -= gone
        if left and time.monotonic() > deadline:
            raise TandemError(f"Deleted, but after {timeout:.0f} s still in the ledger: {', '.join(sorted(left))}.")
        time.sleep(POLL_SECONDS if left else 0)
