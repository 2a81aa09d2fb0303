"""Reads chat, Alpaca and ShareGPT files (JSONL, or one JSON array) into canonical rows, and reports every bad row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem_contract.checks import Checks

from .rows import ROLES, Row

FORMATS = {"chat": "messages", "sharegpt": "conversations", "alpaca": "instruction"}  # by the field that tells them
ALPACA = {"instruction", "input", "output"}
SPEAKERS = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
BETWEEN = " \t\r\n,"  # the elements of an array


class Reader:
    """Reads files into rows; collects what is wrong with them in `checks`, and in `warnings` what was left out."""

    def __init__(self, form: str = "auto", system: str | None = None) -> None:
        """Read the given format, or each file's own; put `system` before the rows that have no system message."""
        self.form = form
        self.system = (system or "").strip()
        self.checks = Checks()
        self.warnings: list[str] = []

    def read(self, path: Path, name: str | None = None) -> list[Row]:
        """Return the good rows of a file, which mistakes call `name` (its path)."""
        file, form, rows = name or str(path), self.form, []
        left_out: set[str] = set()
        mistakes = self.checks.mistakes
        before = len(mistakes)
        for line, entry in _entries(path, file, self.checks):
            checks, count = self.checks.at(f"{file}:{line}"), len(mistakes)
            if not isinstance(entry, dict):
                checks.refuse("the row", entry, "a JSON object", "Make it one.")
                continue
            if form == "auto":
                form = next((known for known, field in FORMATS.items() if field in entry), form)
            if form == "auto":
                allowed = f"an object with {' or '.join(FORMATS.values())}"
                remedy = f"They tell {', '.join(FORMATS)} apart; or name the format with --format."
                checks.refuse("the row", entry, allowed, remedy)
                continue
            messages = _alpaca(entry, checks) if form == "alpaca" else _turns(entry, form, checks, left_out)
            left_out |= entry.keys() - (ALPACA if form == "alpaca" else {FORMATS[form]})
            if len(mistakes) == count:
                if self.system and messages[0][0] != "system":
                    messages.insert(0, ("system", self.system))
                rows.append(Row(tuple(messages), file, line))
        if not rows and len(mistakes) == before:
            self.checks.add(file, "the file is empty", "Give one with a row a line.")
        if left_out:
            self.warnings.append(f"{file}: fields that are not trained on were left out: {', '.join(sorted(left_out))}")
        return rows


def _entries(path: Path, file: str, checks: Checks) -> Iterator[tuple[int, Any]]:
    """Give every JSON value of a file with its line, 1 is the first; what is no JSON becomes a mistake."""
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if content.lstrip()[:1] == b"[":
        yield from _elements(content, file, checks)
        return
    # Not splitlines(): a line separator of Unicode may stand in a JSON text.
    for line, data in enumerate(content.split(b"\n"), start=1):
        if not data.strip():
            continue
        try:
            entry = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            text = data.decode("utf-8", "backslashreplace")
            checks.at(f"{file}:{line}").refuse(
                "the row", text, "one JSON object a line, in UTF-8", f"Mend it: {error}."
            )
            continue
        yield line, entry


def _elements(content: bytes, file: str, checks: Checks) -> Iterator[tuple[int, Any]]:
    try:
        text = content.decode("utf-8")
        json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f"{file}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else file
        text = content.decode("utf-8", "backslashreplace")
        checks.at(place).refuse("the file", text, "one JSON array, in UTF-8", f"Mend it: {error}.")
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


def _text(holder: dict[str, Any], key: str, field: str, checks: Checks) -> str:
    value = holder.get(key)
    if key not in holder:
        checks.missing(field, "Add it, a text.")
    elif not isinstance(value, str):
        checks.refuse(field, value, "a text", "Other kinds of content are not trained on.")
    elif not value.strip():
        checks.refuse(field, value, "a text that isn't blank", "Write what was said, or leave the row out.")
    else:
        try:
            value.encode()
        except UnicodeEncodeError:
            remedy = "Half a surrogate pair is no character: mend the row, or leave it out."
            checks.refuse(field, value, "whole characters", remedy)
    return value if isinstance(value, str) else ""


def _alpaca(entry: dict[str, Any], checks: Checks) -> list[tuple[str, str]]:
    parts = [_text(entry, "instruction", "instruction", checks)]
    given = entry.get("input", "")
    if given is not None and (not isinstance(given, str) or given.strip()):
        parts.append(_text(entry, "input", "input", checks))
    return [("user", "\n\n".join(parts)), ("assistant", _text(entry, "output", "output", checks))]


def _turns(entry: dict[str, Any], form: str, checks: Checks, left_out: set[str]) -> list[tuple[str, str]]:
    """Return the messages of a chat or ShareGPT row, after reporting what is wrong with them."""
    name = FORMATS[form]
    role_key, text_key, speakers = ("role", "content", dict(zip(ROLES, ROLES, strict=True)))
    if form == "sharegpt":
        role_key, text_key, speakers = ("from", "value", SPEAKERS)
    allowed = f"an object with {role_key} and {text_key}"
    turns = entry.get(name)
    if name not in entry:
        checks.missing(name, f"Add it, a list; each entry is {allowed}.")
        return []
    if not isinstance(turns, list) or not turns:
        checks.refuse(name, turns, "a list of messages", f"Each entry is {allowed}.")
        return []
    messages, roles_are_known = [], True
    for number, turn in enumerate(turns):
        field = f"{name}[{number}]"
        if not isinstance(turn, dict):
            checks.refuse(field, turn, allowed, "Make it one.")
            roles_are_known = False
            continue
        left_out |= {f"{name}[].{key}" for key in turn.keys() - {role_key, text_key}}
        if role_key not in turn:
            checks.missing(f"{field}.{role_key}", f"Add it: one of {', '.join(speakers)}.")
            role = None
        else:
            role = checks.choice(f"{field}.{role_key}", turn[role_key], speakers)
        roles_are_known = roles_are_known and role is not None
        messages.append((speakers.get(role, ""), _text(turn, text_key, f"{field}.{text_key}", checks)))
    if roles_are_known:
        _check_order([role for role, _ in messages], name, role_key, checks)
    return messages


def _check_order(roles: list[str], name: str, role_key: str, checks: Checks) -> None:
    start = 1 if roles[0] == "system" else 0
    for number, role in enumerate(roles[start:], start=start):
        expected = ("user", "assistant")[(number - start) % 2]
        if role != expected:
            remedy = "At most one system message first, then user and assistant in turn."
            checks.refuse(f"{name}[{number}].{role_key}", role, f"{expected} is due here", remedy)
            return
    if roles[-1] != "assistant":
        remedy = "End with the assistant's answer, which is what is learned."
        checks.refuse(name, roles, "the last one is the assistant's", remedy)
