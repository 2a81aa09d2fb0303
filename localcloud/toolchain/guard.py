"""Starts a command that can't outlive whoever started it, however that one ends, and takes its children along."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Any


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Start `command` in a process group of its own, under a guard that kills the group when this process ends.

    The guard reads from a pipe that only this process holds open, so `kill -9` of this process ends the group as well.
    """
    guarded = [sys.executable, "-I", "-S", __file__, *command]
    return subprocess.Popen(guarded, stdin=subprocess.PIPE, process_group=0, **options)


def stop(process: subprocess.Popen) -> None:
    """Kill what `start` started, children of children included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_with_starter() -> None:
    os.read(0, 1)  # nothing is ever written: it returns when the pipe closes
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
