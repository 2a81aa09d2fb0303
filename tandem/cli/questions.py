"""`tandem questions`: puts a labelled question set to a stack and shows which answers cite the labelled document."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tandem.cli.errors import CommandError
from tandem.cli.service import QueryService, TokenOption
from tandem.cli.stack import DEFAULT_STACK, StackOption, read_outputs

if TYPE_CHECKING:
    from tandem.evaluation.questions import Row, Summary


REPORT_WIDTH = 180  # columns, where there is no terminal to ask


def questions(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Question set, JSONL.")],
    stack: StackOption = DEFAULT_STACK,
    min_cited: Annotated[int, typer.Option(help="Exit 1 if fewer answers cite their document.")] = 0,
    min_refused: Annotated[int, typer.Option(help="Exit 1 if fewer unanswerable ones are refused.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print rows and summary as JSON.")] = False,
    token: TokenOption = None,
) -> None:
    """Ask a labelled set of questions and check the citations."""
    from tandem.evaluation.questions import QuestionSetError, load, run, summarize

    try:
        question_set = load(file)
    except (QuestionSetError, UnicodeDecodeError) as error:
        raise CommandError(str(error)) from error
    (url,) = read_outputs(stack, "queryUrl")
    service = QueryService(url, token, say=lambda message: typer.echo(message, err=True))
    rows = []
    for row in run(question_set, lambda question: service.ask({"question": question})):
        rows.append(row)
        typer.echo(f"{len(rows)} of {len(question_set)}: {row.question.id}, {row.seconds:.1f} s", err=True)
    summary = summarize(rows)
    if as_json:
        content = {"rows": [{**asdict(row), "ok": row.ok} for row in rows], "summary": asdict(summary)}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        show(rows, summary)
    if summary.cited < min_cited or summary.refused < min_refused:
        raise CommandError(f"Below the limits: at least {min_cited} must cite and at least {min_refused} be refused.")


def show(rows: "list[Row]", summary: "Summary") -> None:
    """Print one line a question, then the counts."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = REPORT_WIDTH
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, least, most in (("id", 18, 18), ("ok", 3, 3), ("question", 30, 60), ("labelled", 30, 40)):
        table.add_column(column, no_wrap=True, min_width=least, max_width=most)
    table.add_column("first cited", no_wrap=True, min_width=30, max_width=40)
    for column in ("score", "time"):
        table.add_column(column, no_wrap=True, min_width=6, justify="right")
    for row in rows:
        outcome = row.error or ("refused" if row.refused else next(iter(row.cited), "no citation"))
        verdict = "yes" if row.ok else "NO"
        cells = (row.question.id, verdict, row.question.question, row.question.document or "none", outcome)
        score = "" if row.score is None else f"{row.score:.2f}"
        table.add_row(*map(Text, cells), score, f"{row.seconds:.1f} s")
    console.print(table)
    console.print(f"{summary}.")
