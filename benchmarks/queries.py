"""Where the time of an answered question goes."""

import itertools
import time

from tandem.clients.pulumi_stack import deployed
from tandem.clients.query_service import QueryService
from tandem.evaluation.questions import load

from .report import Say, Table, percentile
from .samples import QUESTIONS

ANSWERED = 20
PASSES = 3
WARM_UP = 2
SERVICES = {
    "embed": "embedding",
    "search": "search",
    "ledger": "ledger",
    "rerank": "reranking",
    "generate": "generation",
}
OURS, GATEWAY, WHOLE = "our code", "gateway and network", "client's wait"


def run(stack: str, say: Say) -> Table:
    """Ask the answerable sample questions one after the other until 20 were answered and not refused."""
    found = deployed(stack, "queryUrl", say=say)
    (url,) = found.pick("queryUrl")
    waits: list[str] = []
    service = QueryService(url, None, waits.append, region=found.region)
    answerable = [question.question for question in load(QUESTIONS) if question.document]
    for text in answerable[:WARM_UP]:
        service.ask({"question": text})
    samples: list[dict[str, float]] = []
    late = 0
    for asked, text in enumerate(itertools.chain(*[answerable] * PASSES), start=1):
        waits.clear()
        start = time.monotonic()
        response = service.ask({"question": text})
        milliseconds = (time.monotonic() - start) * 1000
        if waits:  # its wait is mostly the pauses in between
            late += 1
            say(f"left out: {waits[0]}")
        elif not response["refused"]:
            samples.append(parts(response["timings_ms"], milliseconds))
            say(f"{len(samples)} of {ANSWERED} answered, {asked} asked: {milliseconds:.0f} ms")
        if len(samples) == ANSWERED:
            break
    else:
        raise RuntimeError(f"Only {len(samples)} of {asked} questions were answered; {ANSWERED} are needed")
    columns = {name: [sample[name] for sample in samples] for name in samples[0]}
    whole = sum(columns[WHOLE])
    rows = [
        [name, f"{percentile(values, 50):.1f}", f"{percentile(values, 95):.1f}", f"{sum(values) / whole:.1%}"]
        for name, values in columns.items()
    ]
    return Table([f"{len(samples)} answered questions, {late} left out", "p50 ms", "p95 ms", "share of the wait"], rows)


def parts(timings: dict[str, float], waited: float) -> dict[str, float]:
    """Split the milliseconds that a client waited, by the function's own timings. They add up to the last part."""
    split = {title: timings[name] for name, title in SERVICES.items()}
    split[OURS] = timings["total"] - sum(split.values())
    return split | {GATEWAY: waited - timings["total"], WHOLE: waited}
