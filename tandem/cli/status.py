"""`tandem status`: how a stack stands."""

from collections.abc import Mapping
from typing import Any

import typer

from tandem.cli import exits
from tandem.cli.options import DEFAULT_STACK, EnvironmentOption, JsonOption, StackOption, put_json

Part = Mapping[str, Any]


def status(
    stack: StackOption = DEFAULT_STACK, environment: EnvironmentOption = None, as_json: JsonOption = False
) -> None:
    """Show how a stack stands: addresses, index and its freshness, queue, endpoint, runs, and what it costs now.

    Looks only: search isn't woken and no model is asked; the bucket and the ledger are listed. A part that can't be
    asked says why, the others are shown, and it exits with 1.
    """
    from tandem.clients import status as client

    report = client.status(stack, environment)
    if as_json:
        put_json(report)
    else:
        show(report)
    raise typer.Exit(0 if client.whole(report) else exits.FAILED)


def show(report: Part) -> None:
    """Print a table for each environment, and the cost of all."""
    from tandem.reporting.tables import Table, console

    terminal = console()
    for each in report["environments"]:
        title = f"{each['kind']} {each['name']}" if each["kind"] else f"Outputs of {report['stack']}"
        terminal.print(f"{title}, {each['region'] or 'region not known'}")
        rows = list(each["addresses"].items())
        rows += [(part, _told(each[part], text)) for part, text in TEXTS.items() if part in each]
        rows += [("run", _told(run, _run)) for run in each.get("runs", {}).get("newest", ())]
        terminal.print(Table(("", ""), rows).rich())
        terminal.print()
    terminal.print(f"Cost of {report['stack']}, by Pulumi's state: {_told(report['cost'], _cost)}", soft_wrap=True)


def _told(part: Part, text: Any) -> str:
    if "unknown" in part:
        return f"{part['name']}: unknown: {part['unknown']}" if "name" in part else f"unknown: {part['unknown']}"
    return text(part)


def _index(part: Part) -> str:
    documents = ", ".join(f"{count} {state}" for state, count in part["documents"].items() if count) or "no documents"
    fresh = "" if part["oldest_waiting_seconds"] is None else f"; oldest waiting {part['oldest_waiting_seconds']} s"
    agreed = part["agreed_at"] or "never yet"
    return f"{part['active']}: {documents}; {part['chunks']} chunks{fresh}; last sweep without repairs: {agreed}"


def _queue(part: Part) -> str:
    dead = f"{part['dead']} given up" + (": `tandem redrive --dry-run` says why" if part["dead"] else "")
    return f"about {part['waiting']} waiting, {part['worked_on']} worked on, {dead}"


def _endpoint(part: Part) -> str:
    if part["status"] == "gone":
        return f"{part['name']} is gone: `pulumi up --refresh` makes it again"
    counts = ", ".join(f"{count} x {kind}" for kind, count in part["instances"].items())
    component = part.get("component")
    served = f"; {component['name']}: {component['status']}, {component['copies']} copies" if component else ""
    return f"{part['name']}: {part['status']}, {counts or 'no instances'}{served}"


def _runs(part: Part) -> str:
    return f"{part['count']}, of which {part['going_on']} go on"


def _run(part: Part) -> str:
    spent = "cost not known" if part["spent_usd"] is None else f"${part['spent_usd']} so far"
    state = part["activity"] or part["state"].lower()
    return f"{part['name']}: {state}, {spent}"


def _cost(part: Part) -> str:
    from decimal import Decimal

    from tandem.cost.model import Number
    from tandem.cost.reports.content import TITLES, side

    numbers = part["numbers"]
    told = [
        f"{TITLES[number].lower()} {side(usd and Decimal(usd), it['open'])}"
        for number in Number
        if (usd := (it := numbers[number.value])["usd"]) is not None or it["open"]
    ]
    gaps = [f"{gap['name']} ({'; '.join(gap['reasons'])})" for gap in part["not_priced"]]
    lines = [f"{', '.join(told)}."]
    if gaps:
        lines.append(f"NOT PRICED: {len(gaps)} of {part['resources']} resources: {', '.join(gaps)}.")
    return "\n".join([*lines, *part["problems"]])


TEXTS = {"index": _index, "queue": _queue, "endpoint": _endpoint, "runs": _runs}
