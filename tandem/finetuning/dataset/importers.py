"""Reads rows in the forms that data sets have into canonical ones, and reports every bad row."""

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tandem_contract.checks import Checks, is_number, near, shown
from tandem_contract.errors import Mistake

from . import files
from .fields import FORMATS, HARMLESS, LABELS, PLACEHOLDERS, READ, REFUSED, REMEDIES, TEXTS, is_empty
from .rows import Row
from .splits import folded
from .turns import SPELLINGS, Turns, read_tools, text


class Reader:
    """Reads files into rows; collects what is wrong with them in `checks`, and counts what it leaves out."""

    def __init__(
        self,
        form: str = "auto",
        system: str | None = None,
        leave_out: Collection[str] = (),
        group_by: str | None = None,
        skip: bool = False,
    ) -> None:
        """Read the given format, or each row's own; put `system` before the rows that have no system message.

        Fields in `leave_out` (`rating`, `messages[].name`) are read as if they weren't there. `group_by` is the field
        that says which rows belong together. With `skip` a bad row is left out, and its mistakes are in `skipped`.
        """
        self.form = form
        self.system = (system or "").strip()
        self.leave_out = frozenset(leave_out)
        self._inner: dict[str, set[str]] = {}  # of the messages, by the field that has these
        for field in leave_out:
            holder, nested, name = field.partition("[].")
            if nested:
                self._inner.setdefault(holder, set()).add(name)
        self.group_by = group_by
        self.skip = skip
        self.checks = Checks()
        self.skipped: list[Mistake] = []
        self.skipped_rows = 0
        self.left_out: Counter[str] = Counter()
        """Fields that were not kept, and in how many rows."""
        self.cut: list[str] = []
        """Places of rows of which messages after the last learned answer were not kept."""
        self.placeholders: list[str] = []
        """Places of rows with a question that seems to be about an image, a video or a sound."""
        self._unknown: dict[str, list[Any]] = {}
        self._form = form

    def read(self, path: Path, name: str | None = None) -> list[Row]:
        """Return the good rows of a file, which mistakes call `name` (its path)."""
        file, rows = name or str(path), []
        mistakes, self._form, self._unknown = self.checks.mistakes, self.form, {}
        before, skipped, seen = len(mistakes), len(self.skipped), self.skipped_rows
        try:
            for line, value, wrong in files.entries(path):
                count = len(mistakes)
                checks = self.checks.at(f"{file}:{line}")
                for mistake in wrong:
                    checks.add(*mistake)
                row = self._row(value, file, line, checks) if not wrong else None
                if len(mistakes) == count and row is not None:
                    rows.append(row)
                elif self.skip:
                    self.skipped += mistakes[count:]
                    self.skipped_rows += 1
                    del mistakes[count:]
        except files.NotRows as error:
            del mistakes[before:], self.skipped[skipped:]
            self.skipped_rows = seen
            place = f"{file}:{error.line}" if error.line else file
            self.checks.at(place).add("the file", str(error), error.remedy)
            return rows
        for field, (line, count, value) in self._unknown.items():
            self._refuse_unknown(field, f"{file}:{line}", count, value)
        if not rows and len(mistakes) == before:
            if self.skipped_rows > seen:
                self.checks.add(file, "not one row of the file is good", self.skipped[skipped].remedy)
            else:
                self.checks.add(file, "the file is empty", "Give one with a row a line.")
        return rows

    def _refuse_unknown(self, field: str, place: str, count: int, value: Any) -> None:
        name = field.rpartition(".")[2]
        known = REMEDIES.get(field) or near(
            name, sorted((TEXTS | {"system", "tools", "content", "role", "weight"}) - {name})
        )
        problem = f"nothing here reads such a field ({count} rows have it, this one {shown(value)})"
        remedy = f"If the rows mean the same without it: --leave-out {shown(field)}."
        self.checks.at(place).add(field, problem, f"{known} {remedy}".strip())

    def _row(self, entry: Any, file: str, line: int, checks: Checks) -> Row | None:
        """The row, or None where `checks` has its mistakes."""
        count = len(checks.mistakes)
        if not isinstance(entry, dict):
            checks.refuse("the row", entry, "a JSON object", "Make it one.")
            return None
        dropped: list[str] = []
        if self.leave_out:
            entry = self._without(entry, dropped)
        form = self._form_of(entry, checks)
        if form is None:
            return None
        turns = Turns(checks)
        if not is_empty(system := entry.get("system")):
            turns.add("system", system, "system")
        _READERS[form](entry, turns, checks)
        tools: tuple[dict[str, Any], ...] = ()
        for key in ("tools", "functions"):
            if key in entry and not is_empty(entry[key]):
                tools += read_tools(entry[key], key, checks)
        others = {key: entry[key] for key in entry.keys() - READ[form]} if entry.keys() - READ[form] else {}
        group = self._group(entry, checks)
        others.pop(self.group_by or "", None)
        unknown = self._meanings(others | turns.others, dropped, checks)
        turns.check(FORMATS[form], tools)
        if turns.more or tools:
            _check_written([turns.more, tools], checks)
        is_bad = len(checks.mistakes) > count
        for field, value in unknown.items() if not (is_bad and self.skip) else ():
            self._unknown.setdefault(field, [line, 0, value])[1] += 1
        if is_bad:
            return None
        self.left_out.update(dropped)
        return self._made(turns, tools, group, file, line)

    def _made(self, turns: Turns, tools: tuple[dict[str, Any], ...], group: str, file: str, line: int) -> Row:
        messages = turns.messages
        if turns.more and (length := turns.learned()) < len(messages):
            # What follows teaches nothing, and a test would take it for the right answer.
            messages = messages[:length]
            self.cut.append(f"{file}:{line}")
        if any(_has_placeholder(said) for role, said in messages if role == "user" and "<" in said):
            self.placeholders.append(f"{file}:{line}")
        more = [turns.more.get(number, {}) for number in range(len(messages))] if turns.more else []
        if self.system and messages[0][0] != "system":
            messages = [("system", self.system), *messages]
            more = [{}, *more] if more else []
        return Row(tuple(messages), file, line, tuple(more) if any(more) else (), tools, group)

    def _form_of(self, entry: dict[str, Any], checks: Checks) -> str | None:
        there = [field for field in entry if field in _FORM_OF and not is_empty(entry[field])]
        if len(there) > 1:
            problem = f"it has {' and '.join(sorted(there))}: two formats"
            checks.add("the row", problem, "Keep one, or --leave-out the other's fields.")
            return None
        if self.form != "auto":
            return self.form
        if there:
            self._form = _FORM_OF[there[0]]
        if self._form != "auto":
            return self._form
        for key in sorted(entry.keys() & REFUSED.keys()):
            if not is_empty(entry[key]):
                checks.add(key, *REFUSED[key])
                return None
        allowed = f"an object with {' or '.join(FORMATS.values())}"
        remedy = f"They tell {', '.join(FORMATS)} apart; or name the format with --format."
        checks.refuse("the row", entry, allowed, remedy)
        return None

    def _without(self, entry: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
        kept = {key: value for key, value in entry.items() if key not in self.leave_out}
        dropped += entry.keys() - kept.keys()
        for key, inner in self._inner.items():
            if isinstance(turns := kept.get(key), list):
                kept[key] = [_without(turn, inner) for turn in turns]
                found = set().union(*(turn.keys() & inner for turn in turns if isinstance(turn, dict)))
                dropped += [f"{key}[].{name}" for name in found]
        return kept

    def _group(self, entry: dict[str, Any], checks: Checks) -> str:
        if self.group_by is None:
            return ""
        value = entry.get(self.group_by)
        if is_empty(value):
            checks.missing(self.group_by, "--group-by divides by it: every row has to have it.")
            return ""
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 1.0 where a table had a cell without a number elsewhere
        if not isinstance(value, str | int) and not is_number(value):
            checks.refuse(self.group_by, value, "a text or a number", "Group by a field that has one.")
            return ""
        return folded(text(str(value), self.group_by, checks)).strip()

    def _meanings(self, others: dict[str, Any], dropped: list[str], checks: Checks) -> dict[str, Any]:
        """Refuse what a row can't do without, and return what nothing is known of."""
        unknown = {}
        for field, value in others.items():
            key = field.rpartition(".")[2]
            if is_empty(value):
                continue
            if key in REFUSED:
                checks.add(field, *REFUSED[key])
            elif field in LABELS:
                if value is not True:
                    allowed = "true: the answer is a good one"
                    remedy = "A bad answer is not to be learned: leave the row out, or all such with --skip."
                    checks.refuse(field, value, allowed, remedy)
                dropped.append(field)
            elif key in HARMLESS:
                dropped.append(field)
            else:
                unknown[field] = value
        return unknown


def _has_placeholder(said: str) -> bool:
    whole = said.strip()
    return whole.startswith(PLACEHOLDERS) or whole.endswith(PLACEHOLDERS)


def _without(turn: Any, fields: set[str]) -> Any:
    return {name: value for name, value in turn.items() if name not in fields} if isinstance(turn, dict) else turn


def _chat(entry: dict[str, Any], turns: Turns, checks: Checks) -> None:
    _list(entry, "messages", turns, checks)


def _sharegpt(entry: dict[str, Any], turns: Turns, checks: Checks) -> None:
    _list(entry, "conversations", turns, checks)


def _list(entry: dict[str, Any], name: str, turns: Turns, checks: Checks) -> None:
    if _has(entry, name, f"Add it, a list; each entry is {SPELLINGS}.", turns, checks):
        turns.read(entry[name], name)


def _alpaca(entry: dict[str, Any], turns: Turns, checks: Checks) -> None:
    if not is_empty(history := entry.get("history")):
        if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
            checks.refuse("history", history, "a list of [question, answer]", "Make it one.")
            history = []
        for number, (question, answer) in enumerate(history):
            turns.add("user", question, f"history[{number}][0]")
            turns.add("assistant", answer, f"history[{number}][1]")
    if _has(entry, "instruction", "Add it, a text.", turns, checks):
        turns.add("user", entry["instruction"], "instruction")
        given = entry.get("input")
        if not is_empty(given) and not (isinstance(given, str) and not given.strip()):
            turns.messages[-1] = ("user", f"{turns.messages[-1][1]}\n\n{text(given, 'input', checks)}")
    if _has(entry, "output", "Add it, a text.", turns, checks):
        turns.add("assistant", entry["output"], "output")


def _completion(entry: dict[str, Any], turns: Turns, checks: Checks) -> None:
    for key, role in (("prompt", "user"), ("completion", "assistant")):
        if _has(entry, key, "Add it, a text.", turns, checks):
            if _is_conversation(entry[key]):
                turns.read(entry[key], key)
            else:
                turns.add(role, entry[key], key)


def _is_conversation(value: Any) -> bool:
    """Whether a list holds messages, not the parts of one."""
    return isinstance(value, list) and any(isinstance(turn, dict) and turn.keys() & {"role", "from"} for turn in value)


def _has(entry: dict[str, Any], key: str, remedy: str, turns: Turns, checks: Checks) -> bool:
    if key not in entry:
        checks.missing(key, remedy)
        turns.are_whole = False
    return key in entry


def _check_written(held: Any, checks: Checks) -> None:
    """Refuse what JSON in UTF-8 can't hold."""
    try:
        json.dumps(held, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError) as error:
        checks.add("the row", f"its tools can't be written: {error}", "Mend the row, or leave it out.")


_FORM_OF = {field: form for form, field in FORMATS.items()}
_READERS = {"chat": _chat, "sharegpt": _sharegpt, "alpaca": _alpaca, "completion": _completion}
