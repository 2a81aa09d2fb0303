"""Patience: a deadline that every step forward puts off."""

import time

from tandem.runtime.retry import Deadline

STEPS = 3


class Patience(Deadline):
    """Ends when nothing has moved for `seconds`, or for three times the longest step so far, if that is more.

    So a machine that is slow, and stays as slow as it was, is waited for. Threads may share it.
    """

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self._seconds, self._last = seconds, time.monotonic()

    def moved(self) -> None:
        """Something got done: the time runs anew."""
        now = time.monotonic()
        self._seconds = max(self._seconds, STEPS * (now - self._last))
        self._last, self._end = now, now + self._seconds
