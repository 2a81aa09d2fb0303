"""Options that several commands have."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from tandem_contract.errors import TandemError

DEFAULT_STACK = "rag-dev"
StackOption = Annotated[str, typer.Option(envvar="TANDEM_STACK", help="Name of the Pulumi stack.")]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="TANDEM_TOKEN", help="JWT for a stack with auth: jwt; without one, requests are signed."),
]


@contextmanager
def bad_input() -> Generator[None]:
    """Exits with 2 for what can't be used, where 1 means something else."""
    try:
        yield
    except TandemError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from error
