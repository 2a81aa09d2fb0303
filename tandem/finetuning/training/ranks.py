"""The processes of a training job: which one this is of how many, as torchrun says, and what they agree on."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .layout import Refused

PR_SET_PDEATHSIG = 1  # prctl(2)
HOSTS = "TANDEM_HOSTS"  # the names of all hosts in their order, set by the launcher


def is_one() -> bool:
    """Whether this process was started by torchrun, as one rank of a job."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@dataclass(frozen=True)
class Ranks:
    """This process among the others, as `torch.distributed` has them."""

    rank: int
    world: int
    local: int
    """Its number on its host."""
    hosts: tuple[str, ...]
    number: int
    """Of its host, from 0."""

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes metrics, the mark and the model."""
        return self.rank == 0

    @property
    def is_first_of_host(self) -> bool:
        """Whether it is the one that looks after its host's folder."""
        return self.local == 0

    @property
    def host(self) -> str:
        """Its host's name."""
        return self.hosts[self.number]

    def same(self, what: str, value: str, remedy: str) -> None:
        """Raise `Refused` on all ranks unless all of them give the same value."""
        values = self.all(value)
        other = next((rank for rank, each in enumerate(values) if each != values[0]), None)
        if other is not None:
            raise Refused(f"Rank {other} has another {what} ({values[other]}) than rank 0 ({values[0]}): {remedy}")

    def all(self, value: Any) -> list[Any]:
        """What each rank gives, by rank."""
        import torch.distributed

        values: list[Any] = [None] * self.world
        torch.distributed.all_gather_object(values, value)
        return values

    def any(self, asked: bool, device: Any) -> bool:
        """Whether a rank says so; asked at the same place by all."""
        import torch

        found = torch.tensor(float(asked), device=device)
        if self.world > 1:
            torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return bool(found.item())

    def wait(self) -> None:
        """Until all ranks are here."""
        import torch.distributed

        if self.world > 1:
            torch.distributed.barrier()


def end_with_parent() -> None:
    """Have Linux end this process when the launcher is killed: it has a session of its own, which nobody would end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def join(gpu: bool) -> Ranks:
    """Meet the other ranks: over NCCL where there are GPUs, of which each rank gets its own, else over gloo."""
    import torch

    local = int(os.environ["LOCAL_RANK"])
    if gpu:
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("nccl" if gpu else "gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    return Ranks(rank, world, local, hosts(), int(os.environ["GROUP_RANK"]))


def leave() -> None:
    """The end of what `join` began."""
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def hosts() -> tuple[str, ...]:
    """The names of the job's hosts; torchrun knows only their number."""
    names: Sequence[str] = os.environ.get(HOSTS, "").split()
    count = int(os.environ["GROUP_WORLD_SIZE"])
    return tuple(names) if len(names) == count else tuple(f"host-{number}" for number in range(count))
