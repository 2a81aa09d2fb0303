"""Instances with GPUs, SageMaker's and EC2's: what each has, whether a run fits and how long it takes, the cheapest."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from tandem_contract.envelope import MOST_INSTANCES
from tandem_contract.errors import TandemError
from tandem_contract.instance_types import INSTANCE_TYPES

from tandem.cost.prices import NoPrice, PriceTable

from .shapes import ModelShape
from .sizing import GB, MemoryEstimate

TFLOPS = {"A10G": 70, "L4": 121, "L40S": 362, "A100": 312, "H100": 989}
"""Peak in bfloat16 without sparsity, from NVIDIA's data sheets."""
SHARE = 0.25
"""Of that peak, what training reaches: 0.23 on rows of 210 tokens, 0.59 on rows of 4,096 (docs/sizing.md)."""
SHARDED_SHARE = 0.94
"""Of that, what each of several GPUs keeps: seen on A100s of one host. Cards without NVLink, and hosts, keep less."""

HEADROOM = 0.10
# An 8B model was seen to take 23 of 24 GB and to fail when it saved a checkpoint (research in docs/sizing.md).
ROOMY_GB = 48
ROOMY_PARAMETERS = 6.5e9
COUNTS = range(1, MOST_INSTANCES + 1)
HOST_GB = 4
"""What Python, PyTorch and the loader take of the host's memory, beside the weights: each rank."""


class Gpu(NamedTuple):
    """What an instance has. Memory in GB as NVIDIA names it (the driver keeps less than the GiB give over that)."""

    kind: str
    count: int
    gb: int
    host_gib: int

    @property
    def host_gb(self) -> float:
        """The machine's own memory, in GB."""
        return self.host_gib * 2**30 / GB


EC2 = {
    name: Gpu(each.gpu, each.gpus, each.gpu_gb, each.memory_gib)
    for name, each in INSTANCE_TYPES.items()
    if each.gpu in TFLOPS
}
"""Those with one of these GPUs; nodes of a cluster."""
SAGEMAKER = {f"ml.{name}": gpu for name, gpu in EC2.items()}
"""As EC2 has them (host memory the same in the AmazonSageMaker price list)."""
INSTANCES = SAGEMAKER | EC2


def beside(instance: str) -> Mapping[str, Gpu]:
    """The instances that could take an instance's place: those of the same service."""
    return SAGEMAKER if instance.startswith("ml.") else EC2


def expected_seconds(tokens: int, model: ModelShape, method: str, gpu: Gpu, world: int = 1) -> float:
    """Roughly how long `world` such GPUs train on so many tokens, all epochs together; `docs/sizing.md` says how rough.

    Forward and again forward 2 operations each for a parameter and token, backward 2, or 4 where weights get gradients.
    """
    operations = (8 if method == "full" else 6) * model.parameters * tokens
    share = SHARE if world == 1 else SHARE * SHARDED_SHARE
    return operations / (world * share * TFLOPS[gpu.kind] * 1e12)


class Choice(NamedTuple):
    """Instances of a type, the price per hour of all, and what each has."""

    count: int
    usd_per_hour: Decimal | None
    """None: no instance that would do has a price."""
    instance: str
    gpu: Gpu


def lacks(need: MemoryEstimate, gpu: Gpu, at_least_gb: float = 0) -> str | None:
    """What an instance has too little of for `need` and a tenth to spare: `GPU` or `host` memory; None if it fits.

    The host is the first one, whose first rank alone reads the base model.
    """
    if gpu.gb < max(at_least_gb, need.total * (1 + HEADROOM)):
        return "GPU"
    return "host" if gpu.host_gb < host_gb(need, gpu) * (1 + HEADROOM) else None


def host_gb(need: MemoryEstimate, gpu: Gpu) -> float:
    """GB of its own memory that the first host needs: the base model there, and each rank's process."""
    return need.base + HOST_GB * gpu.count


def choose(
    needed: Callable[[int], MemoryEstimate],
    table: PriceTable,
    *,
    at_least_gb: float | None = None,
    instances: Mapping[str, Gpu] = SAGEMAKER,
) -> Choice:
    """The cheapest instances of `instances` on which a run fits with a tenth to spare, as `cheapest` takes them.

    `needed` gives the need of one GPU of so many, and raises `TandemError` for a number that can't share the run; for
    one it has to give it. One instance is taken before several: what ranks exchange between hosts is slow. Models of 7B
    and more get GPUs of 48 GB or more, unless `at_least_gb` says otherwise. Raises `TandemError`, with what to change,
    when none fits.
    """
    alone = needed(1)
    floor = at_least_gb
    if floor is None:
        floor = ROOMY_GB if alone.parameters >= ROOMY_PARAMETERS else 0
    needs = {1: alone}
    for world in {gpu.count * count for gpu in instances.values() for count in COUNTS}:
        with suppress(TandemError):
            needs[world] = needed(world)
    fitting = [
        (count, name)
        for name, gpu in instances.items()
        for count in COUNTS
        if (need := needs.get(gpu.count * count)) and lacks(need, gpu, floor) is None
    ]
    if not fitting:
        most = max(needs)
        raise TandemError(
            f"the run needs {alone.total:.0f} GB of one GPU, {needs[most].total:.0f} of each of {most}, the most that "
            f"can share a step, with {HEADROOM:.0%} to spare; the largest GPU has "
            f"{max(gpu.gb for gpu in instances.values())}: lower max_sequence_tokens, or batch_size, raise "
            "gradient_accumulation, since more GPUs can share more rows, or use method qlora"
        )
    return cheapest(fitting, table)


def price_of(instance: str) -> tuple[str, str]:
    """Service and key of an instance's hour in the price table."""
    if instance.startswith("ml."):
        return "AmazonSageMaker", f"training:{instance}"
    return "AmazonEC2", f"ondemand:{instance}"


def cheapest(candidates: Iterable[tuple[int, str]], table: PriceTable) -> Choice:
    """The cheapest of some instances, each with a count: by SageMaker's prices for training, or a node's.

    One without a price is passed over, not taken for free. Where none has one it is the one with the least GPU memory,
    and of the machine's own: what a region's prices aren't known of can be trained on all the same.
    """
    candidates, choices = list(candidates), []
    for count, name in candidates:
        with suppress(NoPrice):
            choices.append((count, table.price(*price_of(name)).usd * count, name))
    if choices:
        count, usd, name = min(choices)
        return Choice(count, usd, name, INSTANCES[name])
    _, count, name = min((_size(count, name), count, name) for count, name in candidates)
    return Choice(count, None, name, INSTANCES[name])


def _size(count: int, name: str) -> tuple[int, int, int]:
    gpu = INSTANCES[name]
    return count, gpu.count * gpu.gb, gpu.host_gib
