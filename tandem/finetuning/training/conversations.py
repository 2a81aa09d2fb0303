"""Tokens of a split: the base model's own chat template, and the loss on the assistant's messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tandem.finetuning.dataset import lengths
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.sample import prompt
from tandem.finetuning.dataset.template import Refused as TemplateRefused
from tandem.finetuning.dataset.template import Template

from .layout import Refused

IGNORED = -100  # no loss on this token


@dataclass
class Tokenized:
    """A split as a model takes it."""

    rows: list[dict[str, list[int]]] = field(default_factory=list)
    """`input_ids`, and `labels` with `IGNORED` where no loss is wanted."""
    used: list[Row] = field(default_factory=list)
    """The rows that these are of."""
    too_long: int = 0
    """Rows that were left out."""
    divided: int = 0
    """Rows that are several here, because the template rewrites earlier turns."""


def tokenize(split: str, rows: Sequence[Row], tokenizer: Any, limit: int, most: int | None = None) -> Tokenized:
    """Tokens of the rows that have at most `limit` of them, of the first `most` of these where that is given.

    Longer rows are left out, not cut: what is cut is the end of the answer, and the model would learn to stop there.
    Raises `Refused` if they are too many (`lengths.too_many`), or if the template doesn't take a row.
    """
    result, longest, template = Tokenized(), 0, Template(tokenizer)
    for row in rows:
        try:
            sequences = template.sequences(row)
        except TemplateRefused as error:
            raise Refused(f"{row.place}: {error}.") from error
        length = max(sum(len(piece.tokens) for piece in pieces) for pieces in sequences)
        longest = max(longest, length)
        if length > limit:
            result.too_long += 1
            continue
        if most is not None and len(result.used) == most:
            continue
        result.used.append(row)
        result.divided += len(sequences) > 1
        for pieces in sequences:
            ids = [token for piece in pieces for token in piece.tokens]
            labels = [token if piece.learned else IGNORED for piece in pieces for token in piece.tokens]
            result.rows.append({"input_ids": ids, "labels": labels})
    if rows and lengths.too_many(result.too_long, len(rows)):
        raise Refused(
            f"{result.too_long} of {len(rows)} rows in {split} have more than {limit} tokens (the longest {longest}): "
            f"raise max_sequence_tokens, which is {limit}, or shorten the rows. {lengths.ALLOWED}"
        )
    return result


def askable(
    rows: Sequence[Row], tokenizer: Any, context: int | None, answer: int
) -> tuple[list[Row], list[tuple[Row, str]]]:
    """The test rows whose prompts leave a model of `context` tokens room for `answer` more; the others, and why."""
    template, kept, others = Template(tokenizer), [], []
    for row in rows:
        try:
            asked = len(template.prompt_tokens(prompt(row), row.tools))
        except TemplateRefused as error:
            others.append((row, str(error)))
            continue
        if context is None or asked + answer <= context:
            kept.append(row)
        else:
            others.append((row, f"{asked} tokens, and {answer} of an answer, are more than the model's {context}"))
    return kept, others


def check_askable(rows: Sequence[Row], tokenizer: Any, context: int | None, answer: int) -> None:
    """Refuse, before anything is trained, test rows of which the evaluation would leave out too many."""
    if not rows:
        raise Refused("No row of test ends with an answer in words, so that the gate has nothing to ask.")
    _, others = askable(rows, tokenizer, context, answer)
    if lengths.too_many(len(others), len(rows)):
        row, why = others[0]
        raise Refused(
            f"{len(others)} of {len(rows)} rows in test can't be asked, {row.place} first: {why}. Lower "
            f"evaluation.max_new_tokens, or mend the rows. {lengths.ALLOWED}"
        )
