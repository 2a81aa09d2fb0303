"""Reads chat, Alpaca and ShareGPT files (JSONL, or one JSON array) into canonical rows, and reports every bad row."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .mistakes import MISSING, Mistake
from .rows import ROLES, Row

FORMATS = {"chat": "messages", "sharegpt": "conversations", "alpaca": "instruction"}  # by the field that tells them
ALPACA = {"instruction", "input", "output"}
SPEAKERS = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
BETWEEN = " \t\r\n,"  # the elements of an array
Report = Callable[[str, Any, str], None]  # field, value, remedy


class Reader:
    """Reads files into rows and keeps what is wrong with them: `mistakes`, and `warnings` of what was left out."""

    def __init__(self, form: str = "auto", system: str | None = None) -> None:
        """Read the given format, or each file's own; put `system` before the rows that have no system message."""
        self.form = form
        self.system = (system or "").strip()
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []

    def read(self, path: Path, name: str | None = None) -> list[Row]:
        """Return the good rows of a file, which mistakes call `name` (its path)."""
        file, form, rows = name or str(path), self.form, []
        left_out: set[str] = set()
        before = len(self.mistakes)
        for line, entry in _entries(path, file, self.mistakes):

            def report(field: str, value: Any, remedy: str, line: int = line) -> None:
                self.mistakes.append(Mistake(file, line, field, value, remedy))

            count = len(self.mistakes)
            if not isinstance(entry, dict):
                report("the row", entry, "make it a JSON object")
                continue
            if form == "auto":
                form = next((known for known, field in FORMATS.items() if field in entry), form)
            if form == "auto":
                fields = ", ".join(f"{field!r} ({known})" for known, field in FORMATS.items())
                report("the row", entry, f"its format is told by one of the fields {fields}; or name it with --format")
                continue
            messages = _alpaca(entry, report) if form == "alpaca" else _turns(entry, form, report, left_out)
            left_out |= entry.keys() - (ALPACA if form == "alpaca" else {FORMATS[form]})
            if len(self.mistakes) == count:
                if self.system and messages[0][0] != "system":
                    messages.insert(0, ("system", self.system))
                rows.append(Row(tuple(messages), file, line))
        if not rows and len(self.mistakes) == before:
            self.mistakes.append(Mistake(file, 0, "the file", "empty", "give one with a row a line"))
        if left_out:
            self.warnings.append(f"{file}: fields that are not trained on were left out: {', '.join(sorted(left_out))}")
        return rows


def _entries(path: Path, file: str, mistakes: list[Mistake]) -> Iterator[tuple[int, Any]]:
    """Give every JSON value of a file with its line, 1 is the first; what is no JSON becomes a mistake."""
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] == b"[":
        yield from _elements(content, file, mistakes)
        return
    # Not splitlines(): a line separator of Unicode may stand in a JSON text.
    for line, data in enumerate(content.split(b"\n"), start=1):
        if not data.strip():
            continue
        try:
            entry = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            text = data.decode("utf-8", "backslashreplace")
            mistakes.append(Mistake(file, line, "the row", text, f"write one JSON object a line, in UTF-8 ({error})"))
            continue
        yield line, entry


def _elements(content: bytes, file: str, mistakes: list[Mistake]) -> Iterator[tuple[int, Any]]:
    try:
        text = content.decode("utf-8")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        text = content.decode("utf-8", "backslashreplace")
        mistakes.append(Mistake(file, line, "the file", text, f"make it one JSON array, in UTF-8 ({error})"))
        return
    decoder, line, counted = json.JSONDecoder(), 1, 0
    at = text.index("[") + 1
    while True:
        while text[at] in BETWEEN:
            at += 1
        if text[at] == "]":
            return
        line, counted = line + text.count("\n", counted, at), at
        entry, at = decoder.raw_decode(text, at)
        yield line, entry


def _text(holder: dict[str, Any], key: str, field: str, report: Report) -> str:
    value = holder.get(key, MISSING)
    if value is MISSING:
        report(field, value, "add it, a text")
    elif not isinstance(value, str):
        report(field, value, "make it a text (other kinds of content are not trained on)")
    elif not value.strip():
        report(field, value, "write what was said, or leave the row out")
    else:
        try:
            value.encode()
        except UnicodeEncodeError:
            report(field, value, "half a surrogate pair is no character: mend or leave out the row")
    return value if isinstance(value, str) else ""


def _alpaca(entry: dict[str, Any], report: Report) -> list[tuple[str, str]]:
    parts = [_text(entry, "instruction", "instruction", report)]
    given = entry.get("input", "")
    if given is not None and (not isinstance(given, str) or given.strip()):
        parts.append(_text(entry, "input", "input", report))
    return [("user", "\n\n".join(parts)), ("assistant", _text(entry, "output", "output", report))]


def _turns(entry: dict[str, Any], form: str, report: Report, left_out: set[str]) -> list[tuple[str, str]]:
    """Return the messages of a chat or ShareGPT row, after reporting what is wrong with them."""
    name = FORMATS[form]
    role_key, text_key, speakers = ("role", "content", dict(zip(ROLES, ROLES, strict=True)))
    if form == "sharegpt":
        role_key, text_key, speakers = ("from", "value", SPEAKERS)
    turns = entry.get(name, MISSING)
    if not isinstance(turns, list) or not turns:
        report(name, turns, f"make it a list of {{{role_key!r}: ..., {text_key!r}: ...}}")
        return []
    messages, roles_are_known = [], True
    for number, turn in enumerate(turns):
        field = f"{name}[{number}]"
        if not isinstance(turn, dict):
            report(field, turn, f"make it an object with {role_key!r} and {text_key!r}")
            roles_are_known = False
            continue
        left_out |= {f"{name}[].{key}" for key in turn.keys() - {role_key, text_key}}
        said = turn.get(role_key, MISSING)
        role = speakers.get(said) if isinstance(said, str) else None
        if role is None:
            report(f"{field}.{role_key}", said, f"one of {', '.join(speakers)}")
            roles_are_known = False
        messages.append((role or "", _text(turn, text_key, f"{field}.{text_key}", report)))
    if roles_are_known:
        _check_order([role for role, _ in messages], name, role_key, report)
    return messages


def _check_order(roles: list[str], name: str, role_key: str, report: Report) -> None:
    start = 1 if roles[0] == "system" else 0
    for number, role in enumerate(roles[start:], start=start):
        expected = ("user", "assistant")[(number - start) % 2]
        if role != expected:
            order = "at most one system message first, then user and assistant in turn"
            report(f"{name}[{number}].{role_key}", role, f"{expected} is due here ({order})")
            return
    if roles[-1] != "assistant":
        report(name, roles, "end with the assistant's answer, which is what is learned")
