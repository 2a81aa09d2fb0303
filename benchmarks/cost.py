"""How reading and pricing a preview grows with its steps. `python -m benchmarks cost`; it needs no stack."""

import json
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

from samples.previews import digest, many
from tandem.cost.estimate import estimate
from tandem.cost.preview import Read, read_preview

from .report import Say, Table, median_ratio

SIZES = (100, 1000, 10_000)
ROUNDS = 5
JSON, READ, ESTIMATE = "JSON alone", "read", "priced"


def run(_stack: str, say: Say) -> Table:
    """Five rounds, alternating, after one to warm up. A small preview is read as often as the largest has its steps."""
    texts = {size: digest(*many(size), stack=False) for size in SIZES}
    times: dict[tuple[int, str], list[float]] = {}
    for number in range(ROUNDS + 1):
        for size, text in texts.items():
            read = read_preview(text)
            parts: dict[str, Callable[[], object]] = {
                JSON: lambda text=text: json.loads(text),
                READ: lambda text=text: read_preview(text),
                ESTIMATE: lambda read=read: _estimate(read),
            }
            for part, work in parts.items():
                seconds = _seconds(work, SIZES[-1] // size)
                if number:
                    times.setdefault((size, part), []).append(seconds)
        say(f"round {number} of {ROUNDS}" if number else "warm-up")
    rows = []
    smallest = _a_step(times, SIZES[0])
    for size, text in texts.items():
        a_step = _a_step(times, size)
        ratios = [value / base for value, base in zip(a_step, smallest, strict=True)]
        spread = ["", ""] if size == SIZES[0] else [f"{max(ratios):.2f}", f"{min(ratios):.2f}"]
        ms = [f"{1000 * median(times[size, part]):.1f}" for part in (JSON, READ, ESTIMATE)]
        a_step_us = f"{1_000_000 * median(a_step):.0f}"
        ratio = f"{median_ratio(a_step, smallest):.2f}"
        rows.append([f"{size:,} steps", f"{len(text) / 2**20:.1f}", *ms, a_step_us, ratio, *spread, _peak(text)])
    parts_ms = [f"{part}, ms" for part in (JSON, READ, ESTIMATE)]
    return Table(
        ["preview", "MiB", *parts_ms, "µs a step without JSON", "of 100 steps'", "worst", "best", "peak MiB"], rows
    )


def _a_step(times: dict[tuple[int, str], list[float]], size: int) -> list[float]:
    """Seconds a step from text to estimate, without JSON; one a round."""
    rounds = zip(times[size, JSON], times[size, READ], times[size, ESTIMATE], strict=True)
    return [(read - parsed + priced) / size for parsed, read, priced in rounds]


def _estimate(read: Read) -> object:
    return estimate(read)


def _seconds(work: Callable[[], object], times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def _peak(text: str) -> str:
    """What Python has allocated at most from text to estimate, beyond the text."""
    tracemalloc.start()
    try:
        kept = _estimate(read_preview(text))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    return f"{peak / 2**20:.1f}"
