"""Deadlines, and retries with full jitter."""

import math
import random
import time
from collections.abc import Callable
from typing import TypeVar

from tandem_contract.errors import Unavailable

Result = TypeVar("Result")


class Transient(Exception):
    """Raised by an operation inside `retry` to ask for another try, after `wait` seconds at least.

    `becomes` is what `retry` raises in its place when tries or time run out. `busy`: the service is there, and says
    that it can't at the moment.
    """

    def __init__(self, text: str, wait: float = 0.0, becomes: type[Unavailable] = Unavailable, busy: bool = False):
        super().__init__(text)
        self.wait, self.becomes, self.busy = wait, becomes, busy


class Deadline:
    """A point in time that all steps of one piece of work share."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(min(seconds, self.remaining()))


def full_jitter(attempt: int, base: float, cap: float) -> float:
    """Return a random pause in seconds before try `attempt` (0 is the first retry).

    "Full jitter" spreads clients best (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """
    return random.uniform(0, min(cap, base * 2.0 ** min(attempt, 64)))  # noqa: S311 - not a secret


def retry(
    operation: Callable[[], Result],
    deadline: Deadline,
    *,
    tries: int = 8,
    busy_tries: int = 0,
    base: float = 0.2,
    cap: float = 5.0,
    longest_wait: float = math.inf,
    waiting: Callable[[Transient, float], None] = lambda _error, _seconds: None,
) -> Result:
    """Call `operation` until it raises no `Transient`; raise `Unavailable` when tries or time run out.

    Where the service is busy there are `busy_tries`, if those are more. Pauses are random, up to `base` seconds before
    the second try, twice as long before each next one, at most `cap`; what an error asks for is waited for, up to
    `longest_wait`. `waiting` is called with the error and the seconds before each.
    """
    last: Transient | None = None
    for attempt in range(max(tries, busy_tries)):
        if not deadline.remaining():
            break
        try:
            return operation()
        except Transient as error:
            last = error
        pause = max(min(last.wait, longest_wait), full_jitter(attempt, base, cap))
        if attempt + 1 >= (max(tries, busy_tries) if last.busy else tries) or pause >= deadline.remaining():
            break
        waiting(last, pause)
        time.sleep(pause)
    if last is None:
        raise Unavailable("no time left")
    raise last.becomes(str(last)) from last
