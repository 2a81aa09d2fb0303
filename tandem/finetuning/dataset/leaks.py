"""Finds held-out rows that training has already seen, and questions with more than one answer."""

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tandem_contract.checks import Checks

from .rows import Row
from .splits import SPLITS, Splits, letters

Signs = list[tuple[str, int]]  # role, and a hash of what was said


@dataclass(frozen=True)
class Leak:
    """A row that an earlier split has too, word for word but for case and white space, or begins with."""

    row: Row
    split: str
    other: Row
    """The row of the earlier split."""
    earlier: str


def find(splits: Mapping[str, list[Row]], by_start: bool = False) -> list[Leak]:
    """Return held-out rows that stand, answer included, inside a row of an earlier split, or begin with one.

    System messages and weights are passed over. Each row is found once. `by_start` says that rows with the same first
    user message are in the same split, so that only what comes later has to be looked at.
    """
    leaks: list[Leak] = []
    for at, earlier in enumerate(SPLITS[:-1]):
        known = {id(leak.row) for leak in leaks}
        held = [(name, row) for name in SPLITS[at + 1 :] for row in splits[name] if id(row) not in known]
        leaks += _inside(held, earlier, splits[earlier], by_start)
    return leaks


def _inside(held: list[tuple[str, Row]], earlier: str, rows: list[Row], by_start: bool) -> Iterator[Leak]:
    wholes: defaultdict[int, list[tuple[str, Row]]] = defaultdict(list)
    beginnings: defaultdict[int, list[tuple[str, Row]]] = defaultdict(list)
    firsts = set()
    for name, row in held:
        signs = _signs(row)
        firsts.add(signs[0][1])
        ends = list(_ends(signs, 0))
        wholes[ends[-1]].append((name, row))
        for end in ends[:-1]:
            beginnings[end].append((name, row))
    found: set[int] = set()
    for row in rows:
        if by_start and _is_one_exchange(row):
            continue
        signs = _signs(row)
        for start, (role, sign) in enumerate(signs):
            if role != "user" or sign not in firsts or (by_start and start == 0):
                continue
            ends = list(_ends(signs, start))
            caught = [pair for end in ends for pair in wholes.pop(end, ())]
            if start == 0:
                caught += beginnings.pop(ends[-1], ())
            for name, other in caught:
                if id(other) not in found:
                    found.add(id(other))
                    yield Leak(other, name, row, earlier)


def _is_one_exchange(row: Row) -> bool:
    """With a system message or without."""
    return len(row.messages) <= 3


def _ends(signs: Signs, start: int) -> Iterator[int]:
    """A hash of what stands from `start` to each answer of the assistant."""
    running = 0
    for role, sign in signs[start:]:
        running = hash((running, sign))
        if role == "assistant":
            yield running


def _signs(row: Row) -> Signs:
    calls = [json.dumps(_called(held)) if held else "" for held in row.more] or [""] * len(row.messages)
    return [
        (role, hash((role, normal(said), called)))
        for (role, said), called in zip(row.messages, calls, strict=True)
        if role != "system"
    ]


def _called(held: Mapping[str, Any]) -> list[Any]:
    """The functions that a message calls, without the ids, which are made anew for each call."""
    return [call["function"] for call in held.get("tool_calls", ())]


def normal(text: str) -> str:
    """A text with case, white space and the form of Unicode made equal."""
    whole = (
        text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    )
    return " ".join(whole.split())


def check(splits: Mapping[str, list[Row]], checks: Checks) -> None:
    """Add a mistake for each leak."""
    for leak in find(splits):
        problem = f"{leak.row.question} and its answer are in {leak.earlier} too ({leak.other.place})"
        remedy = "Leave it out of one, or the score measures memory."
        checks.at(leak.row.place).add(f"a {leak.split} row", problem, remedy)


def leave_out(splits: Mapping[str, list[Row]], by_start: bool) -> tuple[Splits, list[str]]:
    """Return the splits without the rows that leak, and a warning for each; `by_start` as in `find`."""
    leaks = find(splits, by_start)
    gone = {id(leak.row) for leak in leaks}
    kept = {name: [row for row in rows if id(row) not in gone] for name, rows in splits.items()}
    warnings = [
        f"{leak.row.place}: left out of {leak.split}, {leak.row.question} and its answer are in {leak.earlier} too "
        f"({leak.other.place})"
        for leak in leaks
    ]
    return kept, warnings


def near(splits: Mapping[str, list[Row]]) -> list[str]:
    """Return a warning for each held-out split that asks what training does, but for punctuation or another answer.

    Compared are the letters and digits of all that stands before an answer; system messages are passed over. Leaks
    would be found too: they have to be gone.
    """
    held = {name: {_letters(row)[-1]: row for row in reversed(splits[name])} for name in SPLITS[1:]}
    found: dict[str, dict[int, Row]] = {name: {} for name in held}
    for row in splits[SPLITS[0]]:
        for asked in _letters(row):
            for name, rows in held.items():
                if asked in rows:
                    found[name].setdefault(asked, row)
    warnings = []
    for name, caught in found.items():
        if caught:
            count = sum(_letters(row)[-1] in caught for row in splits[name])
            asked, other = next(iter(caught.items()))
            warnings.append(
                f"{name}: {count} of {len(splits[name])} rows ask what {SPLITS[0]} asks, but for punctuation, or with "
                f"another answer; one is {held[name][asked].place} ({other.place})"
            )
    return warnings


def tails(splits: Mapping[str, list[Row]]) -> list[str]:
    """Return a warning for each held-out split with rows that end as a whole row of training, answer included.

    Windows that slide over one conversation make such rows. They are no leaks: short exchanges end many conversations.
    """
    held = {
        name: [(row, end) for row in splits[name] if not _is_one_exchange(row) for end in list(_backwards(row))[:-1]]
        for name in SPLITS[1:]
    }
    known: dict[int, Row] = {}
    for row in splits[SPLITS[0]] if any(held.values()) else ():  # most sets have no longer rows
        known.setdefault(list(_backwards(row))[-1], row)
    warnings = []
    for name, ends in held.items():
        found = [(row, known[end]) for row, end in ends if end in known]
        if found:
            count, (row, other) = len({id(row) for row, _ in found}), found[0]
            warnings.append(
                f"{name}: {count} of {len(splits[name])} rows end in a whole row of {SPLITS[0]}; one is {row.place} "
                f"({other.place}); if they are parts of one conversation, keep them together with --group-by"
            )
    return warnings


def _backwards(row: Row) -> Iterator[int]:
    """A hash of what stands from each user message to the end, the last first."""
    running = 0
    for role, sign in reversed(_signs(row)):
        running = hash((running, sign))
        if role == "user":
            yield running


def _letters(row: Row) -> list[int]:
    """A hash of what stands before each answer."""
    found, running = [], 0
    for role, said in row.messages:
        if role == "assistant":
            found.append(running)
        if role != "system":
            running = hash((running, role, letters(said)))
    return found


def conflicts(splits: Mapping[str, list[Row]]) -> list[str]:
    """Return a warning for each prompt that a split has with more than one answer, case and white space aside."""
    warnings = []
    for name in SPLITS:
        seen: dict[int, Row] = {}
        for row in splits[name]:
            first = seen.setdefault(hash(tuple(normal(said) for _, said in row.messages[:-1])), row)
            if first is not row and normal(first.messages[-1][1]) != normal(row.messages[-1][1]):
                warnings.append(f"{row.place}: {row.question} has another answer in {first.place}")
    return warnings
