"""`tandem advise`: fine-tune, retrieve, or both."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from tandem_contract.errors import TandemError

BAD_INPUT = 2


def advise(
    file: Annotated[Path, typer.Argument(metavar="FACTS.yaml", help="What is known; docs/advisor.md has the schema.")],
    region: Annotated[str, typer.Option(help="Region whose prices to take.")] = "us-east-1",
    form: Annotated[Literal["text", "markdown", "json"], typer.Option("--format", help="Form of the report.")] = "text",
    runs: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="TARGET=RUN", help="Measured by `tandem eval run`: base, rag, tuned or hybrid."),
    ] = None,
) -> None:
    """Say whether to retrieve, to fine-tune or both, why, what it costs, and what to measure next.

    Reads nothing but the file, the runs and the price rows. Exits with 2 for what can't be used.
    """
    from tandem.advisor.advice import advise as advice_for
    from tandem.advisor.facts import read
    from tandem.advisor.measured import with_runs
    from tandem.advisor.reports import FORMATS
    from tandem.cost.prices import load
    from tandem.evaluation.runs import find
    from tandem.evaluation.runs import load as load_run

    pairs = [text.partition("=")[::2] for text in runs or []]
    try:
        if wrong := [text for text, (target, name) in zip(runs or [], pairs, strict=True) if not (target and name)]:
            raise TandemError(f"--run is {', '.join(map(repr, wrong))}: give TARGET=RUN, e.g. rag=rag")
        if len(dict(pairs)) < len(pairs):
            raise TandemError("--run names a target twice: give one run for each")
        facts = with_runs(read(file), {target: load_run(find(name)) for target, name in pairs})
        advice = advice_for(facts, load(region))
    except TandemError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(BAD_INPUT) from error
    typer.echo(FORMATS[form](advice), nl=False)
