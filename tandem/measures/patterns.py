"""Regular expressions that users give: matched within a time, since some need ages for a few words."""

import re
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from tandem_contract.errors import TandemError

Result = TypeVar("Result")

SECONDS = 2.0
"""The longest time for one text. It holds in the main thread, where answers are measured; elsewhere there is none."""
# What a repeat within a repeat, as in (\w+\s?)*, tries in every way, and ends with what hardly a pattern takes.
TRIALS = [each * 30 + "\x00" for each in ("a", "a ", "1", "1 ", " ", "a, ", "a\n", '"a": ')]


def check(key: str, pattern: object) -> None:
    """Raises `TandemError` for what is no pattern, or one that takes too long for a short text."""
    if not isinstance(pattern, str):
        raise TandemError(f"{key} is {pattern!r}, not a regular expression: give a text")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise TandemError(f"{key} is {pattern!r}: {error}") from error
    try:
        with _within(SECONDS):
            for text in TRIALS:
                re.fullmatch(pattern, text)
    except TimeoutError as error:
        raise TandemError(
            f"{key} is {pattern!r}: it takes more than {SECONDS:.0f} s for some dozens of characters. "
            "Write it without a repeat within a repeat, as (a+)* is one of a+"
        ) from error


def fullmatch(pattern: str, text: str) -> re.Match[str] | None:
    """The match of all of a text; None where there is none, or none is found in time."""
    return in_time(re.compile(pattern).fullmatch, text)


def search(pattern: str, text: str, flags: int = 0) -> re.Match[str] | None:
    """The first match in a text; None where there is none, or none is found in time."""
    return in_time(re.compile(pattern, flags).search, text)


def in_time(match: Callable[[Any], Result], text: Any) -> Result | None:
    """What a function that matches patterns returns; None where it doesn't in time."""
    try:
        with _within(SECONDS):
            return match(text)
    except TimeoutError:
        return None


@contextmanager
def _within(seconds: float) -> Generator[None]:
    """Raises `TimeoutError` in the block when the time is up; a match looks for signals as it goes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, every)
        signal.signal(signal.SIGALRM, before)
