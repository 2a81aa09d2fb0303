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
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.errors import Unavailable
from tandem_contract.instance_types import RDMA, efa_variables

from . import logs, models, ranks
from .layout import Interrupted, Layout, Refused, say
from .place import Place, gpus, place, ranks_asked

VERDICTS = "TANDEM_VERDICTS"  # a folder, for a file of each rank that ended with an error
MODULE = "tandem.finetuning.training"
MEET_SECONDS = float(os.environ.get("TANDEM_MEET_SECONDS") or 900)
"""How long the hosts wait for each other: instances of one job come minutes apart."""
GRACE_SECONDS = 10.0
"""Until ranks that are in the way of an end are killed."""
EVERY_SECONDS = 0.5
TRY_SECONDS = 5.0

FAILED, REFUSED, INTERRUPTED = 1, 2, 143
MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")
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


def launch(layout: Layout, step: str, flags: argparse.Namespace) -> int:
    """Run a step in all ranks of this host; its exit code. `output/failure` has the reason of another than 0.

    Raises `Refused` where there is nothing to start, `Unavailable` where the hosts don't meet, and `Interrupted`.
    """
    told = _Told()  # before anything else, which takes its time
    models.settle()
    models.need(("torch", "psutil"))
    here = place(layout, flags)
    there, asked = gpus(here), ranks_asked(flags)
    if asked > there > 0:
        raise Refused(f"{asked} ranks are asked for, and {here.name} has {there} GPUs: each needs one of its own.")
    count = asked or there or 1
    ranks_here = f"{count} rank{'s' * (count != 1)}"
    say(f"{here.name}, one of {', '.join(here.hosts)}: {ranks_here}" if len(here.hosts) > 1 else ranks_here)
    with tempfile.TemporaryDirectory() as folder, _met(here, told) as others:
        ended = _run(here, count, Path(folder), step, told, others)
        if ended is None:
            return 0
        ended = others.agree(ended, told.asked)
    layout.fail(ended.reason)
    print(ended.reason, file=sys.stderr, flush=True)
    return ended.code


def note(code: int, reason: str) -> bool:
    """Leave a rank's verdict for the launcher; whether there is one, and room for it."""
    verdict = json.dumps(Verdict(code, reason, time.time())._asdict())
    try:
        Path(os.environ[VERDICTS], os.environ["RANK"]).write_text(verdict, encoding="utf-8")
    except (KeyError, OSError):
        return False
    return True


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


def _run(here: Place, count: int, folder: Path, step: str, told: "_Told", others: "_Others") -> Verdict | None:
    """How the ranks ended; None: all well."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    for name in [name for name in os.environ if name.startswith("PET_")]:
        del os.environ[name]  # what of them counts is in the flags
    for name, value in _environment(here, folder).items():
        if not (name.startswith(OURS_TO_SUGGEST) and name in os.environ):
            os.environ[name] = value
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing import api

    # Its own ends the ranks within 30 seconds, and can't be left out before torch 2.11.
    patched: Any = api
    patched._terminate_process_handler = told.ask
    told.check()
    before = memory_kills()
    try:
        with told.passing_on(others):
            torchrun.run(torchrun.parse_args(_torchrun(here, count, step)))
    except ChildFailedError as error:
        return _verdict(folder, error.failures, told, memory_kills() - before)
    except Exception as error:  # torch's rendezvous raises no common class
        if told.ends:
            return Verdict(INTERRUPTED, "Told to end before the ranks had met.", time.time())
        return Verdict(FAILED, f"The ranks didn't meet: {type(error).__name__}: {error}", time.time())
    return None


def memory_kills() -> int:
    """How many processes of this container the kernel has killed for want of memory (kernel, "Control Group v2")."""
    try:
        lines = MEMORY_EVENTS.read_text(encoding="utf-8").splitlines()
    except OSError:  # no such control groups: then nobody tells
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _verdict(folder: Path, failures: Mapping[int, Any], told: "_Told", killed_for_memory: int = 0) -> Verdict:
    """What the ends of the ranks of this host follow from."""
    said = {int(file.name): Verdict(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.iterdir()}
    for rank, failure in failures.items():
        if rank in said or failure.exitcode == FAILED:
            continue
        if failure.exitcode > 0:
            said[rank] = Verdict(failure.exitcode, f"Rank {rank} couldn't say why; see the log.", time.time())
        elif told.ends:  # before it could hear of it, or too slow for us
            said[rank] = Verdict(INTERRUPTED, "Told to end before a step was saved.", time.time())
        else:
            name = signal.Signals(-failure.exitcode).name
            if name == "SIGKILL" and killed_for_memory:
                text = f"The host has too little memory: its kernel killed rank {rank}. Take a larger instance"
                said[rank] = Verdict(REFUSED, f"{text} (`tandem finetune check` sizes it).", time.time())
                continue
            why = ": there was too little main memory, or somebody ended it" if name == "SIGKILL" else ""
            said[rank] = Verdict(FAILED, f"Rank {rank} was killed by {name}{why}.", time.time(), killed=True)
    nothing = Verdict(FAILED, "A rank ended without a word; see the log.", time.time())
    # When one fails, torchrun tells the others to end.
    causes = [each for each in said.values() if told.ends or each.code != INTERRUPTED] or list(said.values())
    return min(causes, key=lambda each: each.order, default=nothing)


class _Told:
    """SIGTERM, which goes to the ranks alone, once there are any; the end of another host ends them too."""

    def __init__(self) -> None:
        self.asked = False
        self.ends = False
        """Whether the ranks are to end: also as another host has."""
        self._sent: set[int] = set()
        self._done = threading.Event()
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_: object) -> None:
        """The handler of signals that ask to end."""
        self.asked = self.ends = True

    def check(self) -> None:
        """Raise `Interrupted` if it has come."""
        if self.ends:
            raise Interrupted("Told to end before training began.")

    @contextlib.contextmanager
    def passing_on(self, others: "_Others") -> Generator[None]:
        """Tell each rank, while the block runs."""
        thread = threading.Thread(target=self._watch, args=(others,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._done.set()
            thread.join()

    def _watch(self, others: "_Others") -> None:
        late = None
        while not self._done.wait(EVERY_SECONDS):
            if late is None and others.failed():
                self.ends, late = True, time.monotonic() + GRACE_SECONDS
            if self.ends:
                self._send(signal.SIGTERM, self._sent)
            if late is not None and time.monotonic() > late:
                self._send(signal.SIGKILL, set())

    def _send(self, number: signal.Signals, sent: set[int]) -> None:
        """To the ranks of this host, each of which has a session of its own, and which may start any moment."""
        import psutil

        for process in psutil.Process().children():
            if process.pid not in sent and not logs.is_tee(process.pid):
                sent.add(process.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


class _Others:
    """What the launchers of the hosts tell each other, over a store on the first one; alone there is none."""

    def __init__(self, here: Place, store: Any = None) -> None:
        self._here, self._store, self._lock = here, store, threading.Lock()

    def failed(self) -> bool:
        """Whether a host has ended with an error, or the first one is gone."""
        return self._store is not None and self._has(["ended"], gone=True)

    def agree(self, own: Verdict, asked: bool) -> Verdict:
        """One verdict of all hosts: what the others' ends follow from.

        It waits for theirs so long that a host has ended its ranks meanwhile; one that says nothing is gone.
        """
        if self._store is None:
            return own
        self._set(f"verdict/{self._here.name}", json.dumps(own))
        self._set("ended", "")
        until, found = time.monotonic() + 2 * GRACE_SECONDS, {self._here.name: own}
        while len(found) < len(self._here.hosts) and own.order[0] > 0 and time.monotonic() < until:
            for host in self._here.hosts:
                if host not in found and self._has([f"verdict/{host}"], gone=False):
                    with self._lock, contextlib.suppress(RuntimeError):
                        found[host] = Verdict(*json.loads(self._store.get(f"verdict/{host}")))
            time.sleep(EVERY_SECONDS)
        first = min(found.values(), key=lambda each: each.order)
        if (gone := [host for host in self._here.hosts if host not in found]) and first.order[0] > 1 and not asked:
            return Verdict(
                FAILED, f"{', '.join(gone)} ended without a word. On {self._here.name}: {own.reason}", own.time
            )
        return first

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
def _met(here: Place, told: _Told) -> Generator[_Others]:
    """Meet the other hosts; raises `Unavailable`, with the names of those that didn't come."""
    if len(here.hosts) == 1:
        yield _Others(here)
        return
    first, until = here.number == 0, time.monotonic() + MEET_SECONDS
    store = _store(here, told, until)
    store.set(f"here/{here.name}", "")
    for host in here.hosts:
        while not store.check([f"here/{host}"]):
            told.check()
            if time.monotonic() > until:
                raise Unavailable(
                    f"{host} didn't come to {here.hosts[0]} ({here.master}:{here.port + 1}) within "
                    f"{MEET_SECONDS:.0f} s: did its container start, and may the hosts reach each other?"
                )
            time.sleep(EVERY_SECONDS)
    try:
        yield _Others(here, store)
    finally:
        if first:
            _linger(store, here)
        else:
            with contextlib.suppress(RuntimeError):
                store.set(f"gone/{here.name}", "")


def _store(here: Place, told: _Told, until: float) -> Any:
    """The launchers' store on the first host; raises `Unavailable` if that can't be reached in time."""
    from torch.distributed import DistNetworkError, TCPStore

    first = here.number == 0
    while True:
        told.check()
        try:  # for a while only, since no signal is heard meanwhile
            wait = datetime.timedelta(seconds=min(TRY_SECONDS, MEET_SECONDS))
            return TCPStore(here.master, here.port + 1, is_master=first, wait_for_workers=False, timeout=wait)
        except (DistNetworkError, socket.gaierror) as error:
            if first:
                reason = models.first_line(error)
                raise Unavailable(
                    f"{here.name} can't wait for the others on port {here.port + 1}: {reason} MASTER_PORT is the one "
                    "before it."
                ) from error
            if time.monotonic() > until:
                raise Unavailable(
                    f"{here.name} didn't reach {here.hosts[0]} ({here.master}:{here.port + 1}) within "
                    f"{MEET_SECONDS:.0f} s: {models.first_line(error)}"
                ) from error
            time.sleep(EVERY_SECONDS)


def _linger(store: Any, here: Place) -> None:
    """The store goes with the first host, so that stays until the others have read why it ends."""
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and not store.check([f"gone/{host}" for host in here.hosts[1:]]):
        time.sleep(EVERY_SECONDS)
