"""Starts a command that can't outlive whoever started it, however that one ends, and takes its children along."""

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, under a guard that kills the group when this process ends.

    The guard holds the read end of a pipe that only this process can close, so `kill -9` ends the group as well.
    """
    guarded = [sys.executable, "-I", "-S", __file__, *command]
    return subprocess.Popen(guarded, stdin=subprocess.PIPE, process_group=0, **options)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill what `start` started, children of children included."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def exit_with_parent() -> None:
    """End this process's group within a second of its parent's death (a plugin must not survive the engine)."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # closes the pipes of the guards

    threading.Thread(target=watch, daemon=True).start()


def _guard(command: list[str]) -> int:
    def die_with_starter() -> None:
        os.read(0, 1)  # nothing is ever written: it returns when the pipe closes
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=die_with_starter, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
