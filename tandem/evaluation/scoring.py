"""Scoring: which metric applies to which question, and the value of each reply."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tandem.measures import patterns, squad
from tandem.measures.intervals import mean_interval
from tandem.measures.metrics import Words, check_format, exact_match, format_adherence, token_f1
from tandem.measures.words import words

from .citations import citation_precision, citation_recall
from .questions import Question
from .retrieval import ndcg, recall, reciprocal_rank
from .runs import Measured, Reply
from .similarity import Embed, semantic_similarity
from .spread import mean

Scores = dict[str, tuple[float | None, ...]]
EMBEDDED_AT_ONCE = 64
NAMED = 5


@dataclass(frozen=True)
class Case:
    """A question and what came of it."""

    question: Question
    reply: Reply
    text: str
    """Without citation markers."""
    answer: str
    """What of the text is held against the references; empty where it refused."""

    @property
    def references(self) -> tuple[str, ...]:
        """The answers that are right; none for a question without an answer, where refusing is right."""
        return self.question.references if self.question.answerable else ()


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
    as_squad: bool = False,
) -> Scores:
    """Each metric's value for each question: 0 where the call failed, None where the metric doesn't apply.

    `documents`: the target retrieves and cites, as a stack does. A metric that applies to no question is absent, and so
    are those of retrieval where no reply says what was retrieved. Where the regex of `form` has a group `answer`, and
    matches, only that group is held against the references, of which the nearest counts. `as_squad`: words are those of
    SQuAD's script. Raises `TandemError` for a form that can't be used.
    """
    if form:
        check_format(form)
    cases = [_case(*pair, documents, form) for pair in zip(questions, replies, strict=True)]
    metrics: dict[str, Metric] = {}
    if documents and any(reply.retrieved is not None for reply in replies):
        metrics |= _retrieval(k)
    if documents:
        metrics |= _citations()
    metrics |= _answers(squad.words if as_squad else words)
    if embed:
        metrics["similarity"] = _similarity(embed, cases)
    if form:
        metrics["format_adherence"] = Metric(
            lambda case: bool(case.question.answerable),
            lambda case: format_adherence(case.text, form) if case.text.strip() else 0.0,
        )
    scores = {name: tuple(_value(metric, case) for case in cases) for name, metric in metrics.items()}
    return {name: values for name, values in scores.items() if any(value is not None for value in values)}


def measured(
    questions: Sequence[Question], scores: Mapping[str, Sequence[float | None]], replies: Sequence[Reply]
) -> dict[str, Measured]:
    """Each metric, with its 95 % interval, over the questions that it applies to; one asked again counts once."""
    found = {}
    for name, values in scores.items():
        places = [at for at, value in enumerate(values) if value is not None]
        groups = by_text([questions[at] for at in places])
        means = [math.fsum(values[places[at]] or 0.0 for at in group) / len(group) for group in groups]
        lost = [any(replies[places[at]].error for at in group) for group in groups]
        value, count, failed = mean(None if away else each for each, away in zip(means, lost, strict=True))
        found[name] = Measured(value, *mean_interval(means), count, failed)
    return found


def by_text(questions: Sequence[Question]) -> list[list[int]]:
    """The places of each question that is asked, under whatever ids: asked again, it tells nothing new."""
    places: dict[str, list[int]] = {}
    for at, question in enumerate(questions):
        text = unicodedata.normalize("NFC", question.question.casefold())
        places.setdefault(" ".join(text.split()), []).append(at)
    return list(places.values())


def blind_spots(questions: Sequence[Question]) -> list[str]:
    """What SQuAD's script can't tell of these references: those it reads as nothing, and those that are one to it."""
    texts = dict.fromkeys(text for question in questions for text in question.references)
    read: dict[tuple[str, ...], list[str]] = {}
    for text in texts:
        read.setdefault(tuple(squad.words(text)), []).append(text)
    nothing = read.pop((), [])
    alike = [group for group in read.values() if len({tuple(words(text)) for text in group}) > 1]
    said = [f"reads as nothing: {', '.join(map(repr, nothing[:NAMED]))}"] if nothing else []
    return said + [f"takes for one: {', '.join(map(repr, group[:NAMED]))}" for group in alike[:NAMED]]


def _retrieval(k: int) -> dict[str, Metric]:
    def on(value: Callable[[Sequence[str], Mapping[str, float]], float]) -> Metric:
        return Metric(
            lambda case: _labelled(case) and (case.reply.error is not None or case.reply.retrieved is not None),
            lambda case: value(case.reply.retrieved or (), case.question.relevance),
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


def _answers(words: Words) -> dict[str, Metric]:
    return {
        "refusal_accuracy": Metric(lambda _: True, lambda case: float(case.reply.refused != case.question.answerable)),
        "exact_match": _nearest(lambda answer, reference: exact_match(answer, reference, words)),
        "token_f1": _nearest(lambda answer, reference: token_f1(answer, reference, words)),
    }


def _nearest(value: Callable[[str, str], float]) -> Metric:
    """Against the reference that it is nearest to; a missing answer is near to none, whatever the metric says."""
    return Metric(
        lambda case: bool(case.references),
        lambda case: max(value(case.answer, each) for each in case.references) if case.answer.strip() else 0.0,
    )


def _similarity(embed: Embed, cases: Sequence[Case]) -> Metric:
    asked = [case for case in cases if case.references and case.answer.strip()]
    near = _embedded(embed, [text for case in asked for text in (case.answer, *case.references)])
    return _nearest(lambda answer, reference: semantic_similarity(answer, reference, near))


def _labelled(case: Case) -> bool:
    return bool(case.question.documents)


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
        match = patterns.fullmatch(form["regex"], text.strip())
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
