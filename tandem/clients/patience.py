"""Patience: a deadline that every step forward puts off."""

import time

from tandem.runtime.retry import Deadline

STEPS = 3


class Patience(Deadline):
    """Ends when nothing has moved for `seconds`, or for three times the longest step so far, if that is more.

    So a machine that is slow, and stays as slow as it was, is waited for, but never longer than three times `seconds`.
    What has ended stays so. Threads may share it.
    """

    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.seconds = seconds
        """How long nothing may move at present."""
        self._most, self._last = STEPS * seconds, time.monotonic()

    def moved(self) -> None:
        """Something got done: the time runs anew, if it hasn't run out."""
        now = time.monotonic()
        if now < self._end:
            self.seconds = min(max(self.seconds, STEPS * (now - self._last)), self._most)
            self._last, self._end = now, now + self.seconds
