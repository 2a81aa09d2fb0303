"""Which host of a job this is: by SageMaker's file, Kubeflow Trainer's variables, or torchrun's flags."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tandem_contract.names import Variable

from . import models
from .layout import Layout, Refused

PORT = 7777
IMAGE_DRIVER = Path("/usr/local/cuda/compat")


@dataclass(frozen=True)
class Place:
    """This host among those of the job."""

    hosts: tuple[str, ...]
    number: int
    """Of this one, from 0."""
    master: str
    port: int
    interface: str = ""
    instance: str = ""
    """Its type, where SageMaker or the cluster's function says so."""

    @property
    def name(self) -> str:
        """Of this host."""
        return self.hosts[self.number]


class Parser(argparse.ArgumentParser):
    """A step, and torchrun's flags for a plain machine, each by both of its names; mistakes are a job's failure too."""

    def __init__(self, steps: Sequence[str], description: str | None = None) -> None:
        super().__init__(prog="tandem.finetuning.training", description=description)
        self.add_argument("step", choices=steps)
        group = self.add_argument_group("ranks that train, where neither SageMaker nor Kubeflow tells them")
        group.add_argument("--nnodes", type=int, help="hosts (1)")
        group.add_argument("--node-rank", "--node_rank", type=int, help="which of them this is, from 0")
        group.add_argument("--nproc-per-node", "--nproc_per_node", type=int, help="ranks on each (its GPUs, or 1)")
        group.add_argument("--master-addr", "--master_addr", help="the first host")
        group.add_argument("--master-port", "--master_port", type=int, help=f"its port ({PORT})")

    def read(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The arguments; ends the process with 2, and the reason in `output/failure`, for what isn't one."""
        given = self.parse_args(arguments)
        flags = [name for name, value in vars(given).items() if name != "step" and value is not None]
        if flags and given.step != "train":
            names = ", ".join(f"--{name.replace('_', '-')}" for name in flags)
            self.error(f"{given.step} is one process on one host, and takes no {names}: leave it out")
        return given

    def error(self, message: str) -> NoReturn:
        """Say it where a job's failure is read, and end."""
        Layout.from_environment().fail(f"Arguments: {message}.")
        super().error(message)


def place(layout: Layout, flags: argparse.Namespace | None = None) -> Place:
    """Where this host stands; raises `Refused` if what is said of it contradicts itself."""
    flags = flags or argparse.Namespace(nnodes=None, node_rank=None, master_addr=None, master_port=None)
    named = os.environ.get("MASTER_PORT") or os.environ.get("PET_MASTER_PORT") or PORT
    port = _whole("the master's port", flags.master_port or named, 1, 65_534)  # the next one is the launchers' own
    file = layout.root / "input" / "config" / "resourceconfig.json"
    if file.is_file() and flags.nnodes is None:
        if flags.node_rank is not None:
            raise Refused(f"--node-rank {flags.node_rank} needs --nnodes: without it, hosts are those of {file.name}.")
        hosts, own, said = _resources(file)
        master = os.environ.get("MASTER_ADDR") or hosts[0]
        interface, kind = said.get("network_interface_name", ""), said.get("current_instance_type", "")
        return Place(tuple(hosts), hosts.index(own), master, port, interface, kind)
    count = _whole("--nnodes", os.environ.get("PET_NNODES") or 1 if flags.nnodes is None else flags.nnodes, 1)
    number = os.environ.get("PET_NODE_RANK") if flags.node_rank is None else flags.node_rank
    master = flags.master_addr or os.environ.get("PET_MASTER_ADDR") or ""
    if count > 1 and (number is None or not master):
        raise Refused(f"{count} hosts need --node-rank and --master-addr on each: which of them it is, and the first.")
    number = _whole("--node-rank", number or 0, 0, count - 1)
    hosts, kind = tuple(f"host-{each}" for each in range(count)), os.environ.get(Variable.INSTANCE_TYPE, "")
    return Place(hosts, number, master or "127.0.0.1", port, instance=kind)


def gpus(here: Place) -> int:
    """How many GPUs can be used here; raises `Refused` if none can on an instance that has some, and is paid for."""
    count = models.gpus()
    if not count and has_gpu(here.instance):
        raise Refused(
            f"{here.name} is an {here.instance}, and no GPU can be used there: is the image's CUDA newer than the "
            "host's driver? It would run on the processor, at the GPU's price."
        )
    return count


def has_gpu(instance: str) -> bool:
    """Whether an instance type (`ml.g6e.2xlarge`, `g6e.2xlarge`) has NVIDIA GPUs, by its family."""
    family = instance.removeprefix("ml.").partition(".")[0]
    return family[:1] in ("g", "p") and family[1:2].isdecimal() and not family.startswith(("g5g", "g4ad"))


def prefer_image_driver(layout: Layout, flags: argparse.Namespace) -> None:
    """Start this program anew with the image's own driver library, where no GPU can be used without it.

    A host's driver may be older than the image's CUDA. The entry point of AWS's serving image mends that (djl-serving,
    serving/docker/dockerd-entrypoint-with-cuda-compat.sh), and in a training job ours takes its place. Whether hosts of
    training jobs need it is not known.
    """
    try:
        instance = place(layout, flags).instance
    except Refused:
        return  # as the step will say
    paths = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    there = (IMAGE_DRIVER / "libcuda.so.1").exists() and str(IMAGE_DRIVER) not in paths
    if has_gpu(instance) and there and not models.gpus():
        print("No GPU can be used by the host's driver library: the image's own is tried", flush=True)
        os.environ["LD_LIBRARY_PATH"] = ":".join([str(IMAGE_DRIVER), *filter(None, paths)])
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this program, as it was started


def host(layout: Layout, flags: argparse.Namespace) -> str:
    """This host's name, for its log; `host` where that can't be told, which `place` refuses."""
    try:
        return place(layout, flags).name
    except Refused:
        return "host"


def _resources(file: Path) -> tuple[list[str], str, Mapping[str, Any]]:
    """The hosts in their order, this one, and all that SageMaker says."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        hosts, own = sorted(said["hosts"], key=_by_number), said["current_host"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"{file.name} can't be read ({type(error).__name__}: {error}): it is JSON with `hosts`, a list of names, "
            "and `current_host`, one of them."
        ) from error
    if own not in hosts or len(set(hosts)) < len(hosts):
        raise Refused(f"{file.name} names this host {own!r}, and its hosts {hosts}: it has to be one of them, once.")
    return hosts, own, said


def _whole(what: str, given: Any, low: int, high: int = 4096) -> int:
    text = str(given)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise Refused(f"{what} is {text!r}: give a whole number from {low} to {high}.")
    return int(text)


def _by_number(host: str) -> tuple[int, str]:
    """SageMaker's algo-10 comes after algo-9."""
    number = host.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, host)


def ranks_asked(flags: argparse.Namespace) -> int:
    """How many are asked for; 0 where it is left to us, as by Kubeflow's `auto`, `gpu` and `cpu`."""
    asked = flags.nproc_per_node
    if asked is None:
        asked = os.environ.get("PET_NPROC_PER_NODE") or "auto"
    return 0 if asked in ("auto", "gpu", "cpu") else _whole("--nproc-per-node", asked, 1)
