"""Tokens of a row: the base model's own chat template, and the loss on the assistant's messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tandem.finetuning.dataset.rows import Row, messages

from .layout import Refused

IGNORED = -100  # no loss on this token
# Above this share of rows that are too long, training goes on without much of what it was given.
TOO_LONG_ALLOWED = 0.1


@dataclass
class Tokenized:
    """A split as a model takes it."""

    rows: list[dict[str, list[int]]] = field(default_factory=list)
    """`input_ids`, and `labels` with `IGNORED` where no loss is wanted."""
    too_long: int = 0
    """Rows that were left out."""
    whole: int = 0
    """Rows with the loss on all of their text, because the template doesn't tell turns apart."""


def tokenize(rows: Sequence[Row], tokenizer: Any, limit: int) -> Tokenized:
    """Tokens of the rows that have at most `limit` of them.

    Longer rows are left out, not cut: what is cut is the end of the answer, and the model would learn to stop there.
    Raises `Refused` if they are more than a tenth, or if the template doesn't take a row.
    """
    result, lengths = Tokenized(), []
    for row in rows:
        try:
            tokens, labels, separated = _tokens(messages(row), tokenizer)
        except Exception as error:  # templates are programs: they raise what they like
            raise Refused(f"{row.place}: the base model's chat template refuses this row ({error}).") from error
        lengths.append(len(tokens))
        if len(tokens) > limit:
            result.too_long += 1
            continue
        result.whole += not separated
        result.rows.append({"input_ids": tokens, "labels": labels})
    if result.too_long > TOO_LONG_ALLOWED * len(rows):
        raise Refused(
            f"{result.too_long} of {len(rows)} rows have more than {limit} tokens (the longest {max(lengths)}): raise "
            f"max_sequence_tokens, which is {limit}, or shorten the rows. Up to a tenth would be left out."
        )
    return result


def prompt_text(conversation: list[dict[str, str]], tokenizer: Any) -> str:
    """What the model is given to answer a conversation."""
    return tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)


def _tokens(conversation: list[dict[str, str]], tokenizer: Any) -> tuple[list[int], list[int], bool]:
    """Tokens, labels and whether the turns could be told apart.

    Every stretch of text is made into tokens by itself, so that a prompt has the same tokens here as when the model is
    asked.
    """
    pieces = _pieces(conversation, tokenizer)
    separated = pieces is not None
    if pieces is None:
        pieces = [(tokenizer.apply_chat_template(conversation, tokenize=False), True)]
    tokens: list[int] = []
    labels: list[int] = []
    for text, learned in pieces:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens += ids
        labels += ids if learned else [IGNORED] * len(ids)
    return tokens, labels, separated


def _pieces(conversation: list[dict[str, str]], tokenizer: Any) -> list[tuple[str, bool]] | None:
    """The text in stretches: what is given, what the assistant says, and so on; None if the template mixes them."""
    pieces: list[tuple[str, bool]] = []
    done = ""
    for at, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        given = prompt_text(conversation[:at], tokenizer)
        said = tokenizer.apply_chat_template(conversation[: at + 1], tokenize=False)
        if not (given.startswith(done) and said.startswith(given)):
            return None
        pieces += [(given[len(done) :], False), (said[len(given) :], True)]
        done = said
    return pieces
