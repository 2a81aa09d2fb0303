"""`tandem dataset`: makes data sets for fine-tuning out of files, and checks them."""

import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import EnvironmentOption, JsonOption, StackOption, deployed, put_json
from tandem.clients.pulumi_stack import Stack
from tandem.finetuning.dataset.splits import DEFAULT, SPLITS

if TYPE_CHECKING:
    from tandem.finetuning.dataset.rows import Row
    from tandem.finetuning.dataset.store import Progress

DEFAULT_STACK = "finetune-dev"
SHOWN = 20  # warnings, or rows that are too long; the rest is counted
RowFiles = Annotated[
    list[Path] | None,
    typer.Argument(exists=True, dir_okay=False, help="JSONL, a JSON array, CSV or Parquet.", metavar="FILE"),
]
Form = Annotated[
    Literal["auto", "chat", "alpaca", "sharegpt", "completion"], typer.Option("--format", help="Form of the rows.")
]
Split = Annotated[
    str, typer.Option(help="Percentages of train/validation/test, by digest of how a conversation begins.")
]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, metavar="FILE", help="Rows of this split, in place of FILE... and --split."
    ),
]

app = typer.Typer(name="dataset", no_args_is_help=True, help="Make data sets for fine-tuning, and check them.")


@app.command("import")
def import_files(
    name: Annotated[str, typer.Option(help="Name of the data set; its version is the digest.")],
    licence: Annotated[str, typer.Option(help="Licence of the rows, e.g. CC-BY-4.0.")],
    source: Annotated[str, typer.Option(help="Where the rows come from.")],
    files: RowFiles = None,
    form: Form = "auto",
    split: Split = DEFAULT,
    train: SplitFile = None,
    validation: SplitFile = None,
    test: SplitFile = None,
    system: Annotated[str | None, typer.Option(help="System message for rows that have none.")] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Read the rows as if they hadn't this field: rating, messages[].name."),
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Rows with the same value of it share a split.")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave bad rows out, and count and name them.")] = False,
    mistakes: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE", help="Write every mistake here, one a line.")
    ] = None,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write here; nothing is uploaded.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check files and make a data set of them, in the stack's dataset bucket or in a folder."""
    from tandem.finetuning.dataset import folder
    from tandem.finetuning.dataset.collect import collect
    from tandem.finetuning.dataset.importers import Reader

    own = {key: file for key, file in (("train", train), ("validation", validation), ("test", test)) if file}
    if bool(files) == bool(own):
        raise TandemError("Give either FILE... to be divided by --split, or --train, --validation and --test.")
    texts = {"name": name, "licence": licence, "source": source}
    reader = Reader(form, system, leave_out or (), group_by, skip)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            collected = collect(own or files or [], reader, split, texts)
        finally:
            if mistakes:
                _write_lines(mistakes, [*reader.skipped, *reader.checks.mistakes])
        target = to or Path(temporary, "data-set")
        manifest, new = folder.write(target, collected.splits, **texts, record=collected.record)
        place, new = (str(to), new) if to else _upload(deployed(stack, "datasetBucket", environment), target)
    if as_json:
        counts = {"read": collected.read, "duplicates": collected.duplicates}
        put_json(_about(manifest, collected.warnings) | counts | {"place": place, "new": new})
        return
    show(manifest)
    typer.echo(f"{collected.read} rows read, {collected.duplicates} duplicates dropped")
    warn(collected.warnings)
    typer.echo(f"{'written to' if new else 'already in'} {place}")


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(metavar="FOLDER|NAME[@VERSION]", help="Data set.")],
    tokenizer: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The base model's tokenizer.json.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Exit 1 if a row has more tokens.")] = None,
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a data set again: digests, every row, leaks between splits, and the tokens of its rows.

    Tokens are counted by the tokenizer.json of the base model, with the chat template in its folder, or else estimated.
    """
    from tandem.finetuning.dataset import folder
    from tandem.finetuning.dataset.lengths import mean_p95_max

    with _fetched(dataset, stack, environment) as path:
        manifest, splits, warnings = folder.read(path)
    counts = {name: _tokens(rows, tokenizer) for name, rows in splits.items()}
    measured = {name: mean_p95_max(numbers) for name, numbers in counts.items()}
    if as_json:
        put_json(_about(manifest, warnings) | {"tokens": measured, "counted": bool(tokenizer)})
    else:
        show(manifest, measured)
        warn(warnings)
    too_long = [
        f"{row.place}: {number} tokens, {row.question}"
        for name, rows in splits.items()
        for row, number in zip(rows, counts[name], strict=True)
        if max_tokens and number > max_tokens
    ]
    if too_long:
        remedy = f"raise max_sequence_tokens (the longest has {max(map(max, counts.values()))}), or shorten them"
        by = "by its tokenizer" if tokenizer else "estimated"
        raise TandemError(
            "\n".join([f"{len(too_long)} rows have more than {max_tokens} tokens ({by}): {remedy}.", *_some(too_long)])
        )
    if not as_json:
        typer.echo("All is as the manifest says.")


def _about(manifest: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """What `--json` says of any data set."""
    from tandem.finetuning.dataset.manifest import version

    return {"manifest": manifest, "version": version(manifest), "warnings": warnings}


def _tokens(rows: "list[Row]", tokenizer: Path | None) -> list[int]:
    from tandem.finetuning.dataset.lengths import estimated
    from tandem.finetuning.dataset.template import Template
    from tandem.finetuning.dataset.tokenizer_files import beside

    if tokenizer is None:
        return [length.whole for length in estimated(rows)]
    try:
        return [length.whole for length in Template(beside(tokenizer)).lengths(rows)]
    except ImportError:
        raise TandemError("--tokenizer needs the package tokenizers: `pip install tokenizers`.") from None


def show(manifest: dict[str, Any], tokens: dict[str, dict[str, float]] | None = None) -> None:
    """Print a line a split, with the manifest's tokens or the given ones, and the digest."""
    from tandem.finetuning.dataset.manifest import version
    from tandem.reporting.tables import Table

    rows = []
    for name in SPLITS:
        split = manifest["splits"][name]
        found = tokens[name] if tokens else split["tokens"]
        rows.append((name, str(split["rows"]), f"{found['mean']:.1f}", str(found["p95"]), str(found["max"])))
    typer.echo(Table(("split", "rows", "tokens mean", "p95", "max"), rows, right=range(1, 5)).text())
    if left_out := manifest.get("left_out"):
        typer.echo(f"fields left out: {', '.join(f'{field} ({count} rows)' for field, count in left_out.items())}")
    if skipped := manifest.get("skipped"):
        typer.echo(f"bad rows left out: {skipped}")
    typer.echo(f"{manifest['name']}@{version(manifest)}, digest {manifest['digest']}")


def warn(warnings: list[str]) -> None:
    """Print the number of warnings and the first of them."""
    typer.echo("\n".join([f"warnings: {len(warnings)}", *_some(warnings)]))


def _write_lines(path: Path, lines: Iterable[object]) -> None:
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise TandemError(f"{path} can't be written: {error}.") from error


def _some(lines: list[str]) -> list[str]:
    rest = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [f"  {line}" for line in lines[:SHOWN] + rest]


@contextmanager
def _transfer(what: str) -> "Generator[Progress]":
    """Show the bytes that go over the line, on a terminal."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda size: progress.advance(task, size)


def _upload(stack: Stack, folder: Path) -> tuple[str, bool]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    from tandem.clients.aws_errors import sentence
    from tandem.finetuning.dataset.store import Store

    (bucket,) = stack.pick("datasetBucket")
    try:
        with _transfer("uploaded") as progress:
            stored, new = Store(stack.client("s3"), bucket).upload(folder, progress)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        why = f"The upload to {bucket} broke off; the same command takes it up again. {sentence(error)}"
        raise TandemError(why) from error
    return f"s3://{bucket}/{stored.prefix}", new


@contextmanager
def _fetched(reference: str, stack: str, environment: str | None) -> Generator[Path]:
    """Give the folder of a data set, the one that is named or a copy of what the bucket has."""
    from tandem.finetuning.dataset.manifest import NAME
    from tandem.finetuning.dataset.store import Store

    if Path(reference).is_dir():
        yield Path(reference)
        return
    if not NAME.fullmatch(reference.partition("@")[0]):
        raise TandemError(f"{reference} is no folder, and no data set has such a name: name one as NAME[@VERSION].")
    found = deployed(stack, "datasetBucket", environment)
    store = Store(found.client("s3"), *found.pick("datasetBucket"))
    stored = store.resolve(reference)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "data-set")
        with _transfer("fetched") as progress:
            store.download(stored, folder, progress)
        yield folder
