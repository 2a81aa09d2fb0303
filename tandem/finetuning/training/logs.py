"""The log of a host or a rank as a file, beside what its container prints."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from tandem_contract.cluster import PodVariable

LAST_SECONDS = 5.0
"""That a child of ours that still prints may take at the end."""

_tees: set[int] = set()


@contextlib.contextmanager
def kept(name: str) -> Generator[None]:
    """Have all that this process and its children print in `NAME.log` too, where `TANDEM_LOGS` names a folder.

    By a process of its own, so that what was printed before a SIGKILL is kept; a file that is there goes on.
    """
    if not (folder := os.environ.get(PodVariable.LOGS)):
        yield
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    command = ["tee", "-a", str(Path(folder) / f"{name}.log")]
    _flush()
    before = [os.dup(number) for number in (1, 2)]
    reading, writing = os.pipe()
    # It ends with the last of those who print, and in a session of its own doesn't get the signals that end these.
    with subprocess.Popen(command, stdin=reading, start_new_session=True) as tee:
        for number in (1, 2):
            os.dup2(writing, number)
        os.close(reading)
        os.close(writing)
        _tees.add(tee.pid)
        try:
            yield
        finally:
            _flush()
            for number, old in zip((1, 2), before, strict=True):
                os.dup2(old, number)
                os.close(old)
            try:
                tee.wait(LAST_SECONDS)
            except subprocess.TimeoutExpired:
                tee.kill()
            _tees.discard(tee.pid)


def is_tee(process: int) -> bool:
    """Whether a child of this process is one of those."""
    return process in _tees


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
