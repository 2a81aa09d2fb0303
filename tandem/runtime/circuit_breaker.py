"""A circuit breaker: closed, open, half-open (Nygard, "Release It!"). Why not a library's: docs/adr/0010."""

import random
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

Result = TypeVar("Result")
State = Literal["closed", "open", "half-open"]

FAILURES = 2
# Half of it is longer than a caller waits who was told to come back (RETRY_AFTER_SECONDS of functions/query.py): a
# question that is too much for the endpoint isn't its own trial again.
FIRST_SECONDS = 25.0
# An endpoint that has scaled to zero is woken by an alarm on NoCapacityInvocationFailures, minute by minute
# (scale_to_zero.py), and it falls asleep again when nobody asks. So a trial a minute, as long as there are questions:
# without them nothing would wake it, nor notice that it is awake.
LONGEST_SECONDS = 60.0


class CircuitOpen(Exception):
    """The call wasn't made: the last ones failed, and it is too early for another trial."""


class CircuitBreaker:
    """Makes calls as long as they succeed, and then none but a trial now and then.

    Closed: every call is made; `FAILURES` failed ones in a row, or a `certain` failure, open it. Open: none is made for
    a while. Half-open: one call is the trial, and none is made beside it; its success closes the circuit, its failure
    opens it for twice as long, at most `LONGEST_SECONDS`. Threads may share it. It knows what its own process has seen:
    each container of a function has its own.

    `certain` is a kind of error that the next call would meet as well; `changed` is told of each change of state.
    """

    def __init__(
        self, certain: type[Exception], changed: Callable[[State], None], clock: Callable[[], float] = time.monotonic
    ):
        self._certain, self._changed, self._clock = certain, changed, clock
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._changes = self._failures = 0
        self._pause, self._until = FIRST_SECONDS, 0.0

    def call(self, operation: Callable[[], Result]) -> Result:
        """What `operation` returns or raises, which counts as its failure. Raises `CircuitOpen` if it isn't called."""
        began = self._begin()
        try:
            result = operation()
        except BaseException as error:
            self._end(began, error)
            raise
        self._end(began, None)
        return result

    def _begin(self) -> int:
        with self._lock:
            if self._state == "open" and self._clock() >= self._until:
                self._become("half-open")
            elif self._state != "closed":
                raise CircuitOpen(f"the circuit is {self._state}")
            return self._changes

    def _end(self, began: int, error: BaseException | None) -> None:
        with self._lock:
            if began != self._changes:
                return  # it began before the last change, and says nothing about the time since
            failed = error is not None
            self._failures = self._failures + 1 if failed else 0
            if failed and (
                self._state == "half-open" or self._failures >= FAILURES or isinstance(error, self._certain)
            ):
                # From half to the whole: containers that failed together don't come back together.
                self._until = self._clock() + self._pause * random.uniform(0.5, 1)  # noqa: S311 - not a secret
                self._pause = min(LONGEST_SECONDS, 2 * self._pause)
                self._become("open")
            elif not failed and self._state == "half-open":
                self._pause = FIRST_SECONDS
                self._become("closed")

    def _become(self, state: State) -> None:
        self._state, self._changes, self._failures = state, self._changes + 1, 0
        self._changed(state)
