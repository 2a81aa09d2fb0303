"""Runner: sends a question set to a target, a few at once, and stores each reply, so that a run can be resumed."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import TandemError, Unavailable

from tandem.threads import as_they_come

from .questions import Question
from .runs import UNREADABLE, Reply, reply_of, write
from .targets import Ask

GIVE_UP_AFTER = 10
GONE_AFTER = 5
"""Calls in a row without any answer, after which a target that has answered is asked whether it is there."""


class Kept:
    """The answers of a target in a folder, one file each, written as they come; `identity` is all that decides them.

    Another identity finds none of them.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder, self._identity = folder, json.dumps(identity, sort_keys=True)
        self._read: dict[str, Reply | None] = {}

    def get(self, question: str) -> Reply | None:
        """The reply to a question's text, None if there is none or its file can't be read."""
        if question not in self._read:
            self._read[question] = self._stored(question)
        return self._read[question]

    def put(self, question: str, reply: Reply) -> None:
        """Keep a reply."""
        content = {"target": json.loads(self._identity), "text": question, "reply": asdict(reply)}
        write(self._file(question), json.dumps(content))
        self._read[question] = reply

    def forget(self, *questions: Question) -> None:
        """Have questions asked again."""
        for each in questions:
            self._file(each.question).unlink(missing_ok=True)
            self._read[each.question] = None

    def move_to(self, other: "Kept") -> None:
        """Put what is kept here into the place of another's answers."""
        for file in self._folder.glob("*.json"):
            other.take(file)
        with suppress(OSError):  # not empty, or never made
            self._folder.rmdir()

    def take(self, file: Path) -> None:
        """Move the file of an answer here."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file.replace(self._folder / file.name)

    def _stored(self, question: str) -> Reply | None:
        try:
            reply = reply_of(json.loads(self._file(question).read_text(encoding="utf-8"))["reply"])
        except UNREADABLE:
            return None
        return None if reply.missing else reply  # older versions kept what has no text

    def _file(self, question: str) -> Path:
        digest = hashlib.sha256(f"{self._identity}\n{question}".encode()).hexdigest()
        return self._folder / f"{digest}.json"


def run(
    questions: Sequence[Question],
    ask: Ask,
    *,
    concurrency: int,
    kept: Kept | None = None,
    tell: Callable[[Reply], None] = lambda _: None,
) -> list[Reply]:
    """The replies in the order of the questions; `tell` hears of each new one as it comes.

    What is `kept` isn't asked, nor is a text twice. An error of the target becomes a reply's `error` and is not
    kept, so that it is asked again the next time; nor is an answer without text. Raises `TandemError` once 10 calls, or
    all of fewer, failed and there is no answer yet; and once 5 in a row got none, and one that was answered before gets
    none either. When it is interrupted, calls that have begun go on and are kept, and no other begins.
    """
    found = {text: kept.get(text) if kept else None for text in dict.fromkeys(each.question for each in questions)}
    firsts: dict[str, Question] = {}
    for question in questions:
        if not found[question.question]:
            firsts.setdefault(question.question, question)
    at_once = max(1, min(concurrency, len(firsts)))
    answered, failures, gone = len(found) - len(firsts), [], 0
    asked = as_they_come(list(firsts.values()), at_once, lambda question: _reply(question, ask, at_once, kept))
    with closing(asked):
        for question, (reply, silent) in asked:
            found[question.question] = reply
            gone = gone + 1 if silent else 0
            answered += not reply.error
            failures += [reply.error] if reply.error else []
            tell(reply)
            if not answered and len(failures) >= min(GIVE_UP_AFTER, len(firsts)):
                raise TandemError(
                    f"Nothing was stored: the first {len(failures)} calls failed, and none was answered: {failures[0]}."
                )
            if gone >= GONE_AFTER and answered and answered + len(failures) < len(found):
                # It may be the questions: what was answered before tells.
                known = next(text for text, reply in found.items() if reply and not reply.error)
                if not _reply(Question("", known, None), ask, 1, None)[1]:
                    gone = 0
                    continue
                raise TandemError(
                    f"The target is gone: {gone} calls in a row got no answer, the last: {reply.error}. {answered} of "
                    f"{len(found)} answers are kept: the same command goes on when it is there again."
                )
    replies = ((question, found[question.question]) for question in questions)
    return [replace(reply, question=question.id) for question, reply in replies if reply is not None]


def _reply(question: Question, ask: Ask, at_once: int, kept: Kept | None) -> tuple[Reply, bool]:
    """A reply, and whether there was nobody to give it."""
    start, silent = time.monotonic(), False
    try:
        reply = ask(question.question)
    except (TandemError, BotoCoreError, ClientError) as error:  # the SDK's: credentials that couldn't be renewed
        reply, silent = Reply(error=str(error)), isinstance(error, Unavailable)
    reply = replace(reply, question=question.id, seconds=round(time.monotonic() - start, 3), at_once=at_once)
    if kept and not reply.missing:
        kept.put(question.question, reply)
    return reply, silent
