"""`tandem questions`: puts a labelled question set to a stack and shows which answers cite the labelled document."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import DEFAULT_STACK, StackOption, TokenOption, deployed
from tandem.clients.query_service import QueryService

if TYPE_CHECKING:
    from tandem.evaluation.questions import Question
    from tandem.evaluation.runs import Reply
    from tandem.evaluation.summary import Summary


def questions(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Question set, JSONL.")],
    stack: StackOption = DEFAULT_STACK,
    min_cited: Annotated[int, typer.Option(help="Exit 1 if fewer answers cite their document.")] = 0,
    min_refused: Annotated[int, typer.Option(help="Exit 1 if fewer unanswerable ones are refused.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows and summary as JSON.")] = False,
    token: TokenOption = None,
) -> None:
    """Ask a labelled set of questions and check the citations."""
    from tandem.evaluation.questions import load
    from tandem.evaluation.runner import run
    from tandem.evaluation.summary import right, summarize
    from tandem.evaluation.targets import of_query_api

    question_set = load(file)
    found = deployed(stack)
    (url,) = found.pick("queryUrl")
    service = QueryService(url, token, say=lambda message: typer.echo(message, err=True), region=found.region)
    numbers = itertools.count(1)

    def ask(text: str) -> "Reply":
        return of_query_api(service.ask({"question": text}))

    def tell(reply: "Reply") -> None:
        typer.echo(f"{next(numbers)} of {len(question_set)}: {reply.question}, {reply.seconds:.1f} s", err=True)

    replies = run(question_set, ask, concurrency=2, tell=tell)
    summary = summarize(question_set, replies)
    if as_json:
        rows = [
            {**asdict(reply), "question": asdict(question), "ok": right(question, reply)}
            for question, reply in zip(question_set, replies, strict=True)
        ]
        typer.echo(json.dumps({"rows": rows, "summary": asdict(summary)}, indent=2, ensure_ascii=False))
    else:
        show(question_set, replies, summary)
    if summary.cited < min_cited or summary.refused < min_refused:
        raise TandemError(f"Below the limits: at least {min_cited} must cite and at least {min_refused} be refused.")


def show(question_set: "list[Question]", replies: "list[Reply]", summary: "Summary") -> None:
    """Print one line a question, then the counts."""
    from tandem.evaluation.summary import right
    from tandem.reporting.escape import clipped
    from tandem.reporting.tables import Table, console

    rows = []
    for question, reply in zip(question_set, replies, strict=True):
        outcome = reply.error or ("refused" if reply.refused else next(iter(reply.cited), "no citation"))
        texts = (clipped(question.question, 48), clipped(question.document or "none", 34), clipped(outcome, 34))
        score = "" if reply.score is None else f"{reply.score:.2f}"
        rows.append((question.id, "yes" if right(question, reply) else "NO", *texts, score, f"{reply.seconds:.1f} s"))
    terminal = console()
    columns = ("id", "ok", "question", "labelled", "first cited", "score", "time")
    terminal.print(Table(columns, rows, right=(5, 6)).rich())
    terminal.print(f"{summary}.")
