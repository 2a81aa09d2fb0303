"""Options that several commands have."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.clients import pulumi_stack
from tandem.clients.pulumi_stack import Stack

DEFAULT_STACK = "rag-dev"
StackOption = Annotated[str, typer.Option(envvar="TANDEM_STACK", help="Name of the Pulumi stack.")]
TokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="TANDEM_TOKEN",
        help="With auth: jwt the ID token, with userPoolScopes an access token; else requests are signed.",
    ),
]
TIMEOUT_SECONDS = 600
TimeoutOption = Annotated[
    float,
    typer.Option(
        min=1,
        help="Give up after so many seconds without any progress, or up to thrice as many where steps are slow.",
    ),
]


def _that_is_there(file: str | None) -> str | None:
    """Refuses a file as `exists=True` does, which knows no dash."""
    if file not in (None, "-") and not Path(file).exists():
        raise typer.BadParameter(f"file {file!r} does not exist.")
    return file


FileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE|-",
        help="What `pulumi preview --json --show-sames` printed; - reads it here.",
        callback=_that_is_there,
    ),
]


def text_of(file: str) -> str:
    """The preview in a file, or for `-` on stdin; raises `TandemError` where it can't be read."""
    try:
        return sys.stdin.buffer.read().decode("utf-8") if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TandemError(f"{file}: can't be read ({error}). Give what `pulumi preview --json` printed.") from error


def deployed(name: str) -> Stack:
    """The stack of that name; a line on stderr says so where its region isn't the shell's."""
    return pulumi_stack.deployed(name, lambda line: typer.echo(line, err=True))


@contextmanager
def bad_input() -> Generator[None]:
    """Exits with 2 for what can't be used, where 1 means something else."""
    try:
        yield
    except TandemError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from error
