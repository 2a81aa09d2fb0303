"""Copies what a Pod makes to S3 while it works, and once more when it has been told to end.

A native sidecar: it gets SIGTERM once the trainer has ended, within the Pod's grace, so that the last copy has all.
"""

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
from .layout import TANDEM_JSON, Layout, say

EVERY_SECONDS = 5.0
LAST_TRIES = 5
LARGE = 64_000_000
"""Bytes from which a file is copied only when it doesn't grow any more: each copy of a part would take long."""
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
        self._said = ""

    def once(self) -> bool:
        """Copy what has changed; whether all of it is there now."""
        # Marks are looked for first, and copied last: what they name was there before them.
        marks = [found for found in self._files() if _is_mark(found[0])]
        others = [found for found in self._files() if not _is_mark(found[0])]
        whole = all([self._copy(*found) for found in others])
        if whole:
            marks.sort(key=lambda found: found[0].name == checkpoints.MARKER)
            whole = all([self._copy(*found) for found in marks])
        return whole and self._forget()

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

    def _copy(self, file: Path, place: Prefix, name: str) -> bool:
        try:
            now = state(file)
            if self._sent.get(file) == now:
                return True
            if now[0] >= LARGE and self._growing.get(file) != now:
                self._growing[file] = now
                return False
            place.upload(file, name)
        except FileNotFoundError:  # a checkpoint that is rotated out
            return True
        except Exception as error:  # whatever it is, the next try may do; boto3's have no common class
            self._complain(f"{name} can't be copied to {place.address}: {error}")
            return False
        self._sent[file] = now
        return True

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
        if copies.once():
            say("Copied all")
            return
        if left > 1:
            time.sleep(1)
    raise TandemError("Not all could be copied: the log says what.")


def _is_mark(file: Path) -> bool:
    return checkpoints.is_mark(file.name) or file.name in RESULTS
