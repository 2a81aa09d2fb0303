"""Parameters: what a stack's assumed use costs, and what a run costs within its envelope."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tandem_contract.envelope import RunEnvelope
from tandem_contract.model_url import is_model_url
from tandem_contract.usage import SECONDS_AN_HOUR

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, Inputs
from ..model import Charge, Number, Resource
from ..prices import NoPrice
from ..run_price import run_price
from ..units import MILLION, QUERIES
from ..usage import PARAMETER, amounts, content_of, envelope_of, is_envelope, is_usage

INDEX: dict[str, dict[str, Any]] = {
    "serverless": {"service": "AmazonES", "storage": "storage:serverless", "search": "the search's compute units"},
    "domain": {},
}
"""What the first two stores bill of an index beside their resources: the price row of its storage, and what a
search takes that isn't in the 1,000 queries. Any other store's usage assumptions say it themselves, as `index`."""


def parameter(resource: Resource, bill: Bill) -> None:
    """A parameter: usage assumptions, a run envelope, or any other."""
    tier = resource.get("tier", "Standard")
    if tier != "Standard":
        bill.not_priced(f"a parameter of tier {tier}: only the standard tier is free")
    if is_usage(resource):
        content = content_of(resource)
        values = amounts(content)
        (_rag if content["kind"] == "rag" else _finetuning)(content, values, bill)
    elif is_envelope(resource):
        _ceiling(envelope_of(content_of(resource)), bill)
    elif tier == "Standard":
        bill.free("parameters of the standard tier cost nothing")


def _rag(content: Mapping[str, Any], values: Mapping[str, Decimal], bill: Bill) -> None:
    index = _index(content, bill)
    held = [
        ("documents", "AmazonS3", "storage:standard", "documents_gigabytes"),
        ("ledger", "AmazonDynamoDB", "storage:standard", "ledger_gigabytes"),
        ("ledger, point-in-time backup", "AmazonDynamoDB", "storage:point-in-time", "ledger_gigabytes"),
        ("logs", "AmazonCloudWatch", "logs:storage", "log_gigabytes"),
    ]
    if "storage" in index:
        held.insert(1, ("index", str(index.get("service")), str(index["storage"]), "index_gigabytes"))
    _storage(held, values, bill)
    read = (values["question_tokens"] + values["prompt_tokens"]) * QUERIES / MILLION
    asked, written = (values[key] * QUERIES / MILLION for key in ("question_tokens", "answer_tokens"))
    gigabytes = values["memory_megabytes"] / 1024
    generator, embedder = content["generator"], content["embedder"]
    embedding = [(f"tokens that {embedder} reads", "AmazonBedrock", f"input:{embedder}", asked)]
    if is_model_url(embedder):
        embedding = []
        bill.not_priced(f"tokens that {embedder} reads: whoever runs it has the price", Number.QUERIES)
    reranking = []
    if reranker := content.get("reranker"):
        # A query on the bill has up to 100 pieces of documents, and 20 passages are sent (tandem/rag/ranking.py).
        thousands = Decimal(QUERIES) / 1000
        reranking = [(f"questions that {reranker} reranks for", "AmazonBedrock", f"rerank:{reranker}", thousands)]
    for what, service, key, quantity in (
        (f"tokens that {generator} reads", "AmazonBedrock", f"input:{generator}", read),
        (f"tokens that {generator} writes", "AmazonBedrock", f"output:{generator}", written),
        *embedding,
        *reranking,
        ("starts of the query function", "AWSLambda", "requests", QUERIES / MILLION),
        ("run time", "AWSLambda", "duration:arm64", values["query_seconds"] * gigabytes * QUERIES),
        ("requests to the API", "AmazonApiGateway", "requests:rest", QUERIES / MILLION),
    ):
        bill.charge(Number.QUERIES, what, service, key, quantity, assumed=True)
    apart = [index["search"]] if "search" in index else []
    apart += ["reads of the ledger", "the logs' ingestion"]
    bill.note(f"not in the 1,000 queries: {', '.join(apart)}, and traffic to the internet")
    _profile(generator, read, written, bill)


def _index(content: Mapping[str, Any], bill: Bill) -> Mapping[str, Any]:
    kind = str(content.get("store", "serverless"))
    index = content.get("index", INDEX.get(kind))
    if isinstance(index, Mapping):
        return index
    bill.not_priced(f"the index in a store {kind!r}, of which the usage assumptions say nothing", Number.IDLE)
    return {}


def _profile(generator: str, read: Decimal, written: Decimal, bill: Bill) -> None:
    """Note what the same model would cost by its global profile, where both have rows."""
    model = f"global.{generator.partition('.')[2]}"
    try:
        regional, world = (
            read * bill.table.price("AmazonBedrock", f"input:{name}").usd
            + written * bill.table.price("AmazonBedrock", f"output:{name}").usd
            for name in (generator, model)
        )
    except NoPrice:
        return
    if 0 < world < regional:
        dearer = (regional / world - 1) * 100
        bill.note(
            f"{generator} is {dearer:.0f} % dearer than {model}, which may answer from any region: "
            f"${regional - world:.4f} for 1,000 queries"
        )


def _finetuning(content: Mapping[str, Any], values: Mapping[str, Decimal], bill: Bill) -> None:
    held = (
        ("data sets", "AmazonS3", "storage:standard", "datasets_gigabytes"),
        ("runs and models", "AmazonS3", "storage:standard", "artifacts_gigabytes"),
        ("images", "AmazonECR", "storage:private", "images_gigabytes"),
        ("logs", "AmazonCloudWatch", "logs:storage", "log_gigabytes"),
    )
    _storage(held, values, bill)
    envelope = envelope_of(content.get("envelope"))
    seconds, evaluation = (round(values[key] * SECONDS_AN_HOUR) for key in ("training_hours", "evaluation_hours"))
    price = run_price(
        replace(envelope, spot=False),
        bill.table,
        artifact_gb=Decimal(0),  # among the runs and models above
        checkpoint_gb=Decimal(0),
        expected_seconds=seconds,
        expected_evaluation_seconds=evaluation,
    )
    _add(price.expected, bill)
    if envelope.spot:
        bill.note("the expected run is at the on-demand price: spot is less, by the minute")
    if seconds > envelope.attempts * envelope.max_runtime_seconds:
        bill.note("a run is assumed to train for longer than its envelope allows, which would stop it")


def _ceiling(envelope: RunEnvelope, bill: Bill) -> None:
    # An artifact can't be larger than the volume that it was written on.
    price = run_price(envelope, bill.table, artifact_gb=Decimal(envelope.volume_gb), checkpoint_gb=Decimal(0))
    _add(price.ceiling, bill)


def _add(charges: Iterable[Charge], bill: Bill) -> None:
    for charge in charges:
        if charge.quantity:
            bill.add(charge)


def _storage(held: Iterable[tuple[str, str, str, str]], values: Mapping[str, Decimal], bill: Bill) -> None:
    for what, service, key, name in held:
        bill.charge(Number.IDLE, f"storage: {what}", service, key, values[name], assumed=True)


PRICERS: dict[str, Pricer] = {PARAMETER: parameter}

INPUTS: dict[str, Inputs] = {
    PARAMETER: Inputs(
        "tier insecureValue value",
        {
            NAMES: "name arn description",
            ACCESS: "keyId type",
            LIFE: "overwrite valueWo valueWoVersion",
            BEHAVIOUR: "allowedPattern dataType",
        },
    ),
}
