"""What `tandem eval` shows on a terminal: progress, a run's summary, a comparison."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tandem.reporting.tables import Table, console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from tandem.evaluation.comparison import Difference
    from tandem.evaluation.runs import Reply, Run

FEW = 6
SAY_EVERY = 5.0  # seconds, where there is no terminal


@contextmanager
def progress(terminal: "Console", total: int) -> "Generator[Callable[[Reply], None]]":
    """Show the calls as they come: how many, how fast, and how long the rest takes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    start = said = time.monotonic()
    done, failed, quiet = 0, 0, not terminal.is_terminal
    columns = (TextColumn("answers"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=terminal, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=total)

        def tell(reply: "Reply") -> None:
            nonlocal done, failed, said
            done, failed, now = done + 1, failed + bool(reply.error), time.monotonic()
            rate = done / max(now - start, 0.001)
            bar.update(task, advance=1, description=f"{rate:.1f}/s, {failed} failed")
            if quiet and (now - said > SAY_EVERY or done == total):
                said = now
                left = (total - done) / rate
                terminal.print(f"{done} of {total} answers, {failed} failed, {rate:.1f}/s, {left:.0f} s left")

        yield tell


def show_run(run: "Run", times: Mapping[str, float], asked: int) -> None:
    """Print the metrics of a run, its latency and price, and where the time of this command went."""
    from tandem.evaluation.outcomes import answered_by, notes

    terminal = console()
    say = partial(terminal.print, soft_wrap=True)
    rows = [
        (name, f"{it.value:.3f}", f"{it.low:.3f} to {it.high:.3f}", str(it.count), str(it.failed))
        for name, it in run.metrics.items()
    ]
    terminal.print(Table(("metric", "mean", "95 % interval", "questions", "failed"), rows, right=range(1, 5)).rich())
    say()
    if run.latency.p50 is not None and run.latency.p95 is not None:
        say(f"latency: p50 {run.latency.p50:.2f} s, p95 {run.latency.p95:.2f} s")
    if run.price:
        known = run.price.usd_per_1000
        say(f"1,000 questions: {'unknown' if known is None else f'${known}'} ({run.price.how})")
    rate = f" ({asked / times['asking']:.1f}/s)" if asked and times["asking"] else ""
    kept = f", {len(run.replies) - asked} kept from before" if asked < len(run.replies) else ""
    if kept and not asked and (who := answered_by(run.replies)):
        kept += f", answered by {', '.join(who)}"
    say(f"{asked} asked{rate}{kept}; " + ", ".join(f"{name} {taken:.1f} s" for name, taken in times.items()))
    if run.latency.failed:
        first = next(reply for reply in run.replies if reply.error)
        say(
            f"{run.latency.failed} of {run.latency.count} calls failed and count as 0; the same command asks them "
            f"again. The first, {first.question}: {first.error}",
            style="yellow",
        )
    for note in notes(run.replies):
        say(note, style="yellow")
    say(f"written to {run.folder}")


def show_comparison(
    before: "Run", after: "Run", differences: "Sequence[Difference]", left_out: Mapping[str, str]
) -> None:
    """Print the differences, what makes them less than sure, and what isn't compared."""
    from tandem.evaluation.outcomes import notes

    terminal = console()
    rows = [
        (
            it.metric,
            f"{it.before:.3f}",
            f"{it.after:.3f}",
            f"{it.interval.difference:+.3f}",
            f"{it.interval.low:+.3f} to {it.interval.high:+.3f}",
            str(it.count),
            f"{it.verdict} by failed calls" if it.by_failures else it.verdict,
        )
        for it in differences
    ]
    columns = ("metric", before.name, after.name, "difference", "95 % interval", "questions", "verdict")
    table = Table(columns, rows, right=range(1, 6)).rich()
    for row, it in zip(table.rows, differences, strict=True):
        row.style = {"better": "green", "worse": "red"}.get(it.verdict)
    terminal.print(table)
    say = partial(terminal.print, soft_wrap=True)
    if lost := [it for it in differences if it.answered]:
        rows = [
            (
                it.metric,
                *(f"{count} of {it.count}" for count in it.failed),
                f"{it.answered.interval.difference:+.3f}",
                str(it.answered.count),
                it.answered.verdict,
            )
            for it in lost
            if it.answered
        ]
        say("\nFailed calls count as 0. Over the questions that both answered:", style="yellow")
        columns = ("metric", f"failed, {before.name}", f"failed, {after.name}", "difference", "questions", "verdict")
        terminal.print(Table(columns, rows, right=range(1, 5)).rich())
    for run in (before, after):
        for note in notes(run.replies):
            say(f"{run.name}: {note}", style="yellow")
    if repeated := max((it.repeated for it in differences), default=0):
        say(f"{repeated} times a question is asked again, which counts once.", style="yellow")
    if any(it.count < FEW for it in differences):
        say(f"Below {FEW} questions that differ nothing is sure.", style="dim")
    for metric, reason in left_out.items():
        terminal.print(f"{metric} isn't compared: {reason}", style="dim", soft_wrap=True)
