"""`tandem documents`: what became of each document. `tandem reread`: has what an older release read read again.
`tandem redrive`: has what was given up tried again."""

from collections import Counter
from typing import Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import DEFAULT_STACK, EnvironmentOption, JsonOption, StackOption, deployed, put_json, say


def documents(
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the documents of a stack: indexed, indexed with warnings, rejected and why, or waiting."""
    from tandem.clients.documents import STATUSES, entries
    from tandem.clients.documents_bucket import DocumentsBucket
    from tandem.rag.reading import EXTRACTOR
    from tandem.reporting.tables import Table, console

    found = list(entries(DocumentsBucket(deployed(stack, "documentsBucket", environment))))
    older = sum(entry.is_older for entry in found)
    if as_json:
        rows = [entry._asdict() for entry in found]
        content = {"extractor": EXTRACTOR, "read_by_older_release": older, "documents": rows}
        put_json(content)
        return
    terminal = console()
    if found:
        rows = [
            (entry.document, entry.status, str(entry.chunks), entry.reason or "; ".join(entry.warnings))
            for entry in found
        ]
        terminal.print(Table(("document", "status", "chunks", "what is to be known"), rows, right=(2,)).rich())
    count = Counter(entry.status for entry in found)
    parts = [f"{count[status]} {status}" for status in STATUSES if count[status]]
    terminal.print(f"{len(found)} documents" + (f": {', '.join(parts)}." if parts else "."))
    if older:
        terminal.print(f"{older} were read by an older release: `tandem reread` has them read again.")


def reread(
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    ask_above: Annotated[
        float, typer.Option(envvar="TANDEM_ASK_ABOVE", help="Ask where it may cost more than this, in dollars.")
    ] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Have the documents that an older release read read again, after the price was shown; what is indexed of them
    answers meanwhile."""
    from tandem.clients.documents import entries, price
    from tandem.clients.documents_bucket import DocumentsBucket
    from tandem.rag.ledger import REJECTED

    found = deployed(stack, "documentsBucket", environment)
    bucket = DocumentsBucket(found)
    older = [entry for entry in entries(bucket) if entry.is_older]
    if not older:
        typer.echo("Every document was read by this release.")
        return
    rejected = sum(entry.status == REJECTED for entry in older)
    beside = f"; how long the {rejected} are that were rejected isn't known" if rejected else ""
    try:
        tokens, usd = price(bucket, sum(entry.chunks for entry in older), found.region)
        cost = f"about ${usd:.2f} for {tokens:,} tokens of {bucket.version.embedder}"
    except TandemError as error:
        usd, cost = None, f"an amount that is not known here: {error}"
    typer.echo(f"{len(older)} documents, to be embedded again: {cost}{beside}.")
    if not yes and (usd is None or float(usd) > ask_above):
        typer.confirm("Read them again?", abort=True)
    for entry in older:
        bucket.touch(entry.document)
    typer.echo("They are being read; `tandem documents` shows how far it is.")


def redrive(
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only N messages.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show them, with the reason of each, and do nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have documents that were given up tried again, once the cause is mended: puts the messages of the dead-letter
    queue back into the queue that they came from. Interrupted, the same command goes on."""
    from tandem.clients.dead_letters import DeadLetters

    found = deployed(stack, "deadLetterQueueUrl", environment)
    (url,) = found.pick("deadLetterQueueUrl")
    letters = DeadLetters(found.client("sqs"), url)
    tell = say if as_json else typer.echo
    done = letters.redrive(lambda it: tell(f"{it.document or 'no document'}: {it.reason}"), limit, dry_run)
    count = len({letter.document for letter in done.put_back if letter.document})
    about = f"{len(done.put_back)} messages about {count} documents"
    if as_json:
        messages = [{"document": letter.document, "reason": letter.reason} for letter in done.put_back]
        put_json({"dry_run": dry_run, "messages": messages, "refused": done.refused})
    elif dry_run:
        typer.echo(f"{about} would be put back.")
    else:
        typer.echo(f"{about} were put back" + ("; `tandem documents` shows what becomes of them." if count else "."))
    if done.refused:
        raise TandemError(f"{done.refused} messages were not taken by the queue, and stay: run the command again.")
