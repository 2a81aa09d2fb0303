"""Whether a model alone refused: by the mark that it was asked for, or by a pattern that the user gives."""

import re
from collections.abc import Sequence
from dataclasses import replace

from tandem_contract.errors import TandemError

from tandem.measures import patterns

from .runs import Reply


def is_refusal(text: str) -> bool:
    """Whether an answer begins or ends with the mark of a stack's prompt, `[P0]`, or is the sentence asked for earlier.

    "The documents do not say when, but it stands at 2450 m." is an answer, and so is "Priority [P0] tickets are first."
    """
    from tandem.rag.citing import ASKED, EARLIER, is_empty, is_marked

    marks = [mark for mark in re.finditer(ASKED, text) if is_marked(mark[0])]
    if marks and (is_empty(text[: marks[0].start()]) or is_empty(text[marks[-1].end() :])):
        return True
    return re.fullmatch(rf"{EARLIER}\W*", text) is not None


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
