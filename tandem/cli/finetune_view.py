"""What `tandem finetune` shows on a terminal: a plan with its prices, how a run stands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tandem.finetuning.backends.base import Plan, Status


def plan_as_json(plan: "Plan") -> dict[str, Any]:
    """A plan for programs."""
    charges = plan.price.ceiling if plan.price else ()
    ceiling = [{"what": it.what, "quantity": it.quantity, "unit": it.unit, "usd": it.usd} for it in charges]
    return {"data": plan.data_set.prefix, "price": plan.shown_price, "ceiling": ceiling, "notes": plan.notes}


def show_plan(plan: "Plan") -> None:
    """Print what was checked, memory, and both prices with their lines."""
    from tandem.reporting.tables import Table, console

    terminal = console()
    for note in plan.notes:
        terminal.print(note, style="dim", soft_wrap=True)
    if plan.price is None:
        return
    rows = [
        (it.what, f"{it.quantity:.3f}", it.unit, f"{it.rows[0].usd:f}", f"{it.usd:.2f}", it.rows[0].read_at)
        for it in plan.price.ceiling
    ]
    columns = ("ceiling", "quantity", "unit", "$ a unit", "$", "price read")
    terminal.print(Table(columns, rows, right=(1, 3, 4)).rich())
    expected = "unknown"
    if plan.price.expected_usd is not None:
        hours = [f"{it.quantity:.2f} h of {it.what}" for it in plan.price.expected if it.unit == "hour"]
        expected = f"about ${plan.price.expected_usd}" + (f" ({', '.join(hours)})" if hours else "")
    terminal.print(f"expected: {expected}; at most ${plan.price.ceiling_usd}", soft_wrap=True)


def show_status(status: "Status") -> None:
    """Print a run's state, its progress and its jobs."""
    from tandem.reporting.tables import Table, console

    terminal = console()
    terminal.print(f"{status.run}: {status.state.lower()}" + (f", {doing(status)}" if status.activity else ""))
    if status.cause:
        terminal.print(status.cause, soft_wrap=True)
    rows = []
    for job in status.jobs:
        state = f"{job.status} ({job.detail})" if job.detail not in ("", job.status) else job.status
        rows.append((job.name, state, f"{job.seconds} s", f"{job.instances} x {job.instance_type}", job.reason[:200]))
    if rows:
        terminal.print(Table(("job", "state", "billed", "instances", "reason"), rows, right=(2,)).rich())
    if status.progress and not status.activity:
        terminal.print(_line(status.progress))
    if status.failed_at:
        terminal.print(f"it ended in step {status.failed_at}; {status.kept}", soft_wrap=True)
    terminal.print(f"so far: {money(status)}")


def doing(status: "Status") -> str:
    """What a run does at this moment."""
    if status.activity != "training":
        return status.activity or status.state.lower()
    return "training" + (f": {_line(status.progress)}" if status.progress else ", waiting for the first step")


def _line(progress: Mapping[str, Any]) -> str:
    parts = [f"step {progress['step']} of {progress['steps']}"]
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.3f}")
    if "tokens_per_second" in progress:
        parts.append(f"{progress['tokens_per_second']:.0f} tokens/s")
    return ", ".join(parts)


def money(status: "Status") -> str:
    """What it has cost so far."""
    return f"unknown ({status.spent_on})" if status.spent is None else f"${status.spent:.2f} {status.spent_on}"
