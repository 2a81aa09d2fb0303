"""Made-up evaluation runs: up to six targets, with failures, refusals, and metrics and prices that some lack."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tandem.evaluation.comparison import Difference, left_out
from tandem.evaluation.questions import Question
from tandem.evaluation.runs import Measured, Price, Reply, Run
from tandem.evaluation.spread import latency
from tandem.measures.intervals import Interval

ASKED = (
    ("How often does the drinking water filter in the huts have to be changed?", "alpenhut/water-and-power.txt"),
    ("I have to cancel my bunk four days before I arrive. How much do I get back?", "alpenhut/booking-rules.md"),
    ("The weather station shows error E17. What should I do?", "alpenhut/weather-station.html"),
    ("Where does the helicopter land at Mittersee Hut?", "alpenhut/rescue-plan.pdf"),
    ("What is the password of the wireless network for guests?", None),
)
WORDS = ("the filter", "of a hut", "is changed", "every 21 days", "by its warden,", "who notes it", "in the log", "and")
RETRIEVAL = ("recall@5", "ndcg@5", "mrr", "citation_precision", "citation_recall")


class Kind(NamedTuple):
    """What a target is good at, from 0 to 1; `cites` is None for a model alone, `usd` for a price that isn't known."""

    content: float
    form: float
    refuses: float
    cites: float | None
    fails: float
    seconds: float
    usd: str | None


KINDS = {
    "base": Kind(0.48, 0.18, 0.25, None, 0.0, 0.9, "0.046"),
    "rag": Kind(0.74, 0.21, 0.85, 0.88, 0.02, 2.1, "0.412"),
    "tuned": Kind(0.52, 0.93, 0.3, None, 0.0, 0.7, None),
    "hybrid": Kind(0.76, 0.9, 0.8, 0.86, 0.06, 2.6, None),
    "rag-small": Kind(0.66, 0.25, 0.7, 0.71, 0.0, 1.4, "0.095"),
    "rag-rerank": Kind(0.78, 0.24, 0.87, 0.93, 0.01, 3.2, "0.530"),
}


def question_set(count: int) -> tuple[Question, ...]:
    """One in five is unanswerable."""
    found = []
    for number in range(count):
        text, document = ASKED[number % len(ASKED)]
        reference = None if document is None else f"Every {number + 7} days, as the warden's handbook says."
        text = f"{text} (hut {number + 1})"
        tags = ("hut",) if number % 3 else ("hut", "safety")
        found.append(Question(f"hut-{number + 1:03}", text, document, reference, tags=tags))
    return tuple(found)


def sample(names: Sequence[str] = tuple(KINDS)[:4], count: int = 20, words: int = 25) -> list[Run]:
    """Runs by the names of `KINDS`, whose answers have about so many words."""
    questions = question_set(count)
    return [_run(name, questions, words) for name in names]


def compared(runs: Sequence[Run]) -> dict[str, list[Difference]]:
    """Each run with the first, as `comparison.compare` does, but with the normal approximation's intervals."""
    first, *others = runs
    return {run.name: [_difference(first, run, metric) for metric in _both(first, run)] for run in others}


def without(run: Run, *metrics: str, **changes) -> Run:
    """The run as if some metrics hadn't been measured."""
    kept = {key: [name for name in getattr(run, key) if name not in metrics] for key in ("scores", "metrics")}
    return replace(
        run, **{key: {name: getattr(run, key)[name] for name in names} for key, names in kept.items()}, **changes
    )


def answering(run: Run, *texts: str, **changes) -> Run:
    """The run with other answers to its first questions."""
    new = [replace(reply, text=text, error=None, **changes) for reply, text in zip(run.replies, texts, strict=False)]
    return replace(run, replies=(*new, *run.replies[len(new) :]))


def at(run: Run, **means: float) -> Run:
    """The run with other means and intervals of some metrics."""
    new = {name: Measured(mean, max(mean - 0.1, 0.0), min(mean + 0.1, 1.0), 20, 0) for name, mean in means.items()}
    return replace(run, metrics={**run.metrics, **new})


def _run(name: str, questions: Sequence[Question], words: int) -> Run:
    kind, draw = KINDS[name], random.Random(name)  # noqa: S311 - not a secret
    replies, rows = [], []
    for question in questions:
        reply, row = _answer(kind, question, words, draw)
        replies.append(reply)
        rows.append(row)
    scores = {metric: tuple(row[metric] for row in rows) for metric in rows[0]}
    scores = {metric: found for metric, found in scores.items() if any(value is not None for value in found)}
    failed = [reply.error is not None for reply in replies]
    model = {"kind": "bedrock", "id": "amazon.nova-lite-v1:0", "system": "Answer in one sentence.", "max_tokens": 512}
    stack = {"kind": "stack", "stack": f"{name}-dev", "update": 14, "documents": "5d41402abc4b2a76b9719d911017c592"}
    return Run(
        name=name,
        folder=Path(".tandem/evaluations") / name,
        target=model if kind.cites is None else stack,
        settings={"k": 5, "format": {"regex": "(?P<answer>.+)\\."}, "similarity": "amazon.titan-embed-text-v2:0"},
        questions=tuple(questions),
        set_name="questions",
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        replies=tuple(replies),
        scores=scores,
        metrics={metric: _measured(found, failed) for metric, found in scores.items()},
        latency=latency(None if reply.error else reply.seconds for reply in replies),
        price=_price(kind),
        started_at="2026-11-27T09:00:00+00:00",
        finished_at="2026-11-27T09:04:10+00:00",
    )


def _answer(kind: Kind, question: Question, words: int, draw: random.Random) -> tuple[Reply, dict[str, float | None]]:
    failed, known = draw.random() < kind.fails, question.answerable
    refused = not failed and draw.random() < (0.05 if known else kind.refuses)
    good = 0.0 if failed else min(max(draw.gauss(kind.content, 0.18), 0.0), 1.0) * (0.3 if refused else 1)
    formed = float(not failed and not refused and draw.random() < kind.form)
    found = [float(not failed and kind.cites is not None and draw.random() < kind.cites) for _ in RETRIEVAL]
    labelled = kind.cites is not None and known
    row: dict[str, float | None] = {
        "similarity": good if known else None,
        "token_f1": good * 0.7 if known else None,
        "exact_match": float(good > 0.9) if known else None,
        "format_adherence": formed if known else None,
        "refusal_accuracy": float(not failed and refused != known),
        **{metric: value if labelled else None for metric, value in zip(RETRIEVAL, found, strict=True)},
    }
    text = "The documents do not say." if refused else _text(draw.randint(words // 2, words * 2), draw)
    cited = (question.document, "alpenhut/mountain-paths.html") if labelled and not refused and found[3] else ()
    reply = Reply(
        question.id,
        text=None if failed else text,
        refused=refused,
        cited=() if failed else tuple(filter(None, cited)),
        model=None if failed or refused else "nova-lite",
        seconds=round(draw.lognormvariate(math.log(kind.seconds), 0.4), 3),
        error=draw.choice(("503 from the query API after 3 attempts", "no answer within 60 s")) if failed else None,
    )
    return reply, row


def _text(count: int, draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=max(count // 2, 1))).capitalize() + "."


def _price(kind: Kind) -> Price:
    if kind.usd is None:
        return Price(None, "the model answers from an endpoint that is paid by the hour, whatever is asked")
    sources = ("AmazonBedrock us-east-1, amazon.nova-lite-v1:0 tokens, read on 2026-11-20 (price list)",)
    return Price(Decimal(kind.usd), "tokens that the answers report, mean of the answered calls x 1,000", sources)


def _spread(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    mean = math.fsum(found) / len(found)
    return mean, 1.96 * math.sqrt(math.fsum((value - mean) ** 2 for value in found)) / len(found)


def _measured(scores: Sequence[float | None], failed: Sequence[bool]) -> Measured:
    known = [(score, lost) for score, lost in zip(scores, failed, strict=True) if score is not None]
    mean, arm = _spread(score for score, _ in known)
    return Measured(mean, max(mean - arm, 0.0), min(mean + arm, 1.0), len(known), sum(lost for _, lost in known))


def _both(first: Run, second: Run) -> list[str]:
    lacking = left_out(first, second)
    return [metric for metric in first.metrics if metric not in lacking]


def _difference(first: Run, second: Run, metric: str) -> Difference:
    pairs = zip(first.scores[metric], second.scores[metric], strict=True)
    known = [(old, new) for old, new in pairs if old is not None and new is not None]
    mean, arm = _spread(new - old for old, new in known)
    verdict = "better" if mean > arm else "worse" if mean < -arm else "not sure"
    before, after = (math.fsum(side) / len(known) for side in zip(*known, strict=True))
    return Difference(metric, before, after, Interval(mean, mean - arm, mean + arm, 0.5), len(known), verdict)
