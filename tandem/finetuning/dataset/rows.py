"""A row in the canonical format: an optional system message, then user and assistant in turn, the assistant last.

Where the assistant calls tools, their answers (role `tool`) stand before its next message.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem_contract.checks import shown

LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}  # those that JSON lets stand in a text
ENCODER = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Row:
    """The messages as (role, content), and the file and line that they came from."""

    messages: tuple[tuple[str, str], ...]
    file: str
    line: int
    more: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    """What each message has besides, if one has anything: `weight` 0 at an answer that is not to be learned,
    `tool_calls`, and of a tool's answer `tool_call_id` and `name`; all as OpenAI's API has them."""
    tools: tuple[Any, ...] = field(default=(), hash=False)
    """The tools that may be called, as OpenAI's API has them."""
    group: str = field(default="", compare=False)
    """What it is divided by, where the user says."""

    @property
    def place(self) -> str:
        """File and line, as in a compiler's message."""
        return f"{self.file}:{self.line}"

    @property
    def question(self) -> str:
        """The last user message, shortened, to name the row by."""
        return shown(next(content for role, content in reversed(self.messages) if role == "user"))


def encoded(rows: Iterable[Row]) -> bytes:
    """Return rows as canonical JSONL, in which `str.splitlines` finds the same lines as everybody else."""
    return "".join(map(_line, rows)).encode()


def _line(row: Row) -> str:
    content: dict[str, Any] = {"messages": messages(row)}
    return json_line(content | {"tools": tools(row)} if row.tools else content)


def messages(row: Row) -> list[dict[str, Any]]:
    """A row's messages as chat APIs take them."""
    if not row.more:
        return [{"role": role, "content": content} for role, content in row.messages]
    turns = zip(row.messages, row.more, strict=True)
    return [{"role": role, "content": content, **besides} for (role, content), besides in turns]


def tools(row: Row) -> list[Any]:
    """The tools that a row offers, as chat APIs take them."""
    return list(row.tools)


def json_line(content: Any) -> str:
    """One line of JSONL, in which `str.splitlines` finds no other."""
    line = ENCODER.encode(content)
    return f"{line if line.isascii() else line.translate(LINE_ENDS)}\n"


def decoded(data: bytes, file: str) -> list[Row]:
    """Read canonical JSONL as `encoded` wrote it."""
    return [_row(json.loads(line), file, number) for number, line in enumerate(data.decode().splitlines(), start=1)]


def _row(stored: Mapping[str, Any], file: str, line: int) -> Row:
    turns = tuple((turn["role"], turn["content"]) for turn in stored["messages"])
    more = [{key: turn[key] for key in turn.keys() - {"role", "content"}} for turn in stored["messages"]]
    return Row(turns, file, line, tuple(more) if any(more) else (), tuple(stored.get("tools", ())))
