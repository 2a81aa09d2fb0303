"""Copies what a Pod makes to S3 while it works, and once more when it has been told to end.

A native sidecar. The kubelet gives it no more than the Pod's grace once the trainer's container has ended, after a
success as well (setTerminationGracePeriod in kuberuntime_container.go), and a model may take longer. So the trainer's
container stays until all is copied: it leaves a word in `ended`, which `mirror` repeats in `copied` once all is.
"""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tandem_contract.cluster import PodVariable
from tandem_contract.errors import TandemError

from . import checkpoints
from .bucket import Prefix
from .fetch import FETCHED, newest_whole, state
from .launcher import INTERRUPTED
from .layout import TANDEM_JSON, Layout, say

EVERY_SECONDS = 5.0
ASK_SECONDS = 1.0
LAST_TRIES = 5
LARGE = 64_000_000
"""Bytes from which a file is copied only when it doesn't grow any more: each copy of a part would take long."""
APPENDED = (".log", ".jsonl")
"""Files that grow as long as the job runs."""
APPENDED_BYTES_A_SECOND = 250_000
"""At most so much of each: S3 can't append, and the bucket keeps for a day what a copy replaces."""
ENDED, COPIED = "ended", "copied"
"""In the job's folder: what the trainer asks, and the answer, which is touched with each file that is copied."""
SILENT_SECONDS = 1800.0
"""Without a file copied, after which the trainer waits no longer: its node is paid for. At 100 MB/s a file of 180 GB
takes as long."""
RESULTS = (TANDEM_JSON, "evaluation.json")
"""What a step writes last: who finds it takes its model for whole."""


class Mirror:
    """The copies of one Pod's files."""

    def __init__(self, layout: Layout, checkpoints: Prefix, output: Prefix) -> None:
        self._root, self._kept = layout.root, checkpoints
        logs = layout.logs.relative_to(layout.root / "output").parts
        # Where each folder goes; the logs lie in `output`, and go beside it.
        self._places = (
            (layout.checkpoints, checkpoints, ()),
            (layout.model, output.within("model"), ()),
            (layout.logs, output.within("../logs"), ()),
            (layout.root / "output", output, logs),
        )
        known = layout.root / FETCHED
        came = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
        self._sent: dict[Path, list[int]] = {layout.root / name: found for name, found in came.items()}
        self._growing: dict[Path, list[int]] = {}
        self._due: dict[Path, float] = {}
        self._said = ""

    def once(self, *, over: bool = False) -> bool:
        """Copy what has changed; whether all of it is there now. `over`: nothing is written any more."""
        asked = self._root / ENDED
        word = asked.read_text(encoding="utf-8") if asked.is_file() else ""
        over = over or bool(word)
        # Marks are looked for first, and copied last: what they name was there before them.
        marks = [found for found in self._files() if _is_mark(found[0])]
        others = [found for found in self._files() if not _is_mark(found[0])]
        missing = [found[0] for found in others if not self._copy(*found, over=over)]
        # A mark says that its folder is whole, and waits for nothing else: a log that can't be copied is no reason.
        for found in sorted(marks, key=lambda found: found[0].name == checkpoints.MARKER):
            lacks = any(file.is_relative_to(found[0].parent) for file in missing)
            if lacks or not self._copy(*found, over=over):
                missing.append(found[0])
        if word and not missing:
            with contextlib.suppress(OSError):  # a full disk
                (self._root / COPIED).write_text(word, encoding="utf-8")
        return self._forget() and not missing

    def _files(self) -> Iterator[tuple[Path, Prefix, str]]:
        """The files that there are, and where each goes."""
        for folder, place, without in self._places:
            for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
                name = file.relative_to(folder)
                if (
                    file.is_file()
                    and file.suffix != ".part"
                    and not (without and name.parts[: len(without)] == without)
                ):
                    yield file, place, name.as_posix()

    def _copy(self, file: Path, place: Prefix, name: str, *, over: bool) -> bool:
        try:
            now = state(file)
            if self._sent.get(file) == now:
                return True
            if not over and not self._may(file, now):
                return False
            place.upload(file, name)
        except FileNotFoundError:  # a checkpoint that is rotated out
            return True
        except Exception as error:  # whatever it is, the next try may do; boto3's have no common class
            self._complain(f"{name} can't be copied to {place.address}: {error}")
            return False
        self._sent[file] = now
        self._due[file] = time.monotonic() + now[0] / APPENDED_BYTES_A_SECOND
        with contextlib.suppress(OSError):
            (self._root / COPIED).touch()
        return True

    def _may(self, file: Path, now: list[int]) -> bool:
        """Whether it is time to copy a file that may grow on."""
        if file.suffix in APPENDED:
            return time.monotonic() >= self._due.get(file, 0.0)
        before, self._growing[file] = self._growing.get(file), now
        return now[0] < LARGE or before == now

    def _forget(self) -> bool:
        """Remove in S3 what was rotated out here, once a newer checkpoint is whole there, with all hosts' files."""
        folder = self._root / "checkpoints"
        gone = {file: file.relative_to(folder) for file in self._sent if file.is_relative_to(folder)}
        gone = {file: name for file, name in gone.items() if len(name.parts) > 1 and not file.exists()}
        if not gone:
            return True
        try:
            newest = newest_whole(self._kept, self._kept.files(), lambda _line: None)
            for file, name in gone.items():
                if newest and checkpoints.step(Path(name.parts[0])) < checkpoints.step(PurePosixPath(newest)):
                    self._kept.delete(name.as_posix())
                    del self._sent[file]
        except Exception as error:
            self._complain(f"old checkpoints can't be removed below {self._kept.address}: {error}")
            return False
        return True

    def _complain(self, line: str) -> None:
        """Say it, but not every few seconds."""
        if line != self._said:
            say(line)
        self._said = line


def mirror(layout: Layout) -> None:
    """Copy every few seconds until SIGTERM, and then what is left; raises `TandemError` if that can't be done."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    copies = Mirror(layout, Prefix(os.environ[PodVariable.CHECKPOINTS]), Prefix(os.environ[PodVariable.OUTPUT]))
    while not told.wait(EVERY_SECONDS):
        copies.once()
    for left in range(LAST_TRIES, 0, -1):
        if copies.once(over=True):
            say("Copied all")
            return
        if left > 1:
            time.sleep(1)
    raise TandemError("Not all could be copied: the log says what.")


def until_copied(layout: Layout, code: int) -> int:
    """Have all that a Pod's trainer leaves copied before its container ends; the exit code of that, `code` if all is.

    A success that is told to end meanwhile is an interruption: another attempt goes on from the last checkpoint. One
    that was told before has the grace alone, and doesn't wait. Nor does one for which nothing was fetched: there is no
    `mirror`.
    """
    if code == INTERRUPTED or not (layout.root / FETCHED).is_file():
        return code
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    word, answer, since = str(time.time_ns()), layout.root / COPIED, time.time()
    try:
        (layout.root / ENDED).write_text(word, encoding="utf-8")
    except OSError:  # a full disk
        return code
    say("Waiting until all is copied to S3")
    while not told.wait(ASK_SECONDS):
        if answer.is_file():
            if answer.read_text(encoding="utf-8") == word:
                return code
            since = max(since, answer.stat().st_mtime)
        if time.time() - since > SILENT_SECONDS:
            # Whether the run has what it needs is seen in S3.
            say(f"Nothing was copied to S3 for {SILENT_SECONDS:.0f} s: the log of container `mirror` says why.")
            return code
    return code or INTERRUPTED


def _is_mark(file: Path) -> bool:
    return file.name in RESULTS or (file.suffix == ".json" and checkpoints.is_mark(file.name))
