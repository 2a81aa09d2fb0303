"""`tandem ingest`: uploads documents and waits until each can be found. `tandem forget`: the opposite."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.cli import exits
from tandem.cli.options import (
    DEFAULT_STACK,
    TIMEOUT_SECONDS,
    EnvironmentOption,
    JsonOption,
    StackOption,
    TimeoutOption,
    TokenOption,
    deployed,
    put_json,
)


def ingest(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders.")],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    prefix: Annotated[str, typer.Option(help="Put before every key, as a folder.")] = "",
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    token: TokenOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the index would see; uploads nothing, needs no stack.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload documents and wait until each can be found; run it again to resume or to update."""
    if dry_run:
        _dry_run(paths, as_json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tandem.clients.document_files import find_documents
    from tandem.clients.documents_bucket import DocumentsBucket
    from tandem.clients.ingestion import Ingestion
    from tandem.clients.query_service import QueryService

    console = Console(highlight=False, stderr=as_json)

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    documents, skipped = find_documents(paths, prefix)
    for item in skipped:
        say(f"{item.path}: skipped, {item.reason}")
    if not documents:
        raise TandemError("There is nothing to upload.")
    found = deployed(stack, "documentsBucket", environment)
    (url,) = found.pick("queryUrl")
    service = QueryService(url, token, say, timeout, region=found.region)
    ingestion = Ingestion(DocumentsBucket(found), service, say, timeout)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    start = time.monotonic()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            bars = [progress.add_task(name, total=len(documents)) for name in ("uploaded", "finished")]
            ingestion.run(documents, *(lambda bar=bar: progress.advance(bar) for bar in bars))
    except KeyboardInterrupt:
        typer.echo("Interrupted. What is uploaded stays: run the same command again to go on.", err=True)
        sys.stdout.flush()
        os._exit(
            exits.INTERRUPTED
        )  # A normal exit would wait for the requests in the threads; none of them needs an end.
    seconds = time.monotonic() - start
    warned = f" ({ingestion.warned} with warnings)" if ingestion.warned else ""
    say(
        f"{ingestion.searchable} of {len(documents)} documents searchable{warned}, {ingestion.failed} failed, "
        f"{len(skipped)} skipped, in {seconds:.1f} s; new: {ingestion.new} documents, {ingestion.new_chunks} chunks "
        f"({ingestion.new / seconds:.1f} documents/s, {ingestion.new_chunks / seconds:.0f} chunks/s)"
    )
    if as_json:
        left_out = [{"path": str(item.path), "reason": item.reason} for item in skipped]
        put_json({"documents": ingestion.outcomes, "skipped": left_out, "seconds": round(seconds, 3)})
    if ingestion.failed:
        raise typer.Exit(exits.FAILED)


def _dry_run(paths: list[Path], as_json: bool) -> None:
    from tandem.clients.document_files import find_documents
    from tandem.clients.dry_run import dry_run, versions

    documents, skipped = find_documents(paths)
    for item in skipped:
        typer.echo(f"{item.path}: skipped, {item.reason}", err=as_json)
    if not documents:
        raise TandemError("There is nothing to read.")
    found = []
    for outcome in dry_run(documents):
        found.append(outcome)
        if not as_json:
            what = outcome["reason"] or f"{len(outcome['chunks'])} chunks"
            lines = [f"{outcome['path']}: {outcome['status']}, {what}", *outcome["warnings"]]
            typer.echo("\n  ".join(lines))
    if as_json:
        put_json({"versions": versions(), "documents": found})
    if any(outcome["status"] == "rejected" for outcome in found):
        raise typer.Exit(exits.FAILED)


def forget(
    keys: Annotated[list[str], typer.Argument(help="Keys of documents in the bucket.")],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
) -> None:
    """Delete documents and wait until they are out of the index."""
    from tandem.clients import ingestion
    from tandem.clients.documents_bucket import DocumentsBucket

    ingestion.forget(DocumentsBucket(deployed(stack, "documentsBucket", environment)), keys, typer.echo, timeout)
