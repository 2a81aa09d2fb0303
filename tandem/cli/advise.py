"""`tandem advise`: fine-tune, retrieve, or both."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import JsonOption, bad_input


def advise(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, metavar="FACTS.yaml", help="What is known; docs/advisor.md has the schema."
        ),
    ],
    region: Annotated[str, typer.Option(help="Region whose prices to take.")] = "us-east-1",
    form: Annotated[Literal["text", "markdown", "json"], typer.Option("--format", help="Form of the report.")] = "text",
    as_json: JsonOption = False,
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

    with bad_input():
        pairs = _pairs(runs or [])
        facts = with_runs(read(file), {target: load_run(find(name)) for target, name in pairs})
        advice = advice_for(facts, load(region))
    typer.echo(FORMATS["json" if as_json else form](advice), nl=False)


def _pairs(runs: list[str]) -> list[tuple[str, str]]:
    """Target and run of each option."""
    pairs = [(target, name) for target, _, name in (text.partition("=") for text in runs)]
    if wrong := [text for text, pair in zip(runs, pairs, strict=True) if not all(pair)]:
        raise TandemError(f"--run is {', '.join(map(repr, wrong))}: give TARGET=RUN, e.g. rag=rag")
    if len(dict(pairs)) < len(pairs):
        raise TandemError("--run names a target twice: give one run for each")
    return pairs
