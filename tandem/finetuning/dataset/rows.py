"""A row in the canonical format: an optional system message, then user and assistant in turn, the assistant last."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tandem_contract.checks import shown
from tandem_contract.errors import TandemError

ROLES = ("system", "user", "assistant")
MARKERS = 5  # tokens that a ChatML template adds to a message: two markers, the role and two line ends
LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}  # those that JSON lets stand in a text
CHARACTERS = 4  # a token, as an estimate


@dataclass(frozen=True)
class Row:
    """The messages as (role, content), and the file and line that they came from."""

    messages: tuple[tuple[str, str], ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        """File and line, as in a compiler's message."""
        return f"{self.file}:{self.line}"

    @property
    def prompt(self) -> str:
        """What the model is asked: the system and user texts, with case and white space made equal."""
        texts = (content for role, content in self.messages if role != "assistant")
        return "\n".join(" ".join(text.casefold().split()) for text in texts)

    @property
    def question(self) -> str:
        """The last user message, shortened, to name the row by."""
        return shown(next(content for role, content in reversed(self.messages) if role == "user"))


def encoded(rows: Iterable[Row]) -> bytes:
    """Return rows as canonical JSONL, in which `str.splitlines` finds the same lines as everybody else."""
    return "".join(json_line({"messages": messages(row)}) for row in rows).encode()


def messages(row: Row) -> list[dict[str, str]]:
    """A row's messages as chat templates and chat APIs take them."""
    return [{"role": role, "content": content} for role, content in row.messages]


def json_line(content: Any) -> str:
    """One line of JSONL, in which `str.splitlines` finds no other."""
    return json.dumps(content, ensure_ascii=False).translate(LINE_ENDS) + "\n"


def decoded(data: bytes, file: str) -> list[Row]:
    """Read canonical JSONL as `encoded` wrote it."""
    messages = (json.loads(line)["messages"] for line in data.decode().splitlines())
    turns = (tuple((each["role"], each["content"]) for each in row) for row in messages)
    return [Row(turn, file, number) for number, turn in enumerate(turns, start=1)]


def estimated_tokens(rows: Iterable[Row]) -> list[int]:
    """Return an estimate of each row's tokens, from its characters."""
    return [sum(MARKERS - (-len(text) // CHARACTERS) for _, text in row.messages) for row in rows]


def exact_tokens(rows: Iterable[Row], tokenizer_file: str) -> list[int]:
    """Return each row's tokens by a base model's `tokenizer.json`, the chat template counted as ChatML's markers.

    Raises ImportError without the package `tokenizers`, `TandemError` for a file that is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(tokenizer_file)
    except Exception as error:  # the package raises nothing narrower
        raise TandemError(f"{tokenizer_file} is no tokenizer.json ({error}).") from error
    tokenizer.no_truncation()  # both are kept in the file, and would hide the length
    tokenizer.no_padding()
    return [
        sum(MARKERS + len(tokenizer.encode(text, add_special_tokens=False).ids) for _, text in row.messages)
        for row in rows
    ]


def statistics(counts: list[int]) -> dict[str, float]:
    """Return mean, 95th percentile (nearest rank) and maximum; the counts may not be empty."""
    ordered = sorted(counts)
    rank = -(-95 * len(ordered) // 100)
    return {"mean": round(sum(ordered) / len(ordered), 1), "p95": ordered[rank - 1], "max": ordered[-1]}
