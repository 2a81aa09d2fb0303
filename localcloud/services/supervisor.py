"""Starts, watches and stops the parts of the local cloud; they outlive the command that started them."""

import base64
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from localcloud import paths
from localcloud.services import opensearch

REGION = "us-east-1"
FREE_BYTES = 2 * 1024**3
LOG_BYTES = 20 * 1024**2
GRACE_SECONDS = 15.0
UNRESPONSIVE_SECONDS = 10.0


class LocalCloudError(RuntimeError):
    """The local cloud can't be started; the message says what is wrong and the remedy."""


@dataclass(frozen=True)
class Part:
    """One process group: its name, port, readiness probe and the time that it may take to start."""

    name: str
    default_port: int
    probe: str
    deadline_seconds: float

    @property
    def variable(self) -> str:
        return f"TANDEM_LOCAL_{self.name.upper()}_PORT"

    @property
    def port(self) -> int:
        value = os.environ.get(self.variable, str(self.default_port))
        if not value.isdigit() or not 1024 <= int(value) <= 65000:
            raise LocalCloudError(f"{self.variable}={value!r} is not a port: give a number from 1024 to 65000.")
        return int(value)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return paths.LOGS / f"{self.name}.log"

    @property
    def record(self) -> Path:
        return paths.RUN / f"{self.name}.json"


EMULATOR = Part("emulator", 4566, "/_ministack/health", 60)
OPENSEARCH = Part("opensearch", 9200, "/_cluster/health?timeout=1s", 180)
MODELS = Part("models", 4567, "/health", 120)
PARTS = (OPENSEARCH, MODELS, EMULATOR)


class Status(NamedTuple):
    """What a part is doing: `running`, `unresponsive`, `dead` (it was not stopped by us) or `stopped`."""

    part: Part
    state: str
    pid: int | None
    memory_mb: int


def up(report: Callable[[str], None]) -> None:
    """Start what isn't running and wait until every part answers; `report` receives a line per step."""
    paths.RUN.mkdir(parents=True, exist_ok=True)
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(paths.ROOT).free
    if free < FREE_BYTES:
        raise LocalCloudError(f"{paths.ROOT} has {free // 1024**2} MB left; the local cloud needs 2048 MB.")
    with _lock():
        missing = [part for part in PARTS if not _settled(part)]
        for part in missing:
            _stop([part])
            for port in (part.port, part.port + 100) if part is OPENSEARCH else (part.port,):
                _check_free(port, part)
        started = time.monotonic()
        for part in missing:
            _start(part, report)
        waiting = list(missing)
        while waiting:
            for part in list(waiting):
                elapsed = time.monotonic() - started
                if _answers(part):
                    report(f"{part.name} answers at {part.url} after {elapsed:.0f} s")
                    waiting.remove(part)
                elif _pid(part) is None:
                    end = "\n".join(part.log.read_text(errors="replace").splitlines()[-15:])
                    raise LocalCloudError(f"{part.name} stopped while starting; the end of {part.log}:\n{end}")
                elif elapsed > part.deadline_seconds:
                    raise LocalCloudError(f"{part.name} doesn't answer after {elapsed:.0f} s; see {part.log}.")
            time.sleep(0.2)


def down() -> None:
    """Stop every part with its children and wait until no process is left."""
    if not paths.RUN.is_dir():
        return
    with _lock():
        _stop(list(PARTS))


def status() -> list[Status]:
    """Return the state of every part."""
    listing = subprocess.run(["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    groups: dict[int, int] = {}
    for line in listing.splitlines():
        group, kilobytes = map(int, line.split())
        groups[group] = groups.get(group, 0) + kilobytes
    found = []
    for part in PARTS:
        pid = _pid(part)
        state = "stopped" if not part.record.exists() else "dead"
        if pid is not None:
            state = "running" if _answers(part) else "unresponsive"
        found.append(Status(part, state, pid, groups.get(pid or -1, 0) // 1024))
    return found


def environment() -> dict[str, str]:
    """Return the variables that point the AWS SDKs at the local cloud."""
    return {
        "AWS_ENDPOINT_URL": EMULATOR.url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": MODELS.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        **_credentials(),
    }


def _credentials() -> dict[str, str]:
    """The root credentials of the emulated account, made once."""
    file = paths.RUN / "credentials.json"
    if not file.exists():
        paths.RUN.mkdir(parents=True, exist_ok=True)
        identifier = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode()
        made = {"AWS_ACCESS_KEY_ID": identifier, "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30)}
        file.touch(mode=0o600)
        file.write_text(json.dumps(made))
    return json.loads(file.read_text())


def _start(part: Part, report: Callable[[str], None]) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    command, extra = [sys.executable, "-m", f"localcloud.services.{part.name}"], {}
    if part is OPENSEARCH:
        command, extra = opensearch.prepare(opensearch.ensure(report), part.port)
    elif part is EMULATOR:
        extra = environment()
    extra |= {each.variable: str(each.port) for each in PARTS} | {"TANDEM_LOCAL_HOME": str(paths.HOME)}
    if part.log.exists() and part.log.stat().st_size > LOG_BYTES:
        part.log.unlink()
    with part.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=paths.ROOT,
            env={**inherited, **extra},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    part.record.write_text(json.dumps({"pid": process.pid, "started": _started(process.pid), "port": part.port}))
    report(f"{part.name} starting, log {part.log.relative_to(paths.HOME.parent)}")


def _stop(parts: list[Part]) -> None:
    groups = {}
    for part in parts:
        with suppress(FileNotFoundError, ValueError, KeyError):
            record = json.loads(part.record.read_text())
            # A process that has this id now but started at another time is a stranger.
            if _started(record["pid"]) in (None, record["started"]):
                groups[part] = record["pid"]
    for group in groups.values():
        _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(_signal(group, 0) for group in groups.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for group in groups.values():
        _signal(group, signal.SIGKILL)
    while any(_signal(group, 0) for group in groups.values()):
        time.sleep(0.05)
    for part in parts:
        part.record.unlink(missing_ok=True)


def _signal(group: int, number: int) -> bool:
    """Signal a process group; False where nothing is left of it."""
    with suppress(ChildProcessError):
        os.waitpid(group, os.WNOHANG)  # a child of this very process would stay as a zombie
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _settled(part: Part) -> bool:
    """Whether the part runs on its configured port and answers; one that has just started gets a moment."""
    deadline = time.monotonic() + UNRESPONSIVE_SECONDS
    while _pid(part) is not None and json.loads(part.record.read_text())["port"] == part.port:
        if _answers(part):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return False


def _pid(part: Part) -> int | None:
    """The id of the part's process if it is alive and the one that we started."""
    try:
        record = json.loads(part.record.read_text())
        with suppress(ChildProcessError):
            os.waitpid(record["pid"], os.WNOHANG)
        return record["pid"] if _started(record["pid"]) == record["started"] else None
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _started(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _answers(part: Part) -> bool:
    try:
        with urllib.request.urlopen(part.url + part.probe, timeout=3) as answer:  # noqa: S310 - a loopback URL
            return answer.status == 200
    except OSError:
        return False


def _check_free(port: int, part: Part) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise LocalCloudError(
                f"Port {port}, which {part.name} needs, is used by another program: stop that or set {part.variable}."
            ) from None


@contextmanager
def _lock() -> Generator[None]:
    """One `up` or `down` at a time."""
    with (paths.RUN / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
