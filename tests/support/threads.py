"""Waiting for threads that others began."""

import threading
import time


def wait_for(name: str, others: set[threading.Thread]) -> None:
    """Wait until no thread with `name` in its name is left besides `others`.

    Not by `join`: a thread that a server is about to start is listed before it can be joined.
    """
    deadline = time.monotonic() + 30
    while any(name in thread.name for thread in set(threading.enumerate()) - others):
        assert time.monotonic() < deadline, f"{name} goes on after 30 s"
        time.sleep(0.005)
