"""What `tandem eval` shows on a terminal: progress, a run's summary, a comparison."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from tandem.evaluation.comparison import Difference
    from tandem.evaluation.runs import Reply, Run

SAY_EVERY = 5.0  # seconds, where there is no terminal
WIDTH = 160  # columns, where there is no terminal to ask


@contextmanager
def progress(console: "Console", total: int) -> "Generator[Callable[[Reply], None]]":
    """Show the calls as they come: how many, how fast, and how long the rest takes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    start = said = time.monotonic()
    done, failed, quiet = 0, 0, not console.is_terminal
    columns = (TextColumn("answers"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=total)

        def tell(reply: "Reply") -> None:
            nonlocal done, failed, said
            done, failed, now = done + 1, failed + bool(reply.error), time.monotonic()
            rate = done / max(now - start, 0.001)
            bar.update(task, advance=1, description=f"{rate:.1f}/s, {failed} failed")
            if quiet and (now - said > SAY_EVERY or done == total):
                said = now
                left = (total - done) / rate
                console.print(f"{done} of {total} answers, {failed} failed, {rate:.1f}/s, {left:.0f} s left")

        yield tell


def show_run(run: "Run", times: Mapping[str, float], asked: int) -> None:
    """Print the metrics of a run, its latency and price, and where the time of this command went."""
    from rich.table import Table

    console = _console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("metric", "mean", "95 % interval", "questions", "failed"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    for name, found in run.metrics.items():
        interval = f"{found.low:.3f} to {found.high:.3f}"
        table.add_row(name, f"{found.value:.3f}", interval, str(found.count), str(found.failed))
    console.print(table)
    console.print()
    if run.latency.p50 is not None and run.latency.p95 is not None:
        console.print(f"latency: p50 {run.latency.p50:.2f} s, p95 {run.latency.p95:.2f} s")
    if run.price:
        known = run.price.usd_per_1000
        console.print(
            f"1,000 questions: {'unknown' if known is None else f'${known}'} ({run.price.how})", soft_wrap=True
        )
    rate = f" ({asked / times['asking']:.1f}/s)" if asked and times["asking"] else ""
    kept = f", {len(run.replies) - asked} kept from before" if asked < len(run.replies) else ""
    console.print(f"{asked} asked{rate}{kept}; " + ", ".join(f"{name} {taken:.1f} s" for name, taken in times.items()))
    if run.latency.failed:
        first = next(reply for reply in run.replies if reply.error)
        console.print(
            f"{run.latency.failed} of {run.latency.count} calls failed and count as 0; the same command asks them "
            f"again. The first, {first.question}: {first.error}",
            style="yellow",
            soft_wrap=True,
        )
    console.print(f"written to {run.folder}", soft_wrap=True)


def show_comparison(before: str, after: str, differences: "Sequence[Difference]", left_out: Mapping[str, str]) -> None:
    """Print the differences, and what isn't compared."""
    from rich.table import Table

    console = _console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("metric", before, after, "difference", "95 % interval", "questions", "verdict"):
        table.add_column(column, justify="left" if column in ("metric", "verdict") else "right")
    styles = {"better": "green", "worse": "red"}
    for found in differences:
        interval = found.interval
        table.add_row(
            found.metric,
            f"{found.before:.3f}",
            f"{found.after:.3f}",
            f"{interval.difference:+.3f}",
            f"{interval.low:+.3f} to {interval.high:+.3f}",
            str(found.count),
            found.verdict,
            style=styles.get(found.verdict),
        )
    console.print(table)
    for metric, reason in left_out.items():
        console.print(f"{metric} isn't compared: {reason}", style="dim", soft_wrap=True)


def _console() -> "Console":
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console
