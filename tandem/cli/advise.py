"""`tandem advise`: fine-tune, retrieve, or both."""

from pathlib import Path
from typing import Annotated, Literal

import typer

BAD_INPUT = 2


def advise(
    file: Annotated[Path, typer.Argument(metavar="FACTS.yaml", help="What is known; docs/advisor.md has the schema.")],
    region: Annotated[str, typer.Option(help="Region whose prices to take.")] = "us-east-1",
    form: Annotated[Literal["text", "markdown", "json"], typer.Option("--format")] = "text",
) -> None:
    """Say whether to retrieve, to fine-tune or both, why, what it costs, and what to measure next.

    Reads nothing but the file and the price rows. Exits with 2 for a file that can't be used.
    """
    from tandem.advisor.advice import advise as advice_for
    from tandem.advisor.facts import FactsError, read
    from tandem.advisor.reports import FORMATS
    from tandem.cost.prices import PriceTableError, load

    try:
        advice = advice_for(read(file), load(region))
    except (FactsError, PriceTableError) as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(BAD_INPUT) from error
    typer.echo(FORMATS[form](advice), nl=False)
