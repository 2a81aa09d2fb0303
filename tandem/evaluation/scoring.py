"""Scoring: which metric applies to which question, and the value of each reply."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tandem.measures.intervals import paired_bootstrap
from tandem.measures.metrics import exact_match, format_adherence, token_f1

from .citations import citation_precision, citation_recall
from .questions import Question
from .retrieval import ndcg, recall, reciprocal_rank
from .runs import Measured, Reply
from .similarity import Embed, semantic_similarity
from .spread import mean

Scores = dict[str, tuple[float | None, ...]]
EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True)
class Case:
    """A question and what came of it."""

    question: Question
    reply: Reply
    text: str
    """Without citation markers."""
    answer: str
    """What of the text is held against the reference; empty where it refused."""

    @property
    def reference(self) -> str:
        """The expected answer; empty for a question without an answer, where refusing is right."""
        return (self.question.reference or "") if self.question.answerable else ""


class Metric(NamedTuple):
    """Which questions it applies to, and its value for a reply that came."""

    applies: Callable[[Case], bool]
    value: Callable[[Case], float]


def score(
    questions: Sequence[Question],
    replies: Sequence[Reply],
    *,
    documents: bool,
    k: int = 5,
    form: Mapping[str, Any] | None = None,
    embed: Embed | None = None,
) -> Scores:
    """Each metric's value for each question: 0 where the call failed, None where the metric doesn't apply.

    `documents`: the target retrieves and cites, as a stack does. A metric that applies to no question is absent, and so
    are those of retrieval where no reply says what was retrieved. Where the regex of `form` has a group `answer`, and
    matches, only that group is held against the reference. Raises `TandemError` for a form that can't be used.
    """
    if form:
        format_adherence("", form)
    cases = [_case(*pair, documents, form) for pair in zip(questions, replies, strict=True)]
    metrics: dict[str, Metric] = {}
    if documents and any(reply.retrieved is not None for reply in replies):
        metrics |= _retrieval(k)
    if documents:
        metrics |= _citations()
    metrics |= _answers()
    if embed:
        metrics["similarity"] = _similarity(embed, cases)
    if form:
        metrics["format_adherence"] = Metric(
            lambda case: bool(case.question.answerable), lambda case: format_adherence(case.text, form)
        )
    scores = {name: tuple(_value(metric, case) for case in cases) for name, metric in metrics.items()}
    return {name: values for name, values in scores.items() if any(value is not None for value in values)}


def measured(scores: Mapping[str, Sequence[float | None]], replies: Sequence[Reply]) -> dict[str, Measured]:
    """Each metric over the questions that it applies to, with its 95 % interval."""
    found = {}
    for name, values in scores.items():
        known = [
            None if reply.error else value for value, reply in zip(values, replies, strict=True) if value is not None
        ]
        interval = paired_bootstrap([0.0] * len(known), [value or 0.0 for value in known])
        value, count, failed = mean(known)
        found[name] = Measured(value, interval.low, interval.high, count, failed)
    return found


def _retrieval(k: int) -> dict[str, Metric]:
    def on(value: Callable[[Sequence[str], Sequence[str]], float]) -> Metric:
        return Metric(
            lambda case: _labelled(case) and (case.reply.error is not None or case.reply.retrieved is not None),
            lambda case: value(case.reply.retrieved or (), case.question.documents),
        )

    return {
        f"recall@{k}": on(lambda ranking, relevant: recall(ranking, relevant, k)),
        f"ndcg@{k}": on(lambda ranking, relevant: ndcg(ranking, relevant, k)),
        "mrr": on(reciprocal_rank),
    }


def _citations() -> dict[str, Metric]:
    def of(value: Callable[[Sequence[str], Sequence[str]], float]) -> Metric:
        return Metric(_labelled, lambda case: value(case.reply.cited, case.question.documents))

    return {"citation_precision": of(citation_precision), "citation_recall": of(citation_recall)}


def _answers() -> dict[str, Metric]:
    return {
        "refusal_accuracy": Metric(lambda _: True, lambda case: float(case.reply.refused != case.question.answerable)),
        "exact_match": Metric(_referenced, lambda case: exact_match(case.answer, case.reference)),
        "token_f1": Metric(_referenced, lambda case: token_f1(case.answer, case.reference)),
    }


def _similarity(embed: Embed, cases: Sequence[Case]) -> Metric:
    near = _embedded(embed, [text for case in cases if case.reference for text in (case.answer, case.reference)])
    return Metric(_referenced, lambda case: semantic_similarity(case.answer, case.reference, near))


def _labelled(case: Case) -> bool:
    return bool(case.question.documents)


def _referenced(case: Case) -> bool:
    return bool(case.reference)


def _value(metric: Metric, case: Case) -> float | None:
    if not metric.applies(case):
        return None
    return 0.0 if case.reply.missing else metric.value(case)


def _case(question: Question, reply: Reply, documents: bool, form: Mapping[str, Any] | None) -> Case:
    text = reply.text or ""
    if documents:
        from tandem.rag.citing import without_marks

        text = without_marks(text)
    match = None
    if form and "regex" in form and "answer" in re.compile(form["regex"]).groupindex:
        match = re.fullmatch(form["regex"], text.strip())
    answer = (match["answer"] or "") if match else text
    return Case(question, reply, text, "" if reply.refused else answer)


def _embedded(embed: Embed, texts: Sequence[str]) -> Embed:
    """An embedder that knows these texts, each asked for once."""
    left = [text for text in dict.fromkeys(texts) if text.strip()]
    vectors: dict[str, Sequence[float]] = {}
    for at in range(0, len(left), EMBEDDED_AT_ONCE):
        part = left[at : at + EMBEDDED_AT_ONCE]
        vectors |= zip(part, embed(part), strict=True)
    return lambda asked: [vectors[text] for text in asked]
