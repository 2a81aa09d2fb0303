"""Costs of each way, and from how many questions an always-on endpoint is cheaper than tokens; from price rows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from tandem_contract import defaults, envelope
from tandem_contract.usage import (
    HOURS_A_MONTH,
    QUERY_USAGE,
    RUN_USAGE,
    SECONDS_AN_HOUR,
    USAGE_PARAMETER,
    finetuning_usage,
    rag_usage,
)

from tandem.cost.estimate import assess
from tandem.cost.model import Assessment, Number, Resource
from tandem.cost.pricers.search import NEXTGEN
from tandem.cost.prices import NoPrice, PriceTable
from tandem.cost.run_price import SAGEMAKER
from tandem.cost.units import MILLION, QUERIES
from tandem.cost.usage import PARAMETER

from .facts import PROMPT_PAGES, TOKENS_A_PAGE, Facts

PASSAGES = 1000  # of the prompt's tokens: five chunks of 200
OWN_EMBEDDER = "an embedder with weights of your own"
TUNED_TOKENS = "tokens of a tuned model, which Bedrock sells of Nova Micro, Lite and Pro"
# An endpoint that scales to zero is awake for 15 to 25 minutes after a question (docs/fine-tuning.md): the longest.
AWAKE_SECONDS = 25 * 60


class Way(StrEnum):
    """How a model is adapted."""

    PROMPT = "prompt alone"
    RAG = "RAG"
    FINETUNING = "fine-tuning"
    HYBRID = "hybrid"


TUNED = (Way.FINETUNING, Way.HYBRID)


class Amount(NamedTuple):
    """US dollars as far as they are known, and what is NOT PRICED on top."""

    usd: Decimal
    unpriced: tuple[str, ...] = ()

    def plus(self, other: "Amount") -> "Amount":
        """Both together."""
        return Amount(self.usd + other.usd, tuple(dict.fromkeys((*self.unpriced, *other.unpriced))))

    def times(self, count: Decimal | int) -> "Amount":
        """So many of it."""
        return Amount(self.usd * count, self.unpriced)


class WayCost(NamedTuple):
    """A way's cost; None where there is no such thing."""

    way: Way
    by_token: Amount | None
    """A month of answers that are billed by the token: a hosted model's, and where one is tuned, the tuned model's."""
    endpoint: Amount
    """A month whose answers an always-on endpoint writes."""
    asleep: Amount
    """The same, at most, with an endpoint that sleeps between questions."""
    run_expected: Amount | None
    run_ceiling: Amount | None


@dataclass(frozen=True)
class Costs:
    """What the ways cost in a region."""

    region: str
    ways: tuple[WayCost, ...]
    hour: Amount
    """An hour of the endpoint."""
    awake: Decimal
    """Hours of the month in which an endpoint that sleeps between questions is awake, at most."""
    cached: Amount | None
    """A month of the prompt alone by the token, at best: each question finds the documents in the model's cache."""
    break_evens: Mapping[Way, int | None]
    """The questions a month from which an always-on endpoint with open weights costs less than the hosted model's
    tokens; None: NOT PRICED. Only for ways that don't tune, whose answers a hosted model may write."""

    def of(self, way: Way) -> WayCost:
        """A way's cost."""
        return next(cost for cost in self.ways if cost.way is way)


def costs(facts: Facts, table: PriceTable) -> Costs:
    """Price all ways for the month's questions. What has no row is NOT PRICED, never zero."""
    limits = asdict(envelope.DEFAULT)
    queries = rag_usage(facts.hosted_model, defaults.EMBEDDER, QUERY_USAGE.defaults)
    rag = _parameter(USAGE_PARAMETER, table.region, queries)
    tuning = _parameter(USAGE_PARAMETER, table.region, finetuning_usage(limits, RUN_USAGE.defaults))
    ceiling = _amount(_parameter(envelope.ENVELOPE_PARAMETER, table.region, limits), Number.RUN_CEILING)
    run = _amount(tuning, Number.RUN_EXPECTED), ceiling
    hour = _rate(table, SAGEMAKER, f"hosting:{facts.endpoint_instance}")
    always_on, asked = hour.times(HOURS_A_MONTH), facts.questions_a_month
    stored = _amount(tuning, Number.IDLE).plus(_rate(table, SAGEMAKER, "mlflow-app").times(HOURS_A_MONTH))

    # Retrieval without the model that answers, which is a token's or an endpoint's.
    own = facts.privacy == "own-weights"
    search = _amount(rag, Number.IDLE, Number.QUERIES, questions=asked, without=_models(facts, own))
    search = search.plus(Amount(Decimal(0), (f"search's compute units: {NEXTGEN}", *([OWN_EMBEDDER] if own else []))))

    none = Amount(Decimal(0))
    tuned = Amount(Decimal(0), (TUNED_TOKENS + (", and OpenAI of its own" if facts.privacy == "hosted" else ""),))
    tokens = {way: tuned if way in TUNED else token_price(facts, table, way).times(asked) for way in Way}
    awake = hours_awake(asked)
    beside = {Way.PROMPT: none, Way.RAG: search, Way.FINETUNING: stored, Way.HYBRID: search.plus(stored)}
    ways = tuple(
        WayCost(
            way,
            None if own else beside[way].plus(tokens[way]),
            beside[way].plus(always_on),
            beside[way].plus(hour.times(awake)),
            *(run if way in TUNED else (None, None)),
        )
        for way in Way
    )
    untuned = () if own else (Way.PROMPT, Way.RAG)
    break_evens = {way: _break_even(always_on, token_price(facts, table, way)) for way in untuned}
    cached = token_price(facts, table, Way.PROMPT, "cached-input").times(asked)
    return Costs(table.region, ways, hour, awake, None if own or cached.unpriced else cached, break_evens)


def token_price(facts: Facts, table: PriceTable, way: Way, documents: str = "input") -> Amount:
    """What the hosted model's tokens cost for one question; `documents`: the price of those that are in the prompt."""
    usage = QUERY_USAGE.defaults
    read, pages = usage["question_tokens"] + usage["prompt_tokens"], 0
    if way in (Way.PROMPT, Way.FINETUNING):
        pages = facts.corpus_pages if facts.corpus_pages <= PROMPT_PAGES else 0
        read -= PASSAGES
    amount = Amount(Decimal(0))
    for key, tokens in (("input", read), (documents, pages * TOKENS_A_PAGE), ("output", usage["answer_tokens"])):
        rate = _rate(table, "AmazonBedrock", f"{key}:{facts.hosted_model}")
        amount = amount.plus(rate.times(Decimal(str(tokens)) / MILLION))
    return amount


def hours_awake(questions: int) -> Decimal:
    """Hours of a month in which an endpoint is awake that sleeps `AWAKE_SECONDS` after the last question, at most.

    For questions at random times that are spread evenly over the month: then it is asleep for the share of gaps that
    are longer, e to the power of minus the questions that come in such a time. Where they come together, as in the
    hours of work, it sleeps longer.
    """
    expected = Decimal(questions) * AWAKE_SECONDS / (HOURS_A_MONTH * SECONDS_AN_HOUR)
    return HOURS_A_MONTH * (1 - (-expected).exp())


def _break_even(always_on: Amount, question: Amount) -> int | None:
    if always_on.unpriced or question.unpriced or not question.usd:
        return None
    return int(always_on.usd // question.usd) + 1


def _models(facts: Facts, own: bool) -> tuple[str, ...]:
    """The keys that don't belong to retrieval: the generator's, and the hosted embedder's where it may not be used."""
    embedder = (f"input:{defaults.EMBEDDER}",) if own else ()
    return (*(f"{way}:{facts.hosted_model}" for way in ("input", "output")), *embedder)


def _parameter(name: str, region: str, content: Mapping[str, Any]) -> Assessment:
    """What `tandem cost` makes of an environment's parameter with this content."""
    inputs = {"name": f"/tandem/advise{name}", "value": json.dumps(content)}
    return assess(Resource(name, PARAMETER, name, "", region, inputs))


def _amount(found: Assessment, *numbers: Number, questions: int = 0, without: Iterable[str] = ()) -> Amount:
    usd = Decimal(0)
    for charge in found.charges:
        if charge.number in numbers and charge.rows[0].key not in without:
            usd += charge.usd * (Decimal(questions) / QUERIES if charge.number is Number.QUERIES else 1)
    missing = map(_short, (*found.unpriced, *found.unavailable))
    return Amount(usd, tuple(text for text in missing if not any(f" {key} in " in text for key in without)))


def _rate(table: PriceTable, service: str, key: str) -> Amount:
    try:
        return Amount(table.price(service, key).usd)
    except NoPrice as error:
        return Amount(Decimal(0), (_short(str(error).removeprefix("NOT PRICED: ")),))


def _short(text: str) -> str:
    """Without the remedy, which is the same for all."""
    return text.partition(";")[0]
