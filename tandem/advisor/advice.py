"""The advice: which way, why, what it costs, where the answering model should run, and what to measure next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tandem_contract.usage import HOURS_A_MONTH, SECONDS_AN_HOUR

from tandem.cost.prices import PriceTable
from tandem.reporting.money import money

from .costs import Costs, Way, costs
from .facts import FIELDS, Facts
from .rules import GOALS, ROWS, Reason, reasons, tuned, untuned, wants

STACKS = {
    Way.RAG: "stacks/Pulumi.rag-dev.yaml",
    Way.FINETUNING: "stacks/Pulumi.finetune-dev.yaml",
    Way.HYBRID: "stacks/Pulumi.hybrid-dev.yaml",
}
Model = Literal["hosted", "endpoint", "undecided"]


@dataclass(frozen=True)
class Advice:
    """All that `tandem advise` says."""

    facts: Facts
    way: Way
    reasons: tuple[Reason, ...]
    """Every rule that applies, those that only warn as well."""
    stack: str | None
    """The file to start from; None: no stack is needed."""
    model: Model
    """Whether an endpoint or a hosted model answers for less at this volume."""
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
    return Advice(facts, way, reasons(facts), STACKS.get(way), model, why, priced, assumed, tuple(_measure(facts)))


def way_of(facts: Facts) -> Way:
    """Retrieval where a rule speaks for it, tuning where one does, both, or neither."""
    ways = {(False, False): Way.PROMPT, (True, False): Way.RAG, (False, True): Way.FINETUNING, (True, True): Way.HYBRID}
    return ways[wants("retrieval", facts), wants("tuning", facts)]


def _model(facts: Facts, priced: Costs, way: Way) -> tuple[Model, str]:
    least = priced.break_evens[way]
    if facts.privacy == "own-weights":
        return "endpoint", "only weights of your own may answer, whatever the volume"
    if least is None:
        return "undecided", "the break-even is NOT PRICED"
    asked = f"{facts.questions_a_month:,} questions a month"
    hour = f"{money(priced.hour.usd)} an hour"
    if facts.questions_a_month < least:
        text = f"{asked} are below the break-even of {least:,}: {facts.hosted_model} by the token costs less"
        if way in (Way.FINETUNING, Way.HYBRID):
            text += f". Let the tuned model's endpoint sleep (`endpointMode: zero`): {hour} while it is awake"
        return "hosted", text
    rate = facts.questions_a_month / (HOURS_A_MONTH * SECONDS_AN_HOUR)
    whose = "the tuned model" if way in (Way.FINETUNING, Way.HYBRID) else "a model with open weights"
    return "endpoint", (
        f"{asked} reach the break-even of {least:,}: {whose} on one always-on {facts.endpoint_instance} costs less "
        f"(`endpointMode: steady`, `endpointHours: 0`), if it keeps up with {rate:.1f} questions a second on average, "
        "which nobody measured"
    )


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
    elif any(reason.rule.key == "few-rows" for reason in reasons(facts)):
        yield f"Collect {ROWS} labelled rows or more (`tandem dataset import`), and ask again."
    before = untuned(facts, "format_adherence")
    if facts.format != "none" and before and before.low < GOALS[facts.format] <= before.high:
        yield f"More questions: format adherence can't be told from {GOALS[facts.format]} yet."
    if "questions_a_month" in facts.assumed:
        yield "How many questions a month there are."


def _shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
