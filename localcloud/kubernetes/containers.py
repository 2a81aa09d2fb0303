"""A container of a Pod as a process of this machine, and its state in a kubelet's words."""

import os
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from localcloud import paths
from localcloud.kubernetes.api import Json
from localcloud.services import supervisor

START_ERROR = 128
KILLED = 128 + signal.SIGKILL
LONGEST_BACK_OFF = 10  # seconds; a kubelet's grows from 10 to 300


class Waits(Exception):
    """A container can't start yet; a kubelet would try again. `reason` is a kubelet's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def record(uid: str, name: str = "*", start: int | str = "*") -> str:
    """Name of the record of a container's process in `paths.RUN`; with stars, a pattern of several."""
    return f"kubernetes-{uid}-{name}-{start}.json"


@dataclass
class Container:
    """One container: `state` is `waiting`, `running` or `terminated`, with what the API has below it."""

    spec: Json
    uid: str
    """Of its Pod."""
    logs: Path
    role: str
    """`init`, `sidecar` (an init container that runs until the others have ended) or `main`."""
    state: str = "waiting"
    about: Json = field(default_factory=lambda: {"reason": "PodInitializing"})
    last: Json = field(default_factory=dict)
    restarts: int = 0
    not_before: float = 0.0
    """When it may start, by the monotonic clock."""
    _process: Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.spec["name"]

    @property
    def running(self) -> bool:
        self.look()
        return self.state == "running"

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self.about["exitCode"] if self.state == "terminated" else None

    @property
    def _record(self) -> Path:
        return paths.RUN / record(self.uid, self.name, self.restarts)

    def start(self, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        """Start the process; what can't be started has ended with a kubelet's code for that."""
        program = shutil.which(command[0], path=environment["PATH"])
        if not program:
            return self.terminate(
                START_ERROR, "StartError", f"{command[0]!r}: no such program on {environment['PATH']}"
            )
        log = self.logs / f"{self.name}.{self.restarts}.log"
        whole = ["nice", "-n", "5", program, *command[1:]]
        self._process = supervisor.spawn(self._record, log, whole, environment, cwd=folder)
        self.state, self.about = "running", {"startedAt": now()}

    def wait(self, seconds: float, reason: str, message: str) -> None:
        """Don't start for that long."""
        self.not_before = time.monotonic() + seconds
        self.state, self.about = "waiting", {"reason": reason, "message": message[:900]}

    def restart(self) -> None:
        """Forget how it ended, but for the status: it starts again, later each time."""
        self.last, self.restarts, self._process = self.about, self.restarts + 1, None
        pause = min(LONGEST_BACK_OFF, self.restarts - 1)
        self.wait(pause, "CrashLoopBackOff", f"it ended with {self.last['exitCode']}")

    def look(self) -> None:
        """Note the end of the process; what it left behind ends with it, as in a container."""
        if self.state == "running" and self._process and self._process.poll() is not None:
            code = self._process.returncode
            self.terminate(code if code >= 0 else 128 - code, "Error" if code else "Completed")
            self._clear()

    def ask(self) -> None:
        """SIGTERM to the first process alone, as a container runtime does."""
        if self.running and self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to all of its processes, also those that are in sessions of their own, and note the end."""
        if self._process and self.state == "running":
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.look()

    def terminate(self, code: int, reason: str, message: str = "") -> None:
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": self.about.get("startedAt", now()),
            "finishedAt": now(),
        }
        self.state, self.about = "terminated", ended | ({"message": message[:900]} if message else {})

    def status(self) -> Json:
        """As `containerStatuses` has it."""
        up = self.state == "running"
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": "",
            "restartCount": self.restarts,
            "started": up,
            "ready": self.code == 0 if self.role == "init" else up,
            "state": {self.state: self.about},
            "lastState": {"terminated": self.last} if self.last else {},
        }

    def _clear(self) -> None:
        supervisor.kill_marked(self._record)
        self._record.unlink(missing_ok=True)


def end_all(uid: str) -> None:
    """Kill what an earlier process of ours ran of this Pod."""
    for each in paths.RUN.glob(record(uid)):
        supervisor.kill_marked(each)
        each.unlink(missing_ok=True)
