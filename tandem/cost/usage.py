"""Usage assumptions and the run envelope, which a stack keeps in SSM parameters, and what they cost."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tandem_contract.envelope import ENVELOPE_PARAMETER, RunEnvelope
from tandem_contract.errors import Mistakes
from tandem_contract.model_url import is_model_url
from tandem_contract.usage import QUERY_USAGE, RUN_USAGE, SECONDS_AN_HOUR, USAGE_PARAMETER

from .bill import Bill
from .model import Charge, NotKnown, Number, Resource
from .prices import NotPriced, Unavailable
from .run_price import Line, run_price

PARAMETER = "aws:ssm/parameter:Parameter"
QUERIES = 1000
MILLION = Decimal(1_000_000)
INDEX: dict[str, dict[str, Any]] = {
    "serverless": {"service": "AmazonES", "storage": "storage:serverless", "search": "the search's compute units"},
    "domain": {},
}
"""What the first two stores bill of an index beside their resources: the price row of its storage, and what a
search takes that isn't in the 1,000 queries. Any other store's usage assumptions say it themselves, as `index`."""


def is_usage(resource: Resource) -> bool:
    """Whether it holds the usage assumptions of an environment."""
    return resource.type == PARAMETER and _named(resource, USAGE_PARAMETER)


def assumed(resource: Resource) -> dict[str, Any]:
    """Its assumptions; empty if they can't be read, which the estimate says as NOT PRICED."""
    try:
        values = _content(resource)["assumed"]
    except (NotKnown, NotPriced, KeyError):
        return {}
    return values if isinstance(values, dict) else {}


def parameter(resource: Resource, bill: Bill) -> None:
    """A parameter: usage assumptions, a run envelope, or any other."""
    tier = resource.get("tier", "Standard")
    if tier != "Standard":
        bill.not_priced(f"a parameter of tier {tier}: only the standard tier is free")
    if is_usage(resource):
        _usage(_content(resource), bill)
    elif _named(resource, ENVELOPE_PARAMETER):
        _ceiling(_envelope(_content(resource)), bill)
    elif tier == "Standard":
        bill.free("parameters of the standard tier cost nothing")


def _usage(content: Mapping[str, Any], bill: Bill) -> None:
    kinds = {"rag": (_rag, QUERY_USAGE), "finetuning": (_finetuning, RUN_USAGE)}
    kind = str(content.get("kind"))
    if kind not in kinds:
        raise NotPriced(f"its usage assumptions are of kind {kind!r}; known: {', '.join(kinds)}")
    price, table = kinds[kind]
    given = content.get("assumed")
    given = given if isinstance(given, Mapping) else {}
    values = {f"assumed.{key}": given.get(key) for key in table.fields}
    texts = {key: content.get(key) for key in ("generator", "embedder")} if kind == "rag" else {}
    if kind == "rag":
        values["memory_megabytes"] = content.get("memory_megabytes")
    mistakes = [f"{key}: {value!r} is not a number, 0 or more" for key, value in values.items() if not _amount(value)]
    mistakes += [f"{key}: {value!r} is not the name of a model" for key, value in texts.items() if not _word(value)]
    if mistakes:
        raise NotPriced(f"its usage assumptions have {len(mistakes)} mistake(s): {'; '.join(mistakes)}")
    price(content, {key.removeprefix("assumed."): Decimal(str(value)) for key, value in values.items()}, bill)


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
    for what, service, key, quantity in (
        (f"tokens that {generator} reads", "AmazonBedrock", f"input:{generator}", read),
        (f"tokens that {generator} writes", "AmazonBedrock", f"output:{generator}", written),
        *embedding,
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
    except (NotPriced, Unavailable):
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
    envelope = _envelope(content.get("envelope"))
    seconds, evaluation = (round(values[key] * SECONDS_AN_HOUR) for key in ("training_hours", "evaluation_hours"))
    price = run_price(
        replace(envelope, spot=False),
        bill.table,
        artifact_gb=Decimal(0),  # among the runs and models above
        checkpoint_gb=Decimal(0),
        expected_seconds=seconds,
        expected_evaluation_seconds=evaluation,
    )
    _add(price.expected, Number.RUN_EXPECTED, bill, assumed=True)
    if envelope.spot:
        bill.note("the expected run is at the on-demand price: spot is less, by the minute")
    if seconds > envelope.attempts * envelope.max_runtime_seconds:
        bill.note("a run is assumed to train for longer than its envelope allows, which would stop it")


def _ceiling(envelope: RunEnvelope, bill: Bill) -> None:
    # An artifact can't be larger than the volume that it was written on.
    price = run_price(envelope, bill.table, artifact_gb=Decimal(envelope.volume_gb), checkpoint_gb=Decimal(0))
    _add(price.ceiling, Number.RUN_CEILING, bill, assumed=False)


def _add(lines: Iterable[Line], number: Number, bill: Bill, *, assumed: bool) -> None:
    for line in lines:
        if line.quantity:
            bill.add(Charge(number, line.name, line.quantity, line.unit, line.usd, (line.row,), assumed))


def _storage(held: Iterable[tuple[str, str, str, str]], values: Mapping[str, Decimal], bill: Bill) -> None:
    for what, service, key, name in held:
        bill.charge(Number.IDLE, f"storage: {what}", service, key, values[name], assumed=True)


def _envelope(content: Any) -> RunEnvelope:
    try:
        return RunEnvelope.from_json(json.dumps(content))
    except Mistakes as error:
        raise NotPriced(
            f"its run envelope has {len(error.mistakes)} mistake(s): {'; '.join(map(str, error.mistakes))}"
        ) from error


def _content(resource: Resource) -> dict[str, Any]:
    text = resource.get("insecureValue") or resource.get("value")
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPriced(f"its value can't be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise NotPriced("its value isn't a JSON object")
    return content


def _named(resource: Resource, end: str) -> bool:
    return str(resource.inputs.get("name")).endswith(end)


def _amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _word(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""
