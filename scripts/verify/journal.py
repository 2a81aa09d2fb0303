"""What was begun with a stack, a line each, written before it is done: a kill leaves word of what may be there.

`python -m scripts.verify.journal` fails while there is such word, which `make clean` would delete.
"""

import fcntl
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.local_environment import ROOT

FOLDER = ROOT / ".tandem" / "verify"
"""Of the journals of verifications on AWS."""
CLEAN = "clean"
"""The step that says that nothing is left of those before it."""


class Journal:
    """JSON lines in a file, which is made with its folder when the first step is noted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, step: str, **facts: Any) -> None:
        """Write down that a step begins; on the disk when this returns. A line that a kill cut off stays as it is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.seek(0)
            torn = file.read()[-1:] not in (b"", b"\n")
            file.write(b"\n" * torn + json.dumps({"step": step, **facts}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def unfinished(self) -> list[dict[str, Any]]:
        """The steps since nothing was left, the first first; a line that was cut off began nothing."""
        steps: list[dict[str, Any]] = []
        for line in self.path.read_text(errors="replace").splitlines() if self.path.exists() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            steps = [] if entry["step"] == CLEAN else [*steps, entry]
        return steps

    @contextmanager
    def held(self) -> Generator[bool]:
        """Whether no other process has this journal, which is this one's meanwhile. A killed process holds nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def unfinished(folder: Path = FOLDER) -> list[str]:
    """The stacks whose verification was ended before its end, or left something."""
    return [path.stem for path in sorted(folder.glob("*.jsonl")) if Journal(path).unfinished()]


if __name__ == "__main__":
    for name in (stacks := unfinished()):
        print(f"What a verification of {name} left may be on AWS, and billed: `make verify-aws STACK={name} REMOVE=1`.")
    sys.exit(bool(stacks))
