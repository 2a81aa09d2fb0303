"""Starts, watches and stops the parts of the local cloud; they outlive the command that started them."""

import base64
import fcntl
import json
import os
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen, run
from typing import Any

from tandem_contract.errors import TandemError, Unavailable

from localcloud import files, paths
from localcloud.services import opensearch

REGION = "us-east-1"
FREE_MEGABYTES = 2048
LOG_BYTES = 20 * 1024**2
GRACE_SECONDS = 15.0
SILENT_SECONDS = 10.0
REPORT_SECONDS = 20.0
RECORD = "TANDEM_LOCAL_RECORD"
"""The variable by which a process is known that has left its group, as torchrun has its ranks do."""


@dataclass(frozen=True)
class Part:
    """One process group: name, the variable that sets its port, readiness probe, and the time that it may take to start
    on a machine that does nothing else; the file of the authority that its certificate is by, where it has one."""

    name: str
    variable: str
    default_port: int
    probe: str
    deadline_seconds: float
    authority: Path | None = None

    @property
    def port(self) -> int:
        value = os.environ.get(self.variable, str(self.default_port))
        if not value.isdigit() or not 1024 <= int(value) <= 65535:
            raise TandemError(f"{self.variable}={value!r} is not a port: give a number from 1024 to 65535.")
        return int(value)

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return paths.LOGS / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """A file with the process id and the ports that it was told; the part holds its lock as long as it lives."""
        return paths.RUN / f"{self.name}.json"

    def running(self) -> dict[str, Any]:
        """The record, empty where the part isn't alive."""
        return running(self.record)

    def get(self, path: str, seconds: float) -> bytes:
        """Return what the part answers to a GET request."""
        try:
            trusted = ssl.create_default_context(cafile=self.authority) if self.authority else None
            with urllib.request.urlopen(self.url + path, timeout=seconds, context=trusted) as answer:  # noqa: S310
                return answer.read()
        except OSError as error:
            raise Unavailable(f"{self.name} doesn't answer ({error}): start it with tandem local up.") from None

    def answers(self, seconds: float = 3.0) -> bool:
        """Whether the readiness probe succeeds in this time."""
        with suppress(Unavailable):
            return bool(self.get(self.probe, seconds))
        return False

    def check_port(self) -> None:
        """Raise `TandemError` where another program has its port."""
        try:
            socket.create_server(("127.0.0.1", self.port)).close()
        except OSError:
            need = f"Port {self.port}, which {self.name} needs, is used by another program"
            raise TandemError(f"{need}: stop that or set {self.variable}.") from None

    def state(self) -> str:
        """`running`, `unresponsive`, `dead` (it was not stopped by us) or `stopped`."""
        if self.running():
            return "running" if self.answers() else "unresponsive"
        return "dead" if self.record.exists() else "stopped"


OPENSEARCH = Part("opensearch", "TANDEM_LOCAL_OPENSEARCH_PORT", 9200, "/_cluster/health?timeout=1s", 180)
MODELS = Part("models", "TANDEM_LOCAL_MODELS_PORT", 4567, "/health", 120)
EMULATOR = Part("emulator", "TANDEM_LOCAL_EMULATOR_PORT", 4566, "/_ministack/health", 60)
SAGEMAKER = Part("sagemaker", "TANDEM_LOCAL_SAGEMAKER_PORT", 4568, "/health", 60)
PARTS = (OPENSEARCH, MODELS, EMULATOR, SAGEMAKER)
Report = Callable[[str], None]
Command = tuple[Sequence[str | Path], dict[str, str]]
"""How to start a part: its command, and what its environment has besides the parts' ports."""


def up(
    report: Report,
    parts: Sequence[Part] = PARTS,
    command: Callable[[Part, Report], Command] | None = None,
    known: Sequence[Part] = PARTS,
) -> None:
    """Start those of the parts that don't answer and wait until every part does; `report` receives a line per step.

    `command` says how to start one; each is told the ports of all that are `known`.
    """
    told = {part.variable: str(part.port) for part in known}
    with paths.locked(paths.RUN / "lock"):
        check_disk()
        # What was told other ports than these is started again.
        missing = [p for p in parts if p.running().get("ports") != told or not p.answers(SILENT_SECONDS)]
        _stop(missing)
        for part in missing:
            part.check_port()
        processes = [_start(part, (command or _command)(part, report), told, report) for part in missing]
        started = told = time.monotonic()
        for part, process in zip(missing, processes, strict=True):
            while not part.answers():
                if process.poll() is not None:
                    end = "\n".join(part.log.read_text(errors="replace").splitlines()[-15:])
                    raise TandemError(f"{part.name} stopped while starting; the end of {part.log}:\n{end}")
                waited, sharing = time.monotonic() - started, load()
                if waited > part.deadline_seconds * sharing:
                    raise TandemError(f"{part.name} doesn't answer in {waited:.0f} s; see {part.log}.")
                if time.monotonic() - told > REPORT_SECONDS:
                    told = time.monotonic()
                    report(f"{part.name} still starts after {waited:.0f} s; {sharing:.1f} programs share a processor")
                time.sleep(0.2)
            report(f"{part.name} answers at {part.url}")


def check_disk() -> int:
    """Return the megabytes that are free; raise `TandemError` where they are too few."""
    place = next(folder for folder in (paths.HOME, *paths.HOME.parents) if folder.exists())
    return files.require_space(place, FREE_MEGABYTES * 1024**2, "the local cloud") // 1024**2


def down(parts: Iterable[Part] = PARTS) -> None:
    """Stop these parts with their children and wait until no process is left."""
    with paths.locked(paths.RUN / "lock"):
        _stop(parts)


def load() -> float:
    """How many programs want each processor, at least 1: what takes a second alone takes so many (load average)."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def environment() -> dict[str, str]:
    """Return the variables that point the AWS SDKs at the local cloud, with the credentials of the account's root."""
    credentials = paths.RUN / "credentials.json"
    if not credentials.exists():
        identifier = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        made = {"AWS_ACCESS_KEY_ID": identifier, "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30)}
        credentials.parent.mkdir(parents=True, exist_ok=True)
        credentials.touch(mode=0o600)
        credentials.write_text(json.dumps(made))
    return {
        "AWS_ENDPOINT_URL": EMULATOR.url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": MODELS.url,
        "AWS_ENDPOINT_URL_SAGEMAKER": SAGEMAKER.url,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": SAGEMAKER.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        **json.loads(credentials.read_text()),
    }


def running(record: Path) -> dict[str, Any]:
    """The record of a process group, empty where it isn't alive."""
    with suppress(FileNotFoundError), record.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return json.loads(file.read() or "{}")
    return {}


def spawn(
    record: Path, log: Path, command: Sequence[str | Path], env: dict[str, str], cwd: Path = paths.ROOT, **about: Any
) -> Popen[bytes]:
    """Start a process group that holds the lock of its record, which is `PART-*.json` for what a part starts."""
    log.parent.mkdir(parents=True, exist_ok=True)
    grown = log.exists() and log.stat().st_size > LOG_BYTES
    with log.open("wb" if grown else "ab") as output, record.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = Popen(
            command, cwd=cwd, env=env | {RECORD: str(record)}, stdin=DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=[file.fileno()],
        )  # fmt: skip
        json.dump({"pid": process.pid, **about}, file)
    return process


def end(records: Iterable[Path]) -> None:
    """End process groups with all their children: asked at first, killed after the time of grace."""
    records = list(records)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for record in records:
            with suppress(KeyError, ProcessLookupError):
                os.killpg(running(record)["pid"], number)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(map(running, records)) and time.monotonic() < deadline:
            time.sleep(0.1)
    for record in records:
        with suppress(FileNotFoundError, ValueError):
            _kill_orphans(json.loads(record.read_text())["pid"], record)
        record.unlink(missing_ok=True)


def _command(part: Part, report: Report) -> Command:
    if part is OPENSEARCH:
        return opensearch.prepare(opensearch.ensure(report))
    return [sys.executable, "-m", f"localcloud.services.{part.name}"], environment()


def _start(part: Part, command: Command, told: dict[str, str], report: Report) -> Popen[bytes]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    env = inherited | command[1] | told | {"TANDEM_LOCAL_HOME": str(paths.HOME)}
    process = spawn(part.record, part.log, command[0], env, ports=told)
    threading.Thread(target=process.wait, daemon=True).start()  # should it end before this process does
    report(f"{part.name} starts, log {part.log}")
    return process


def _stop(parts: Iterable[Part]) -> None:
    parts = list(parts)
    end(part.record for part in parts)
    # What they started comes after them: now nobody starts it again.
    end(record for part in parts for record in paths.RUN.glob(f"{part.name}-*.json"))


def _kill_orphans(group: int, record: Path) -> None:
    """Kill what a leader left behind, on Linux also in groups of their own.

    No other process can have the leader's id as long as something of its group lives.
    """
    leader = run(["ps", "-o", "stat=", "-p", str(group)], capture_output=True, text=True, check=False).stdout.strip()
    if leader[:1] in ("", "Z"):  # a zombie has ended
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    kill_marked(record)


def kill_marked(record: Path) -> None:
    """Kill every process that was started with this record, and their children; Linux only."""
    mark = f"{RECORD}={record}".encode()
    for _ in range(20):  # what one of them starts meanwhile is found the next time
        found = [file for file in Path("/proc").glob("[0-9]*/environ") if mark in _environment_of(file)]
        for file in found:
            with suppress(ProcessLookupError):
                os.kill(int(file.parent.name), signal.SIGKILL)
        if not found:
            return
        time.sleep(0.02)


def _environment_of(file: Path) -> list[bytes]:
    """The variables of a process; none of another user's, or where it has ended."""
    with suppress(OSError):
        return file.read_bytes().split(b"\0")
    return []
