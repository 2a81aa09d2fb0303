"""The advice: which way, why, what it costs, where the answering model should run, and what to measure next."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tandem_contract.usage import HOURS_A_MONTH, SECONDS_AN_HOUR

from tandem.cost.prices import PriceTable
from tandem.reporting.money import money

from .costs import TUNED, Costs, Way, costs
from .facts import FIELDS, Facts
from .rules import GOALS, ROWS, Reason, deciding, reasons, tuned, untuned, wants

STACKS = {
    Way.RAG: "stacks/Pulumi.rag-dev.yaml",
    Way.FINETUNING: "stacks/Pulumi.finetune-dev.yaml",
    Way.HYBRID: "stacks/Pulumi.hybrid-dev.yaml",
}
Model = Literal["hosted", "endpoint", "undecided"]
SAVES = Decimal("0.1")
"""The share of an always-on endpoint's cost that sleeping has to save, for what waits while it wakes."""


@dataclass(frozen=True)
class Advice:
    """All that `tandem advise` says."""

    facts: Facts
    way: Way
    reasons: tuple[Reason, ...]
    """Every rule that applies: what is said first, what decides, what only warns."""
    stack: str | None
    """The file to start from; None: no stack is needed."""
    model: Model
    """Where the model that answers runs: a tuned one on an endpoint, another where it costs less at this volume."""
    model_why: str
    costs: Costs
    assumed: tuple[tuple[str, str], ...]
    """Facts that nobody gave: what is assumed, and why."""
    measure: tuple[str, ...]
    """What to measure next."""


def advise(facts: Facts, table: PriceTable) -> Advice:
    """Advice from facts, at a region's prices."""
    way, priced = way_of(facts), costs(facts, table)
    model, why = _model(facts, priced, way)
    assumed = tuple((key, f"{_shown(getattr(facts, key))}: {FIELDS[key].why}") for key in facts.assumed)
    said, measure = reasons(facts, priced), tuple(_measure(facts))
    return Advice(facts, way, said, STACKS.get(way), model, why, priced, assumed, measure)


def way_of(facts: Facts) -> Way:
    """Retrieval where a rule speaks for it, tuning where one does, both, or neither."""
    ways = {(False, False): Way.PROMPT, (True, False): Way.RAG, (False, True): Way.FINETUNING, (True, True): Way.HYBRID}
    return ways[wants("retrieval", facts), wants("tuning", facts)]


def _model(facts: Facts, priced: Costs, way: Way) -> tuple[Model, str]:
    if way in TUNED or facts.privacy == "own-weights":
        return "endpoint", _own_endpoint(facts, priced)
    least = priced.break_evens[way]
    if least is None:
        return "undecided", "the break-even is NOT PRICED"
    asked = f"{facts.questions_a_month:,} questions a month"
    if facts.questions_a_month < least:
        return "hosted", f"{asked} are below the break-even of {least:,}: {facts.hosted_model} by the token costs less"
    return "endpoint", (
        f"{asked} reach the break-even of {least:,}: a model with open weights on one always-on "
        f"{facts.endpoint_instance} costs less, {_keeps_up(facts)}"
    )


def _own_endpoint(facts: Facts, priced: Costs) -> str:
    """How an endpoint runs that no hosted model can stand in for: always on, or asleep between questions."""
    text = "only weights of your own may answer" if facts.privacy == "own-weights" else "the tuned model answers"
    if priced.hour.unpriced:
        return f"{text}, on an endpoint whose hour is NOT PRICED"
    always, asleep = (priced.hour.times(hours).usd for hours in (HOURS_A_MONTH, priced.awake))
    text += (
        f", on an endpoint: always on {money(always)} a month; asleep between questions at most {money(asleep)}, "
        f"awake for at most {priced.awake:.0f} of {HOURS_A_MONTH} hours with {facts.questions_a_month:,} questions. "
    )
    if asleep <= always * (1 - SAVES):
        text += "So let it sleep (`endpointMode: zero`), if the first question may wait for minutes"
    else:
        text += (
            f"So leave it on (`endpointMode: steady`, `endpointHours: 0`), {_keeps_up(facts)}; where nobody asks for "
            f"hours, as at night, `zero` saves {money(priced.hour.usd)} with each"
        )
    return text


def _keeps_up(facts: Facts) -> str:
    rate = facts.questions_a_month / (HOURS_A_MONTH * SECONDS_AN_HOUR)
    shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
    return f"if one keeps up with {shown} questions a second on average, which nobody measured"


def _measure(facts: Facts) -> Iterable[str]:
    targets = ["base", *(["rag"] if facts.corpus_pages else [])]
    metrics = ["correctness", *(["format_adherence"] if facts.format != "none" else [])]
    lacking = [f"{target} ({metric})" for target in targets for metric in metrics if not facts.found(metric, target)]
    if lacking:
        how = "`tandem eval run` asks models and stacks, `--run TARGET=RUN` takes what it measured"
        yield f"On held-out questions of your own: {', '.join(lacking)} ({how})."
    if wants("tuning", facts):
        for metric in metrics:
            if untuned(facts, metric) and not tuned(facts, metric):
                yield f"The tuned model on the same questions ({metric}): keep it only if it is surely better."
        if not any(untuned(facts, metric) for metric in metrics):
            yield "Then the tuned model on the same questions: keep it only if it is surely better."
    elif any(reason.rule.key == "few-rows" for reason in deciding(facts)):
        yield f"Collect {ROWS} labelled rows or more (`tandem dataset import`), and ask again."
    before = untuned(facts, "format_adherence")
    if facts.format != "none" and before and before.low < GOALS[facts.format] <= before.high:
        yield f"More questions: format adherence can't be told from {GOALS[facts.format]} yet."
    if "questions_a_month" in facts.assumed:
        yield "How many questions a month there are."


def _shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
