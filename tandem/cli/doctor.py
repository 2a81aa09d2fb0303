"""`tandem doctor`: what this machine and these credentials can do, each finding with its remedy."""

from typing import Annotated

import typer


def doctor(
    stack: Annotated[
        str | None, typer.Option(envvar="TANDEM_STACK", help="Look at the region and the models of this stack.")
    ] = None,
) -> None:
    """Say what this machine and these credentials can do, and the remedy for what they can't.

    Looks only: creates nothing, bills nothing, and needs no stack. Exits with 1 if there is a problem.
    """
    from tandem.clients import examination

    findings, _ = examination.look(stack)
    typer.echo(examination.report(findings))
    raise typer.Exit(examination.problems(findings) > 0)
