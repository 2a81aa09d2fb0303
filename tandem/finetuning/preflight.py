"""What can be known before a run is started: whether it fits, whether it may, and what it costs. Nothing is billed."""

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.envelope import RunEnvelope

from tandem.cost.prices import NotPriced, PriceTable, Unavailable, load
from tandem.cost.run_price import RunPrice, run_price
from tandem.finetuning.dataset.store import Stored
from tandem.finetuning.managed.dialects import DIALECTS, unsupported
from tandem.finetuning.recipe import RecipeError
from tandem.finetuning.shapes import ModelShape, SizingError
from tandem.finetuning.sizing import HEADROOM, INSTANCES, choose, estimate, expected_seconds, shape_of, stored

QUOTA = "{instance} for training job usage"
START_SECONDS = 600  # pulling an image of some 10 GB and loading the model
KEPT_CHECKPOINTS = 2


class PreflightError(Exception):
    """The run would fail or may not start; the text lists every reason with its remedy."""


@dataclass(frozen=True)
class Plan:
    """A run that may be started."""

    recipe: Mapping[str, Any]
    data_set: Stored
    manifest: Mapping[str, Any]
    envelope: Mapping[str, Any]
    """Empty for a managed service."""
    price: RunPrice | None
    """None: NOT PRICED, which is not free."""
    notes: tuple[str, ...]

    @property
    def shown_price(self) -> dict[str, str]:
        """Both prices as they were shown, in dollars."""
        if self.price is None:
            return {"expected": "NOT PRICED", "ceiling": "NOT PRICED"}
        expected = self.price.expected_usd
        return {"expected": "unknown" if expected is None else str(expected), "ceiling": str(self.price.ceiling_usd)}


def preflight(
    client: Callable[[str], Any],
    recipe: Mapping[str, Any],
    data_set: Stored,
    manifest: Mapping[str, Any],
    envelope: RunEnvelope,
    artifacts: str,
) -> Plan:
    """Check a run against the model, the data set, the run envelope, the account's quota and the price table.

    `client` gives a boto3 client by its service's name; `artifacts` is the bucket that base models of one's own are in.
    Raises `PreflightError` with every reason that the run should not be started.
    """
    reasons: list[str] = []
    notes: list[str] = []
    base = recipe["base_model"]
    config, modules = None, None
    if base.endswith("/"):
        config, modules = _own_model(client("s3"), artifacts, base, reasons)
    table = load(client("sts").meta.region_name)
    if modules is not None and recipe["lora"] and isinstance(recipe["lora"]["modules"], list):
        reasons += _unmatched(recipe["lora"]["modules"], modules)
    longest = max(split["tokens"]["max"] for split in manifest["splits"].values())
    if longest > recipe["max_sequence_tokens"]:
        notes.append(
            f"The longest row has about {longest} tokens, more than max_sequence_tokens "
            f"({recipe['max_sequence_tokens']}): such rows are left out."
        )
    reasons += _quotas(client("service-quotas"), envelope, notes)
    price = None
    try:
        shape = shape_of(base, config)
        _fits(recipe, shape, envelope, table, reasons, notes)
        seconds = _seconds(recipe, shape, manifest, envelope, reasons)
        size = stored(shape, recipe["method"], **_adapter(recipe))
        price = run_price(
            envelope,
            table,
            artifact_gb=Decimal(str(size.artifact)),
            checkpoint_gb=KEPT_CHECKPOINTS * Decimal(str(size.checkpoint)),
            expected_seconds=seconds,
        )
    except SizingError as error:
        reasons.append(f"{error}.")
    except (NotPriced, Unavailable) as error:
        reasons.append(f"{error}. Choose another tandem:trainingInstance or region.")
    if reasons or price is None:
        raise PreflightError("The run is refused before anything is billed:\n" + "\n".join(f"  - {r}" for r in reasons))
    return Plan(recipe, data_set, manifest, json.loads(envelope.to_json()), price, tuple(notes))


def managed_preflight(recipe: Mapping[str, Any], data_set: Stored, manifest: Mapping[str, Any]) -> Plan:
    """Check a run of a managed service; raises `RecipeError` with every key that the service can't honour."""
    dialect = DIALECTS[recipe["backend"]]
    if mistakes := unsupported(dialect, recipe):
        raise RecipeError(mistakes)
    tokens = manifest["splits"]["train"]["rows"] * manifest["splits"]["train"]["tokens"]["mean"]
    note = f"{dialect.title} trains on about {tokens:,.0f} tokens an epoch; its prices have no row here: NOT PRICED."
    return Plan(recipe, data_set, manifest, {}, None, (note,))


def _adapter(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Rank and modules of the recipe's adapter; nothing without one."""
    return {key: recipe["lora"][key] for key in ("rank", "modules")} if recipe["lora"] else {}


def _fits(
    recipe: Mapping[str, Any],
    shape: ModelShape,
    envelope: RunEnvelope,
    table: PriceTable,
    reasons: list[str],
    notes: list[str],
) -> None:
    """Adds why the run doesn't fit the instance, or how well it does. Raises `SizingError`."""
    rows, tokens = recipe["batch_size"], recipe["max_sequence_tokens"]
    need = estimate(shape, recipe["method"], tokens, rows, **_adapter(recipe))
    gpu = INSTANCES.get(envelope.instance_type)
    if envelope.instance_count > 1 or (gpu and gpu.count > 1):
        notes.append("Our trainer uses one GPU of one instance: several are for an image with a trainer of its own.")
    if gpu is None:
        notes.append(f"Memory is not checked: {envelope.instance_type} is not among the GPU instances that are known.")
    elif need.total * (1 + HEADROOM) <= gpu.gb:
        notes.append(f"Memory: about {need.total:.1f} of {gpu.gb} GB ({gpu.kind}, {envelope.instance_type}).")
    else:
        try:
            remedy = f"set tandem:trainingInstance to {choose(need, table).instance}"
        except SizingError as error:
            remedy = str(error)
        reasons.append(
            f"batch_size {rows} x {tokens} tokens: needs {need.total:.1f} GB of GPU memory and {HEADROOM:.0%} to "
            f"spare; a {gpu.kind} of {envelope.instance_type} has {gpu.gb}. Lower batch_size, use qlora, or {remedy}."
        )


def _seconds(
    recipe: Mapping[str, Any],
    shape: ModelShape,
    manifest: Mapping[str, Any],
    envelope: RunEnvelope,
    reasons: list[str],
) -> int | None:
    """Roughly how long training takes, None where nobody knows; adds why an attempt would end without a checkpoint."""
    gpu, train = INSTANCES.get(envelope.instance_type), manifest["splits"]["train"]
    rows = recipe["batch_size"] * recipe["gradient_accumulation"]
    steps = recipe["max_steps"] or math.ceil(train["rows"] / rows) * recipe["epochs"]
    tokens = round(rows * train["tokens"]["mean"])
    step = expected_seconds(tokens, shape, recipe["method"], gpu) if gpu else 0.0
    first = START_SECONDS + step * min(recipe["checkpoint_steps"], steps)
    if first >= envelope.max_runtime_seconds:
        reasons.append(
            f"maxTrainingHours: {envelope.max_runtime_seconds} s are too short to save a checkpoint: the first one "
            f"comes after some {first:.0f} s, {START_SECONDS} of them before the first step. Raise "
            "tandem:maxTrainingHours, or lower checkpoint_steps."
        )
    return round(START_SECONDS + step * steps) if gpu else None


def _own_model(s3: Any, bucket: str, prefix: str, reasons: list[str]) -> tuple[dict[str, Any] | None, set[str] | None]:
    """The `config.json` of a model in the bucket and the names of its modules, from the header of its weights."""
    uri = f"s3://{bucket}/{prefix}"
    try:
        config = json.loads(s3.get_object(Bucket=bucket, Key=f"{prefix}config.json")["Body"].read())
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        weights = [each["Key"] for each in listed if each["Key"].endswith(".safetensors")]
        names = {name for key in weights for name in _tensors(s3, bucket, key)}
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        reasons.append(f"base_model: {uri} has no config.json. Upload a model in Hugging Face's layout there.")
        return None, None
    if not weights:
        reasons.append(f"base_model: {uri} has no *.safetensors. Save the model as safetensors and upload it there.")
        return config, None
    return config, {name.removesuffix(".weight").rpartition(".")[2] for name in names if name.endswith(".weight")}


def _tensors(s3: Any, bucket: str, key: str) -> list[str]:
    """Names of a file's tensors: eight bytes with the length of a JSON header, then the header (safetensors README)."""
    (length,) = struct.unpack("<Q", s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-7")["Body"].read())
    header = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=8-{7 + length}")["Body"].read()
    return [name for name in json.loads(header) if name != "__metadata__"]


def _unmatched(wanted: list[str], modules: set[str]) -> list[str]:
    absent = [name for name in wanted if name not in modules]
    if not absent:
        return []
    return [f"lora.modules: {', '.join(absent)} match nothing in the model. It has {', '.join(sorted(modules))}."]


def _quotas(client: Any, envelope: RunEnvelope, notes: list[str]) -> list[str]:
    """Why the account may not run as many instances; training and hosting have quotas of their own."""
    wanted = {envelope.instance_type: envelope.instance_count}
    wanted.setdefault(envelope.evaluation_instance_type, 1)
    try:
        pages = client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        allowed = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}
    except (ClientError, BotoCoreError) as error:
        notes.append(f"Quotas are not checked: {error}")
        return []
    return [
        f"quota: the account may run {allowed.get(QUOTA.format(instance=instance), 0):.0f} of {instance} for training, "
        f"and the run needs {count}. Ask for more in Service Quotas: SageMaker, {QUOTA.format(instance=instance)!r}."
        for instance, count in wanted.items()
        if allowed.get(QUOTA.format(instance=instance), 0) < count
    ]
