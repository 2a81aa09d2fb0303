"""`tandem ask`: one question, its answer, the citations and the time that each phase took."""

import time
from typing import Annotated, Any

import typer

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

REFUSALS = {
    "below_min_score": "Not in the documents: nothing in them is close enough to the question.",
    "nothing_found": "Not in the documents: the search found nothing.",
}


def parse_filters(values: list[str]) -> dict[str, list[str]]:
    """Turn `key=value` options into the filter of the query API; the same key twice means either value."""
    filters: dict[str, list[str]] = {}
    for text in values:
        key, sign, value = text.partition("=")
        if not (sign and value) or not (key == "document" or key.startswith("metadata.")):
            raise typer.BadParameter(f"{text!r} is not document=KEY or metadata.NAME=VALUE.", param_hint="--filter")
        filters.setdefault(key, []).append(value)
    return filters


def place(citation: dict[str, Any]) -> str:
    """Return where in its document a citation stands: page, else heading, else nothing."""
    return f"page {citation['page']}" if citation.get("page") else citation.get("heading") or ""


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    stack: StackOption = DEFAULT_STACK,
    environment: EnvironmentOption = None,
    url: QueryUrlOption = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=VALUE", help="Search only document=KEY or metadata.NAME=VALUE."),
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, max=20, help="Passages to answer from.")] = None,
    as_json: JsonOption = False,
    timeout: Annotated[float, typer.Option(min=1, help="Give up after so many seconds.")] = TIMEOUT_SECONDS,
    token: TokenOption = None,
) -> None:
    """Ask a question and get the answer with its citations."""
    request: dict[str, Any] = {"question": question}
    if filters:
        request["filter"] = parse_filters(filters)
    if top_k:
        request["top_k"] = top_k
    service = query_api(url, stack, environment, token, timeout)
    start = time.monotonic()
    answer = service.ask(request)
    if as_json:
        put_json(answer)
    else:
        show(answer, time.monotonic() - start)


def show(answer: dict[str, Any], seconds: float) -> None:
    """Print an answer of the query API for a reader; `seconds` is the time that the caller waited."""
    from tandem.reporting.tables import Table, console

    terminal = console()
    terminal.print(REFUSALS.get(answer["reason"], "Refused.") if answer["refused"] else answer["answer"] or "")
    # Of an answer that cites nothing all that it was given: a note says to check it against these.
    if shown := answer["citations"] or ([] if answer["refused"] else answer.get("passages")):
        rows = [(f"[P{it['marker']}]", it["document"], place(it), f"{it['score']:.2f}") for it in shown]
        terminal.print()
        terminal.print(Table(("", "document", "where", "score"), rows).rich())
    for note in answer.get("notes", []):  # which an earlier release's API doesn't have
        terminal.print(f"\n{note}", style="dim", soft_wrap=True)
    phases = ", ".join(f"{name} {value:.0f} ms" for name, value in answer["timings_ms"].items() if value)
    spoke = f"{answer['model']}; " if answer["model"] else ""
    terminal.print(f"\n{spoke}{phases}; {seconds:.2f} s here", style="dim", soft_wrap=True)
