"""Whether a model alone refused: by the mark that it was asked for, or by a pattern that the user gives."""

import re
from collections.abc import Sequence
from dataclasses import replace

from tandem_contract.errors import TandemError

from tandem.measures import patterns

from .runs import Reply


def is_refusal(text: str) -> bool:
    """Whether an answer has the mark of a stack's prompt, `[P0]`, or is the sentence that was asked for before it.

    "The documents do not say when, but it stands at 2450 m." is an answer.
    """
    from tandem.rag.citing import EARLIER, is_marked

    return is_marked(text) or re.fullmatch(rf"{EARLIER}\W*", text) is not None


def check_pattern(pattern: str) -> None:
    """Raises `TandemError` for a pattern that can't be used."""
    patterns.check("--refusal", pattern)
    if re.search(pattern, "", re.IGNORECASE):
        raise TandemError(f"--refusal is {pattern!r}, which every answer has: write one that needs some words")


def judged(replies: Sequence[Reply], pattern: str | None) -> list[Reply]:
    """The replies, those refused too in whose text the pattern is found, capitals or not."""
    if pattern is None:
        return list(replies)
    return [
        replace(reply, refused=reply.refused or patterns.search(pattern, reply.text or "", re.IGNORECASE) is not None)
        for reply in replies
    ]
