"""Options that several commands have."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from tandem_contract.errors import TandemError

from tandem.cli import exits
from tandem.clients import pulumi_stack
from tandem.clients.pulumi_stack import Stack
from tandem.clients.query_service import QueryService

DEFAULT_STACK = "rag-dev"
StackOption = Annotated[str, typer.Option(envvar="TANDEM_STACK", help="Name of the Pulumi stack.")]
EnvironmentOption = Annotated[
    str | None,
    typer.Option(envvar="TANDEM_ENVIRONMENT", help="Name of the environment, where the stack has several."),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="TANDEM_TOKEN",
        help="With auth: jwt the ID token, with userPoolScopes an access token; else requests are signed.",
    ),
]


JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON; what else is said goes to stderr.")]


def _of_the_web(url: str | None) -> str | None:
    if url and not url.startswith(("https://", "http://")):
        raise typer.BadParameter(f"{url!r} is no URL: give all of it, https://...")
    return url


QueryUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="URL of the query API, in place of a stack: takes no Pulumi CLI, and signs for the region that it names.",
        callback=_of_the_web,
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


def deployed(stack: str, having: str, environment: str | None) -> Stack:
    """The stack of that name, by the environment that has such an output; says on stderr a region not the shell's."""
    return pulumi_stack.deployed(stack, having, environment, say)


def query_api(url: str | None, stack: str, environment: str | None, token: str | None, timeout: float) -> QueryService:
    """The query API at a URL, which takes no stack and no Pulumi CLI; without one that of a stack's environment."""
    region = None
    if not url:
        found = deployed(stack, "queryUrl", environment)
        (url,), region = found.pick("queryUrl"), found.region
    service = QueryService(url, token, say, timeout, region)
    service.check()
    return service


def put_json(content: Any) -> None:
    """Print what `--json` promises: one object on stdout, whose amounts are texts."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default="{:f}".format))


def say(line: str) -> None:
    """Print a line on stderr."""
    typer.echo(line, err=True)


@contextmanager
def bad_input() -> Generator[None]:
    """Exits with 2 for what can't be used, where 1 means something else."""
    try:
        yield
    except TandemError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(exits.UNUSABLE) from error
