"""`tandem eval calibrate`: proposes the score from which on a passage answers a question."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import (
    DEFAULT_STACK,
    TIMEOUT_SECONDS,
    EnvironmentOption,
    JsonOption,
    QueryUrlOption,
    StackOption,
    TokenOption,
    put_json,
    query_api,
)

if TYPE_CHECKING:
    from tandem.evaluation.calibration import Threshold

AT_ONCE = 2


def calibrate(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="QUESTIONS", help="Question set, JSONL.")
    ],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    url: QueryUrlOption = None,
    timeout: Annotated[float, typer.Option(min=1, help="Longest wait for one question.")] = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
    token: TokenOption = None,
) -> None:
    """Propose a `minScore` for a stack's embedder and documents, from questions that these answer and others that they
    don't. It searches and asks no model; nothing is changed."""
    from tandem.evaluation import calibration
    from tandem.evaluation.questions import load
    from tandem.threads import as_they_come

    asked = list({question.question: question for question in load(file)}.values())
    calibration.check_kinds(asked)
    service = query_api(url, stack, environment, token, timeout)

    def ask(question: Any) -> dict[str, Any]:
        return service.ask({"question": question.question, "generate": False})

    replies = list(as_they_come(asked, AT_ONCE, ask))
    found = [calibration.found(question, response) for question, response in replies]
    versions = {(response.get("embedder", "?"), response.get("index", "?")) for _, response in replies}
    if len(versions) > 1:
        raise TandemError("The index changed while it was asked, so that the scores are of two: run it again.")
    ((embedder, index),) = versions
    rows = {"proposed": calibration.proposed(found)}
    if (now := replies[0][1].get("min_score")) is not None:  # which an API of an earlier release doesn't tell
        rows["in force"] = calibration.at(found, now)
    if as_json:
        content = {
            "embedder": embedder,
            "index": index,
            **{name.replace(" ", "_"): _as_json(row) for name, row in rows.items()},
        }
        put_json(content)
        return
    _show(rows)
    value = rows["proposed"].value
    typer.echo(f"\nIt holds for {embedder} (index {index}) and these documents. Nothing was changed. To take it:")
    of = "" if url else f" --stack {stack}"
    typer.echo(f"  pulumi config set tandem:minScore {value}{of}\n  pulumi up{of}")


def _as_json(row: "Threshold") -> dict[str, Any]:
    counts = {"answerable": len(row.refused), "refused": sum(row.refused)}
    return {"min_score": row.value, **counts, "unanswerable": len(row.let_through), "let_through": sum(row.let_through)}


def _show(rows: "dict[str, Threshold]") -> None:
    from tandem.measures.intervals import mean_interval
    from tandem.reporting.tables import Table, console

    def share(mistakes: "list[bool]") -> str:
        low, high = mean_interval([float(each) for each in mistakes])
        return f"{sum(mistakes)} of {len(mistakes)} ({low:.0%} to {high:.0%})"

    cells = [(name, f"{row.value:g}", share([*row.refused]), share([*row.let_through])) for name, row in rows.items()]
    columns = ("", "minScore", "answerable, and refused", "unanswerable, and let through")
    console().print(Table(columns, cells, right=(1,)).rich())
