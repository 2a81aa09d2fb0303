"""Errors that a person sees, under one root.

    TandemError            one sentence: what is wrong, and the remedy
        Mistakes           everything that is wrong with what was given, at once
        Unavailable        a service is away for now; the same request may succeed later

The command line prints a `TandemError` without a traceback and exits with 1; any other exception is a bug of ours, and
keeps its traceback.
"""

from collections.abc import Iterable
from typing import NamedTuple

SHOWN = 50  # mistakes; the rest is counted


class TandemError(Exception):
    """The request can't be done; the text says why, and the remedy."""


class Unavailable(TandemError):
    """A service is away, overloaded or too slow; the same request may succeed later."""


class Mistake(NamedTuple):
    """One thing that can't be used."""

    where: str
    """The key, as a path where it is nested (`gate.token_f1.gain`), behind `file:line: ` where it stands in a file."""
    problem: str
    remedy: str
    """A sentence."""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. {self.remedy}" if self.where else f"{self.problem}. {self.remedy}"


class Mistakes(TandemError):
    """Everything that is wrong with `subject`; `mistakes` has all of it, the text the first `SHOWN` of them."""

    def __init__(self, subject: str, mistakes: Iterable[Mistake]):
        self.subject, self.mistakes = subject, list(mistakes)
        count = len(self.mistakes)
        lines = [f"{subject} has {count} mistake{'s' * (count != 1)}:", *(f"  - {it}" for it in self.mistakes[:SHOWN])]
        if count > SHOWN:
            lines.append(f"  ... and {count - SHOWN} more")
        super().__init__("\n".join(lines))
