"""`tandem questions`: puts a labelled question set to a stack and shows which answers cite the labelled document."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tandem_contract.errors import TandemError

from tandem.cli.options import (
    DEFAULT_STACK,
    TIMEOUT_SECONDS,
    EnvironmentOption,
    JsonOption,
    QueryUrlOption,
    StackOption,
    TimeoutOption,
    TokenOption,
    put_json,
    query_api,
    say,
)
from tandem.clients.patience import Patience
from tandem.clients.query_service import QueryService, phases
from tandem.runtime.retry import Deadline

if TYPE_CHECKING:
    from tandem.evaluation.questions import Question
    from tandem.evaluation.runs import Reply
    from tandem.evaluation.summary import Summary

CONCURRENCY = 2
LAST_TRY_SECONDS = 1.0


class Asking:
    """Questions put to a query API, as long as answers come; `say` hears of each, and what it was waited for.

    An answer is a step of `patience`, which questions share. Once that has ended, each other question is tried once.
    """

    def __init__(
        self, service: QueryService, questions: "Sequence[Question]", patience: Patience, say: Callable[[str], None]
    ) -> None:
        self._service, self._patience, self._say = service, patience, say
        self._texts = {question.id: question.question for question in questions}
        self._waited: dict[str, dict[str, float]] = {}
        self._start, self._done, self._seconds = time.monotonic(), 0, 0.0

    def ask(self, text: str) -> "Reply":
        """The reply to a question's text."""
        from tandem.evaluation.targets import of_query_api

        deadline = self._patience if self._patience.remaining() else Deadline(LAST_TRY_SECONDS)
        response = self._service.ask({"question": text}, deadline)
        self._patience.moved()
        reply = of_query_api(response)
        self._waited[text] = phases(response)
        return reply

    def tell(self, reply: "Reply") -> None:
        """Say that a reply has come, how long it took and why, and how long the others will take at this rate."""
        self._done += 1
        self._seconds += reply.seconds
        each, left = self._each(), len(self._texts) - self._done
        waited = self._waited.get(self._texts[reply.question], {}).items()
        reasons = [reply.error] if reply.error else [f"{name} {seconds:.1f} s" for name, seconds in waited]
        why = f" ({reasons[0]})" if reasons else ""
        rest = f"; {left} left, {each * left:.0f} s at this rate" if left else ""
        self._say(f"{self._done} of {len(self._texts)}: {reply.question}, {reply.seconds:.1f} s{why}{rest}")

    def summary(self) -> str:
        """The rate, and what was waited for."""
        waited = self._service.waited
        parts = [f"{name} {seconds:.1f} s" for name, seconds in waited.most_common()]
        rest = f"pauses and starts {max(0.0, self._seconds - waited.total()):.1f} s"
        return f"{self._done} asked, one every {self._each():.1f} s; waited for {', '.join([*parts, rest])}"

    def _each(self) -> float:
        return (time.monotonic() - self._start) / max(1, self._done)


def questions(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Question set, JSONL.")],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    url: QueryUrlOption = None,
    min_found: Annotated[int, typer.Option(help="Exit 1 if fewer have their document among the passages.")] = 0,
    min_refused: Annotated[int, typer.Option(help="Exit 1 if fewer unanswerable ones are refused.")] = 0,
    timeout: TimeoutOption = TIMEOUT_SECONDS,
    as_json: JsonOption = False,
    token: TokenOption = None,
) -> None:
    """Ask a labelled set of questions and check what was found and cited."""
    from tandem.evaluation.questions import load
    from tandem.evaluation.runner import run
    from tandem.evaluation.summary import summarize

    question_set = load(file)
    service = query_api(url, stack, environment, token, timeout)
    asking = Asking(service, question_set, Patience(timeout), say)
    replies = run(question_set, asking.ask, concurrency=CONCURRENCY, tell=asking.tell)
    say(asking.summary())
    summary = summarize(question_set, replies)
    (show_json if as_json else show)(question_set, replies, summary)
    if summary.found < min_found or summary.refused < min_refused:
        wanted = f"at least {min_found} must have their document among the passages, and {min_refused} be refused"
        raise TandemError(f"Below the limits: {wanted}.")


def show_json(question_set: "list[Question]", replies: "list[Reply]", summary: "Summary") -> None:
    """Print rows and summary as one JSON object."""
    from tandem.evaluation.summary import right

    rows = [
        {**asdict(reply), "question": asdict(question), "ok": right(question, reply)}
        for question, reply in zip(question_set, replies, strict=True)
    ]
    put_json({"rows": rows, "summary": asdict(summary)})


def show(question_set: "list[Question]", replies: "list[Reply]", summary: "Summary") -> None:
    """Print one line a question, then the counts."""
    from tandem.evaluation.summary import right
    from tandem.reporting.escape import clipped
    from tandem.reporting.tables import Table, console

    rows = []
    for question, reply in zip(question_set, replies, strict=True):
        outcome = reply.error or ("refused" if reply.refused else next(iter(reply.cited), "cites nothing"))
        texts = (clipped(question.question, 48), clipped(question.document or "none", 34), clipped(outcome, 34))
        score = "" if reply.score is None else f"{reply.score:.2f}"
        rows.append((question.id, "yes" if right(question, reply) else "NO", *texts, score, f"{reply.seconds:.1f} s"))
    terminal = console()
    columns = ("id", "ok", "question", "labelled", "first cited", "score", "time")
    terminal.print(Table(columns, rows, right=(5, 6)).rich())
    terminal.print(f"{summary}.")
