"""Price of 1,000 questions, from what a run used: tokens of hosted models, and hours of an endpoint's instances."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tandem_contract.errors import TandemError
from tandem_contract.usage import SECONDS_AN_HOUR

from tandem.cost.prices import NotPriced, PriceTable, Row, load
from tandem.cost.run_price import SAGEMAKER
from tandem.cost.units import MILLION, QUERIES

from .runs import Price, Reply

BEDROCK = "AmazonBedrock"
PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class Instances:
    """What runs an endpoint: its name, and how many instances of each type there are after the run."""

    endpoint: str
    counts: Mapping[str, int]


def price(replies: Sequence[Reply], region: str, instances: Instances | None = None, beyond: str = "") -> Price:
    """The price of the answers of a run, from dated rows; never zero for what isn't known.

    Models of Bedrock are charged by the tokens of each answer. Where the endpoint spoke, its instances are charged for
    all the time that the run took, so at the throughput that was measured. Calls that failed have no tokens, and aren't
    among the answers; their time is the endpoint's all the same. `beyond` says what comes on top.
    """
    answered = [reply for reply in replies if reply.error is None]
    try:
        if not answered:
            raise NotPriced("no question was answered")
        table = load(region)
        spoke = Counter(reply.model for reply in answered if reply.model)
        tuned = instances if instances and instances.endpoint in spoke else None
        parts = [_tokens(model, answered, table) for model in spoke if not (tuned and model == tuned.endpoint)]
        if tuned:
            parts.append(_hours(tuned, replies, len(answered), table))
    except TandemError as error:  # a row, a region or a count that is missing
        return Price(None, str(error))
    how = [f"{len(answered)} answers", *(text for _, text, _ in parts)]
    how += [] if parts else ["no model spoke"]
    if failed := len(replies) - len(answered):
        how.append(f"without the {failed} failed calls")
    how += [beyond] if beyond else []
    usd = sum((usd for usd, _, _ in parts), Decimal(0)) / len(answered) * QUERIES
    sources = dict.fromkeys(_source(row) for _, _, rows in parts for row in rows)
    return Price(usd.quantize(PLACES), "; ".join(how), tuple(sources))


def _tokens(model: str, answered: Sequence[Reply], table: PriceTable) -> tuple[Decimal, str, Sequence[Row]]:
    own = [(reply.input_tokens, reply.output_tokens) for reply in answered if reply.model == model]
    if unknown := sum(None in tokens for tokens in own):
        raise NotPriced(f"{unknown} of {len(own)} answers of {model} come without their numbers of tokens")
    rows = [table.price(BEDROCK, f"{way}:{model}") for way in ("input", "output")]
    counts = [sum(filter(None, tokens)) for tokens in zip(*own, strict=True)]
    usd = sum((count / MILLION * row.usd for count, row in zip(counts, rows, strict=True)), Decimal(0))
    return usd, f"{model} read {counts[0]:,} and wrote {counts[1]:,} tokens", rows


def _hours(
    instances: Instances, replies: Sequence[Reply], answered: int, table: PriceTable
) -> tuple[Decimal, str, Sequence[Row]]:
    running = {kind: count for kind, count in sorted(instances.counts.items()) if count}
    if not running:
        raise NotPriced(f"endpoint {instances.endpoint} has no instance any more: how many answered isn't known")
    # A call has its share of the instances, which serve all that go on at the same time.
    seconds = sum(Decimal(str(reply.seconds)) / reply.at_once for reply in replies)
    rows = {kind: table.price(SAGEMAKER, f"hosting:{kind}") for kind in running}
    usd = sum((rows[kind].usd * count for kind, count in running.items()), Decimal(0)) * seconds / SECONDS_AN_HOUR
    what = " + ".join(f"{count} x {kind}" for kind, count in running.items())
    rate = answered / float(seconds) if seconds else 0.0
    at_once = max(reply.at_once for reply in replies)
    how = f"{what} for {seconds:.0f} s, at the measured {rate:.2f} answers a second with {at_once} asked at once"
    return usd, how, list(rows.values())


def _source(row: Row) -> str:
    return f"{row.service} {row.key}: ${row.usd} per {row.unit} ({row.source}, {row.read_at})"
