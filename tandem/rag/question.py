"""The request of the query API."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = 2000
MAX_TOP_K = 20
MAX_VALUES = 100
METADATA = re.compile(r"metadata\.\S+")
FIELDS = ("question", "top_k", "filter", "generate")


class Invalid(Exception):
    """A request that can't be answered; the message names every mistake, its value and the remedy."""


@dataclass(frozen=True)
class Question:
    """A valid request."""

    text: str
    top_k: int
    filters: Mapping[str, str | Sequence[str]]
    generate: bool


def parse(body: str, default_top_k: int) -> Question:
    """Read a request's body; raises `Invalid` with all mistakes at once."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise Invalid(f'the body is not JSON ({error}): send {{"question": "..."}}') from error
    if not isinstance(request, dict):
        raise Invalid(f'the body is a JSON {type(request).__name__}: send an object, {{"question": "..."}}')
    mistakes = [f"{name!r} is unknown: use {', '.join(FIELDS)}" for name in request if name not in FIELDS]
    text = request.get("question")
    if not isinstance(text, str) or not text.strip():
        mistakes.append(f"question is {_shown(text)}: give a text of 1 to {MAX_CHARACTERS} characters")
    elif len(text) > MAX_CHARACTERS:
        mistakes.append(f"question has {len(text)} characters: give at most {MAX_CHARACTERS}")
    top_k = request.get("top_k", default_top_k)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MAX_TOP_K:
        mistakes.append(f"top_k is {_shown(top_k)}: give a whole number from 1 to {MAX_TOP_K}")
    generate = request.get("generate", True)
    if not isinstance(generate, bool):
        mistakes.append(f"generate is {_shown(generate)}: give true or false")
    filters = request.get("filter", {})
    mistakes += _filter_mistakes(filters)
    if mistakes:
        raise Invalid("; ".join(mistakes))
    return Question(str(text).strip(), top_k, filters, generate)


def _filter_mistakes(filters: Any) -> list[str]:
    if not isinstance(filters, dict):
        return [f'filter is {_shown(filters)}: give an object such as {{"document": "guide.pdf"}}']
    mistakes = []
    for name, value in filters.items():
        if name != "document" and not METADATA.fullmatch(name):
            mistakes.append(f"filter has {name!r}: use document or metadata.<key>")
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= MAX_VALUES or not all(isinstance(element, str) for element in values):
            mistakes.append(f"filter {name!r} is {_shown(value)}: give a text, or a list of 1 to {MAX_VALUES} texts")
    return mistakes


def _shown(value: Any) -> str:
    return json.dumps(value)[:80]
