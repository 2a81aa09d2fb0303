"""Checks before a run on instances of the account: whether it fits, whether it may, its price. Nothing is billed."""

import json
import math
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.checks import Checks
from tandem_contract.envelope import RunEnvelope
from tandem_contract.errors import TandemError

from tandem.cost.prices import NoPrice, NotOffered, NotPriced, PriceTable, load
from tandem.cost.run_price import run_price
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.sample import gradable
from tandem.finetuning.dataset.splits import SPLITS
from tandem.finetuning.dataset.store import DataSetVersion
from tandem.finetuning.dataset.template import THINK, THOUGHT
from tandem.finetuning.recipe import served_tokens
from tandem.finetuning.share import share
from tandem.measures import patterns
from tandem.runtime.quotas import Quotas, short_of

from . import row_lengths
from .base import Plan
from .base_models import ALWAYS, MODELS, SWITCHED_OFF, is_gated
from .instances import HEADROOM, INSTANCES, Gpu, beside, choose, expected_seconds, host_gb, lacks
from .room import check_room
from .row_lengths import Counted
from .serving import Serving, serving_quotas
from .shapes import ModelShape, Unsized
from .sizing import ALL_LINEAR, GB, MemoryEstimate, StoredSize, estimate, shape_of, stored

LESS_MEMORY = {"full": ("lora", "qlora"), "lora": ("qlora",), "qlora": ()}
START_SECONDS = 600  # pulling an image of some 10 GB and loading the model
KEPT_CHECKPOINTS = 2
FEW_STEPS, HIGH_RATE = 10, 0.005  # beyond them a run learns next to nothing, or diverges
TOKEN_KEY = "tandem:hubTokenSecret"  # noqa: S105 (its name)
TABLES = ("embed_tokens", "lm_head")  # which an adapter may be on, besides the layers that the sizing knows


def preflight(
    client: Callable[[str], Any],
    recipe: Mapping[str, Any],
    data_set: DataSetVersion,
    manifest: Mapping[str, Any],
    envelope: RunEnvelope,
    artifacts: str,
    datasets: str,
    quotas: Quotas,
    configuration: Mapping[str, str] | None = None,
) -> Plan:
    """Check a run against the model, the data set, the run envelope, the account's quota and the price table.

    `client` gives a boto3 client by its service's name; `artifacts` is the bucket that base models of one's own are in,
    `datasets` that of the data sets; `configuration` is the stack's, by which the tuned model is to be served.
    The plan has no price where the region, or what the run takes there, has no row: that is said, and asked about
    before a start. Raises `Mistakes` with every reason that the run should not be started.
    """
    checks, notes = Checks(), []
    base = recipe["base_model"]
    configuration = configuration or {}
    serving = Serving.of(configuration)
    _check_token(base, configuration, serving, checks, notes)
    config, modules, files = None, {*ALL_LINEAR, *TABLES}, {}
    if base.endswith("/"):
        config, modules = _own_model(client("s3"), artifacts, base, checks)
        files = row_lengths.tokenizer_files(client("s3"), artifacts, base)
    if recipe["learning_rate"] > HIGH_RATE:
        notes.append(f"learning_rate {recipe['learning_rate']} is high: the loss may diverge, which ends the run.")
    test = row_lengths.read_split(client("s3"), datasets, data_set, "test")
    row_lengths.check_questions(test, checks, notes)
    _check_thoughts(base, test, checks)
    table = _prices(client("sts").meta.region_name)
    if modules is not None and recipe["lora"] and isinstance(recipe["lora"]["modules"], list):
        _check_modules(recipe["lora"]["modules"], modules, checks)
    if pattern := (recipe["evaluation"]["format"] or {}).get("regex"):
        try:
            patterns.check("regex", pattern)
        except TandemError as error:
            checks.add("evaluation.format", str(error), "No answer could be held against it.")
    _check_quotas(client("service-quotas"), quotas, serving, checks, notes)
    price = None
    try:
        shape = _shape(base, config, notes)
        train = manifest["splits"]["train"]["tokens"]
        if counted := _count(client("s3"), datasets, data_set, manifest, recipe, shape, files, checks):
            room = served_tokens(recipe, shape.context_tokens) if shape else None
            row_lengths.check(counted, recipe, room, checks, notes)
            train = counted.splits["train"]
        if shape:
            _check_tied(recipe, shape, checks)
            _check_memory(recipe, shape, envelope, table, checks, notes)
            check_room(recipe, shape, envelope.evaluation_instance_type, serving, table, checks, notes)
        steps = _steps(recipe, manifest)
        if steps < FEW_STEPS:
            notes.append(f"The run has {steps} steps in all: {_more_steps(recipe)}.")
        seconds = _seconds(recipe, shape, steps, train["mean"], envelope, checks)
        size = stored(shape, recipe["method"], **_adapter(recipe)) if shape else StoredSize(0.0, 0.0)
        price = run_price(
            envelope,
            table,
            artifact_gb=Decimal(str(size.artifact)),
            checkpoint_gb=KEPT_CHECKPOINTS * Decimal(str(size.checkpoint)),
            expected_seconds=seconds,
        )
        if not envelope.instance_type.startswith("ml."):
            notes.append(_traffic(base, shape, envelope, table))
    except NotOffered as error:
        checks.add("tandem:trainingInstance", str(error), "Choose another one, or another region.")
    except NotPriced as error:
        notes.append(f"What the run costs is not known, and it costs something all the same. {error}.")
    except TandemError as error:  # it can't be sized
        checks.add("memory", "can't be estimated", f"{error}.")
    checks.finish("Nothing is started or billed: the run")
    return Plan(recipe, data_set, manifest, price, tuple(notes), json.loads(envelope.to_json()))


def _check_thoughts(base: str, test: list[Row], checks: Checks) -> None:
    """Adds that answers of test have thoughts, or none, where the job would refuse rows for it, once it is billed."""
    thinking = MODELS[base].thinking if base in MODELS else ""
    thoughtful = sum(THOUGHT in row.messages[-1][1] for row in gradable(test))
    problem = f"{thoughtful} of {len(gradable(test))} answers of test have thoughts ({THINK}...{THOUGHT})"
    if thinking == SWITCHED_OFF and thoughtful:
        checks.add("base_model", f"{problem}, and thinking is switched off in the template of {base}", "Take them out.")
    elif thinking == ALWAYS and thoughtful < len(gradable(test)):
        checks.add("base_model", f"{problem}, and {base} can't but think", "Tune its variant that doesn't.")


def _shape(base: str, config: Mapping[str, Any] | None, notes: list[str]) -> ModelShape | None:
    """The base model's shape, with a note of what is known of it; None where it can't be sized, which is noted."""
    if row := MODELS.get(base):
        gate = ", gated on the Hugging Face hub" if row.gated else ""
        notes.append(f"Base model: licence {row.licence}{gate} (read {row.read}).")
    try:
        return shape_of(base, config)
    except Unsized as error:
        what = "whether it fits and how long it takes is not checked, and storage is not in the price"
        notes.append(f"Base model: {error}. Without a size {what}.")
        return None


def _prices(region: str) -> PriceTable:
    """The prices of a region; none where nobody has looked them up, which keeps nobody from training there."""
    try:
        return load(region)
    except NotPriced:
        return PriceTable(region, (), {})


def _count(
    s3: Any,
    bucket: str,
    data_set: DataSetVersion,
    manifest: Mapping[str, Any],
    recipe: Mapping[str, Any],
    shape: ModelShape | None,
    files: Mapping[str, bytes],
    checks: Checks,
) -> Counted | None:
    """The tokens of the data set's rows; None where they can't be counted, which is added."""

    def read() -> dict[str, list[Row]]:
        return {split: row_lengths.read_split(s3, bucket, data_set, split) for split in SPLITS}

    limit = recipe["max_sequence_tokens"]
    if shape:
        limit = min(limit, shape.context_tokens - recipe["evaluation"]["max_new_tokens"])
    try:
        return row_lengths.count(manifest, read, shape.vocabulary if shape else None, files, limit)
    except TandemError as error:
        checks.add("rows", str(error), "Mend the rows, or take another base model.")
        return None


def _traffic(base: str, shape: ModelShape | None, envelope: RunEnvelope, table: PriceTable) -> str:
    """What nodes of a cluster fetch beside the price; jobs of SageMaker are in no network of the account's."""
    usd = None
    with suppress(NoPrice):
        usd = table.price("AmazonEC2", "nat:data").usd
    rate = f"${usd} a GB" if usd else "which has no price here"
    note = f"Not in the price: what nodes fetch through a NAT gateway, {rate}"
    if base.endswith("/"):
        return f"{note}; images and the bucket's model come by S3's gateway endpoint, if the network has one."
    nodes = envelope.instance_count + 1
    if not shape:
        return f"{note}: {base} from the hub, to {nodes} nodes an attempt."
    gb = Decimal(2 * shape.parameters * nodes) / Decimal(GB)
    cost = f" (${gb * usd:.2f})" if usd else ""
    return f"{note}: {base} from the hub, to {nodes} nodes an attempt, {gb:.1f} GB in all{cost}."


def _adapter(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Rank and modules of the recipe's adapter; nothing without one."""
    return {key: recipe["lora"][key] for key in ("rank", "modules")} if recipe["lora"] else {}


def _needed(recipe: Mapping[str, Any], shape: ModelShape, world: int) -> MemoryEstimate:
    """What the run takes of each of so many GPUs; raises `TandemError` where they can't share a step."""
    rows = share(recipe, world).rows
    return estimate(shape, recipe["method"], recipe["max_sequence_tokens"], rows, world=world, **_adapter(recipe))


def _check_memory(
    recipe: Mapping[str, Any],
    shape: ModelShape,
    envelope: RunEnvelope,
    table: PriceTable,
    checks: Checks,
    notes: list[str],
) -> None:
    """Adds why the run doesn't fit its instances, or how well it does; raises `TandemError` where it can't be sized."""
    instance, gpu = envelope.instance_type, INSTANCES.get(envelope.instance_type)
    world = envelope.instance_count * (gpu.count if gpu else 1)
    try:
        share(recipe, world)
    except TandemError as error:
        remedy = f"The stack trains on tandem:trainingInstances {envelope.instance_count} of {instance}."
        checks.add("gradient_accumulation", str(error), remedy)
        return
    if gpu is None:
        notes.append(f"Memory is not checked: {instance} is not among the GPU instances that are known.")
        return
    need = _needed(recipe, shape, world)
    lacking = lacks(need, gpu)
    each = f" on each of {world} GPUs" if world > 1 else ""
    if lacking is None:
        notes.append(f"Memory: about {need.total:.1f} of {gpu.gb} GB ({gpu.kind}, {instance}){each}.")
        return
    problem = {
        "GPU": f"needs {need.total:.1f} GB of GPU memory{each} and {HEADROOM:.0%} to spare; a {gpu.kind} of "
        f"{instance} has {gpu.gb}",
        "host": f"needs {host_gb(need, gpu):.1f} GB of the machine's own memory and {HEADROOM:.0%} to spare, since "
        f"the base model is read there; {instance} has {gpu.host_gb:.1f}",
    }
    remedy = _what_fits(recipe, shape, gpu, world, table, beside(instance))
    checks.add(f"batch_size {recipe['batch_size']} x {recipe['max_sequence_tokens']} tokens", problem[lacking], remedy)


def _what_fits(
    recipe: Mapping[str, Any],
    shape: ModelShape,
    gpu: Gpu,
    world: int,
    table: PriceTable,
    instances: Mapping[str, Gpu],
) -> str:
    """What fits instead, on these GPUs and on others, as a sentence."""

    def fits(changes: Mapping[str, Any]) -> bool:
        return lacks(_needed({**recipe, **changes}, shape, world), gpu) is None

    step, found, failed = recipe["batch_size"] * recipe["gradient_accumulation"], [], []
    fewer = (rows for rows in range(recipe["batch_size"] - 1, 0, -1) if step % (rows * world) == 0)
    smaller = ({"batch_size": rows, "gradient_accumulation": step // rows} for rows in fewer)
    if changes := next(filter(fits, smaller), None):
        found.append(" with ".join(f"{key} {value}" for key, value in changes.items()) + ", which learns the same")
    cheaper = LESS_MEMORY[recipe["method"]]
    if method := next((method for method in cheaper if fits({"method": method})), None):
        found.append(f"method {method}")
    for method in (recipe["method"], *(() if found else cheaper)):
        try:
            chosen = choose(partial(_needed, {**recipe, "method": method}, shape), table, instances=instances)
        except TandemError as error:
            failed.append(str(error))
            continue
        where = f"tandem:trainingInstance {chosen.instance}"
        if (chosen.count, world) != (1, gpu.count):
            where += f" and tandem:trainingInstances {chosen.count}"
        found.append(where if method == recipe["method"] else f"method {method} with {where}")
        break
    if not found:
        return f"{failed[0][0].upper()}{failed[0][1:]}."
    return f"Set {', or '.join(found)}." + (f" With method {recipe['method']}, {failed[0]}." if failed else "")


def _check_token(
    base: str, configuration: Mapping[str, str], serving: Serving | None, checks: Checks, notes: list[str]
) -> None:
    """Adds that a gated model has no token to be fetched with."""
    if not is_gated(base) or configuration.get(TOKEN_KEY):
        return
    problem = f"{base} is gated on the Hugging Face hub: jobs need a token of an account that accepted its licence"
    remedy = f"Set {TOKEN_KEY} to the ARN of a secret with it, `pulumi up`; or upload the model under models/."
    if serving:
        checks.add("base_model", problem, remedy)
    else:  # another program, whose own setting isn't known here
        notes.append(f"{problem} (`hub_token_secret`).")


def _steps(recipe: Mapping[str, Any], manifest: Mapping[str, Any]) -> int:
    rows = recipe["batch_size"] * recipe["gradient_accumulation"]
    return recipe["max_steps"] or math.ceil(manifest["splits"]["train"]["rows"] / rows) * recipe["epochs"]


def _more_steps(recipe: Mapping[str, Any]) -> str:
    """What makes more steps of a recipe; no other key does, once `max_steps` is given."""
    if recipe["max_steps"]:
        return "raise max_steps, or leave it out"
    fewer = next((f"lower {key}, or " for key in ("gradient_accumulation", "batch_size") if recipe[key] > 1), "")
    return f"{fewer}train for more epochs"


def _seconds(
    recipe: Mapping[str, Any], shape: ModelShape | None, steps: int, mean: float, envelope: RunEnvelope, checks: Checks
) -> int | None:
    """Roughly how long training takes, None where nobody knows; adds why an attempt would end without a checkpoint."""
    gpu = INSTANCES.get(envelope.instance_type) if shape else None
    tokens = round(recipe["batch_size"] * recipe["gradient_accumulation"] * mean)
    world = envelope.instance_count * gpu.count if gpu else 0
    step = expected_seconds(tokens, shape, recipe["method"], gpu, world) if shape and gpu else 0.0
    first = START_SECONDS + step * min(recipe["checkpoint_steps"], steps)
    if first >= envelope.max_runtime_seconds:
        checks.add(
            "maxTrainingHours",
            f"{envelope.max_runtime_seconds} s are too short to save a checkpoint: the first one comes after some "
            f"{first:.0f} s, {START_SECONDS} of them before the first step",
            "Raise tandem:maxTrainingHours, or lower checkpoint_steps.",
        )
    return round(START_SECONDS + step * steps) if gpu else None


def _own_model(s3: Any, bucket: str, prefix: str, checks: Checks) -> tuple[dict[str, Any] | None, set[str] | None]:
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
        checks.add("base_model", f"{uri} has no config.json", "Upload a model in Hugging Face's layout there.")
        return None, None
    if not weights:
        checks.add("base_model", f"{uri} has no *.safetensors", "Save the model as safetensors and upload it there.")
        return config, None
    return config, {name.removesuffix(".weight").rpartition(".")[2] for name in names if name.endswith(".weight")}


def _tensors(s3: Any, bucket: str, key: str) -> list[str]:
    """Names of a file's tensors: eight bytes with the length of a JSON header, then the header (safetensors README)."""
    (length,) = struct.unpack("<Q", s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-7")["Body"].read())
    header = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=8-{7 + length}")["Body"].read()
    return [name for name in json.loads(header) if name != "__metadata__"]


def _check_modules(wanted: list[str], modules: set[str], checks: Checks) -> None:
    if absent := [name for name in wanted if name.rpartition(".")[2] not in modules]:
        checks.add(
            "lora.modules", f"{', '.join(absent)} match nothing in the model", f"It has {', '.join(sorted(modules))}."
        )


def _check_tied(recipe: Mapping[str, Any], shape: ModelShape, checks: Checks) -> None:
    """Adds an adapter on weights that are embeddings and head at once, which the job refuses once it is billed."""
    modules = recipe["lora"]["modules"] if recipe["lora"] and shape.tied else ()
    if shared := [name for name in modules if name.rpartition(".")[2] in TABLES]:  # none in the letters of `all-linear`
        problem = f"{', '.join(shared)}: embeddings and head of {recipe['base_model']} are the same weights"
        checks.add("lora.modules", problem, "Merged into one, the adapter would change the other: leave it out.")


def _check_quotas(client: Any, quotas: Quotas, serving: Serving | None, checks: Checks, notes: list[str]) -> None:
    """Adds why the account may not run as many instances; notes what will be too little for the endpoint."""
    try:
        short, unknown = short_of(client, quotas, "the run")
        later, more = short_of(client, serving_quotas(serving, again=True), "a new model") if serving else ([], [])
    except (ClientError, BotoCoreError) as error:
        notes.append(f"Quotas are not checked: {error}")
        return
    for problem, remedy in short:
        checks.add("quota", problem, remedy)
    notes += [f"Endpoint: {problem}. {remedy}" for problem, remedy in later]
    if unknown := [*unknown, *more]:
        names = ", ".join(map(repr, unknown))
        notes.append(f"Quotas are not checked that Service Quotas doesn't list: {names}.")
