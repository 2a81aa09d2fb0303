"""Starts a rank for each GPU of each host, or one on a host without, by torchrun; says with one reason how it ended.

Who the hosts are comes from SageMaker's `resourceconfig.json`, from Kubeflow Trainer's `PET_*`, or from torchrun's own
flags. torchrun ends with 1 whatever a rank said, and gives ranks that are told to end 30 seconds, so both are done
here: each rank leaves its verdict in a file, and SIGTERM goes to the ranks alone.
"""

import argparse
import contextlib
import datetime
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.errors import Unavailable
from tandem_contract.instance_types import RDMA, efa_variables

from . import logs, models, ranks
from .layout import Layout, Refused, say

VERDICTS = "TANDEM_VERDICTS"  # a folder, for a file of each rank that ended with an error
MODULE = "tandem.finetuning.training"
PORT = 7777
MEET_SECONDS = float(os.environ.get("TANDEM_MEET_SECONDS") or 900)
"""How long the hosts wait for each other: instances of one job come minutes apart."""
GRACE_SECONDS = 10.0
"""Until ranks that are in the way of an end are killed."""
EVERY_SECONDS = 0.5

FAILED, REFUSED, INTERRUPTED = 1, 2, 143
OURS_TO_SUGGEST = ("NCCL_", "GLOO_", "FI_")  # what the image sets of these counts


class Verdict(NamedTuple):
    """How a rank ended, and when."""

    code: int
    reason: str
    time: float
    killed: bool = False

    @property
    def order(self) -> tuple[int, float]:
        """The first of several is what the others follow from: a refusal, a rank that was killed, an end on request,
        or else the first error."""
        cause = 0 if self.code == REFUSED else 1 if self.killed else 2 if self.code == INTERRUPTED else 3
        return cause, self.time


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

    @property
    def name(self) -> str:
        """Of this host."""
        return self.hosts[self.number]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add torchrun's flags for a plain machine, by its names."""
    group = parser.add_argument_group("ranks, where neither SageMaker nor Kubeflow tells them")
    group.add_argument("--nnodes", type=int, help="hosts (1)")
    group.add_argument("--node-rank", type=int, help="which of them this is, from 0")
    group.add_argument("--nproc-per-node", type=int, help="ranks on each (its GPUs, or 1)")
    group.add_argument("--master-addr", help="the first host")
    group.add_argument("--master-port", type=int, help=f"its port ({PORT})")


def place(layout: Layout, flags: argparse.Namespace | None = None) -> Place:
    """Where this host stands; raises `Refused` if what is said of it contradicts itself."""
    flags = flags or argparse.Namespace(nnodes=None, node_rank=None, master_addr=None, master_port=None)
    file = layout.root / "input" / "config" / "resourceconfig.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    port = flags.master_port or int(os.environ.get("MASTER_PORT") or os.environ.get("PET_MASTER_PORT") or PORT)
    if said and flags.nnodes is None:
        hosts, own = sorted(said["hosts"], key=_by_number), said["current_host"]
        if own not in hosts:
            raise Refused(f"resourceconfig.json names this host {own!r}, which isn't among its hosts {hosts}.")
        master = os.environ.get("MASTER_ADDR") or hosts[0]
        kind = said.get("current_instance_type", "")
        return Place(tuple(hosts), hosts.index(own), master, port, said.get("network_interface_name", ""), kind)
    count = flags.nnodes or int(os.environ.get("PET_NNODES") or 1)
    number = os.environ.get("PET_NODE_RANK") if flags.node_rank is None else flags.node_rank
    master = flags.master_addr or os.environ.get("PET_MASTER_ADDR") or ""
    if count > 1 and (number is None or not master):
        raise Refused(f"{count} hosts need --node-rank and --master-addr on each: which of them it is, and the first.")
    if not 0 <= int(number or 0) < count:
        raise Refused(f"--node-rank {number} is not one of {count} hosts: they count from 0.")
    return Place(tuple(f"host-{each}" for each in range(count)), int(number or 0), master or "127.0.0.1", port)


def host(layout: Layout, flags: argparse.Namespace) -> str:
    """This host's name, for its log; `host` where that can't be told, which `launch` refuses."""
    try:
        return place(layout, flags).name
    except (Refused, ValueError):
        return "host"


def launch(layout: Layout, step: str, flags: argparse.Namespace) -> int:
    """Run a step in all ranks of this host; its exit code. `output/failure` has the reason of another than 0.

    Raises `Refused` where there is nothing to start, and `Unavailable` where the hosts don't meet.
    """
    models.settle()
    models.need(("torch", "psutil"))
    here = place(layout, flags)
    there, asked = _gpus(here), flags.nproc_per_node or _number(os.environ.get("PET_NPROC_PER_NODE"))
    if asked > there > 0:
        raise Refused(f"{asked} ranks are asked for, and {here.name} has {there} GPUs: each needs one of its own.")
    count = asked or there or 1
    say(f"{here.name}, one of {', '.join(here.hosts)}: {count} ranks" if len(here.hosts) > 1 else f"{count} ranks")
    with tempfile.TemporaryDirectory() as folder, _told(here) as others:
        ended = _run(here, count, Path(folder), step, others)
        if ended is None:
            return 0
        ended = others.agree(ended)
    layout.fail(ended.reason)
    print(ended.reason, file=sys.stderr, flush=True)
    return ended.code


def note(code: int, reason: str) -> None:
    """Leave a rank's verdict for the launcher."""
    folder = Path(os.environ[VERDICTS])
    (folder / os.environ["RANK"]).write_text(json.dumps(Verdict(code, reason, time.time())._asdict()), encoding="utf-8")


def _number(text: str | None) -> int:
    """A number of ranks; 0 where it is left to us, as by Kubeflow's `auto`, `gpu` and `cpu`."""
    return int(text) if text and text.isdecimal() else 0


def _by_number(host: str) -> tuple[int, str]:
    """SageMaker's algo-10 comes after algo-9."""
    number = host.rpartition("-")[2]
    return (int(number) if number.isdecimal() else 0, host)


def _gpus(here: Place) -> int:
    count = models.gpus()
    if not count and here.instance and has_gpu(here.instance):
        raise Refused(
            f"{here.name} is an {here.instance}, and no GPU can be used there: is the image's CUDA newer than the "
            "host's driver? It would train on the processor, at the GPU's price."
        )
    return count


def has_gpu(instance: str) -> bool:
    """Whether an instance type of SageMaker (`ml.g6e.2xlarge`) has NVIDIA GPUs, by its family."""
    family = instance.removeprefix("ml.").partition(".")[0]
    return family[:1] in ("g", "p") and family[1:2].isdecimal() and not family.startswith("g5g")


def _environment(here: Place, folder: Path) -> dict[str, str]:
    found = {ranks.HOSTS: " ".join(here.hosts), VERDICTS: str(folder)}
    if len(here.hosts) > 1:
        if here.interface in (name for _, name in socket.if_nameindex()):
            found |= {"NCCL_SOCKET_IFNAME": here.interface, "GLOO_SOCKET_IFNAME": here.interface}
        if (instance := here.instance.removeprefix("ml.")).startswith(RDMA):
            found |= efa_variables(instance)
    return found


def _torchrun(here: Place, count: int, step: str) -> list[str]:
    several = [f"--node-rank={here.number}", f"--master-addr={here.master}", f"--master-port={here.port}"]
    alone = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    program = [sys.argv[0]] if zipfile.is_zipfile(sys.argv[0]) else ["-m", MODULE]
    options = several if len(here.hosts) > 1 else alone
    wait = f"--rdzv-conf=timeout={MEET_SECONDS:.0f}" if len(here.hosts) > 1 else "--rdzv-conf=join_timeout=60"
    numbers = [f"--nnodes={len(here.hosts)}", f"--nproc-per-node={count}", "--max-restarts=0", wait]
    return [*numbers, *options, *program, step]


def _run(here: Place, count: int, folder: Path, step: str, others: "_Others") -> Verdict | None:
    """How the ranks ended; None: all well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    for name in [name for name in os.environ if name.startswith("PET_")]:
        del os.environ[name]  # what of them counts is in the flags
    for name, value in _environment(here, folder).items():
        if not (name.startswith(OURS_TO_SUGGEST) and name in os.environ):
            os.environ[name] = value
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing import api

    told = _Told(others)
    # Its own ends the ranks within 30 seconds, and can't be left out before torch 2.11.
    api._terminate_process_handler = told.ask
    try:
        with told:
            torchrun.run(torchrun.parse_args(_torchrun(here, count, step)))
    except ChildFailedError as error:
        return _verdict(folder, error.failures, told.asked)
    except Exception as error:  # torch's rendezvous raises no common class
        if told.asked:
            return Verdict(INTERRUPTED, "Told to end before the ranks had met.", time.time())
        return Verdict(FAILED, f"The ranks didn't meet: {type(error).__name__}: {error}", time.time())
    return None


def _verdict(folder: Path, failures: Mapping[int, Any], asked: bool) -> Verdict:
    """What the ends of the ranks of this host follow from."""
    said = {int(file.name): Verdict(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.iterdir()}
    for rank, failure in failures.items():
        if failure.exitcode < 0 and rank not in said and not asked:
            name = signal.Signals(-failure.exitcode).name
            why = ": there was too little main memory, or somebody ended it" if name == "SIGKILL" else ""
            said[rank] = Verdict(FAILED, f"Rank {rank} was killed by {name}{why}.", time.time(), killed=True)
    nothing = Verdict(FAILED, "A rank ended without a word; see the log.", time.time())
    return min(said.values(), key=lambda each: each.order, default=nothing)


class _Told:
    """While the ranks run: SIGTERM goes to them alone, and the end of another host's ends them."""

    def __init__(self, others: "_Others") -> None:
        self.asked, self._others = False, others
        self._done = threading.Event()

    def __enter__(self) -> None:
        signal.signal(signal.SIGTERM, self.ask)
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def ask(self, *_: object) -> None:
        """The handler of signals that ask to end."""
        self.asked = True
        _send(signal.SIGTERM)

    def _watch(self) -> None:
        while not self._done.wait(EVERY_SECONDS):
            if self._others.failed():
                _send(signal.SIGTERM)
                if not self._done.wait(GRACE_SECONDS):
                    _send(signal.SIGKILL)
                return


def _send(number: signal.Signals) -> None:
    """To the ranks of this host, each of which has a session of its own."""
    import psutil

    for process in psutil.Process().children():
        if logs.is_tee(process.pid):
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class _Others:
    """What the launchers of the hosts tell each other, over a store on the first one; alone there is none."""

    def __init__(self, here: Place, store: Any = None) -> None:
        self._here, self._store, self._lock = here, store, threading.Lock()

    def failed(self) -> bool:
        """Whether a host has ended with an error, or the first one is gone."""
        return self._store is not None and self._has(["ended"], gone=True)

    def agree(self, own: Verdict) -> Verdict:
        """One verdict of all hosts: what the others' ends follow from. It waits a little for theirs."""
        if self._store is None:
            return own
        self._set(f"verdict/{self._here.name}", json.dumps(own))
        self._set("ended", "")
        until, found = time.monotonic() + GRACE_SECONDS, {self._here.name: own}
        while len(found) < len(self._here.hosts) and own.order[0] > 0 and time.monotonic() < until:
            for host in self._here.hosts:
                if host not in found and self._has([f"verdict/{host}"], gone=False):
                    with self._lock, contextlib.suppress(RuntimeError):
                        found[host] = Verdict(*json.loads(self._store.get(f"verdict/{host}")))
            time.sleep(EVERY_SECONDS)
        return min(found.values(), key=lambda each: each.order)

    def _has(self, names: list[str], *, gone: bool) -> bool:
        with self._lock:
            try:
                return bool(self._store.check(names))
            except RuntimeError:  # the first host isn't there any more
                return gone

    def _set(self, name: str, value: str) -> None:
        with self._lock, contextlib.suppress(RuntimeError):
            self._store.set(name, value)


@contextlib.contextmanager
def _told(here: Place) -> Generator[_Others]:
    """Meet the other hosts; raises `Unavailable`, with the names of those that didn't come."""
    if len(here.hosts) == 1:
        yield _Others(here)
        return
    from torch.distributed import DistNetworkError, TCPStore

    first = here.number == 0
    wait = datetime.timedelta(seconds=MEET_SECONDS)
    try:
        store = TCPStore(here.master, here.port + 1, is_master=first, wait_for_workers=False, timeout=wait)
        store.set(f"here/{here.name}", "")
        for host in here.hosts:
            if not _comes(store, host, time.monotonic() + MEET_SECONDS):
                raise Unavailable(
                    f"{host} didn't come to {here.hosts[0]} ({here.master}:{here.port + 1}) within "
                    f"{MEET_SECONDS:.0f} s: did its container start, and may the hosts reach each other?"
                )
    except (DistNetworkError, socket.gaierror) as error:
        raise Unavailable(
            f"{here.name} didn't reach {here.hosts[0]} ({here.master}:{here.port + 1}) within {MEET_SECONDS:.0f} s: "
            f"{models.first_line(error)}"
        ) from error
    try:
        yield _Others(here, store)
    finally:
        if first:
            _linger(store, here)
        else:
            with contextlib.suppress(RuntimeError):
                store.set(f"gone/{here.name}", "")


def _comes(store: Any, host: str, until: float) -> bool:
    while not store.check([f"here/{host}"]):
        if time.monotonic() > until:
            return False
        time.sleep(EVERY_SECONDS)
    return True


def _linger(store: Any, here: Place) -> None:
    """The store goes with the first host, so that stays until the others have read why it ends."""
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and not store.check([f"gone/{host}" for host in here.hosts[1:]]):
        time.sleep(EVERY_SECONDS)
