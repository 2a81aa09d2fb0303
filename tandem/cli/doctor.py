"""`tandem doctor`: what this machine and these credentials can do, each finding with its remedy."""

from typing import Annotated

import typer

from tandem.cli import exits
from tandem.cli.options import JsonOption, put_json


def doctor(
    stack: Annotated[
        str | None, typer.Option(envvar="TANDEM_STACK", help="Look at the region and the models of this stack.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine and these credentials can do, and the remedy for what they can't.

    Looks only: creates nothing, bills nothing, and needs no stack. Exits with 1 if there is a problem.
    """
    from tandem.clients import examination

    findings, _ = examination.look(stack)
    put_json(examination.as_json(findings)) if as_json else typer.echo(examination.report(findings))
    raise typer.Exit(exits.FAILED if examination.problems(findings) else 0)
