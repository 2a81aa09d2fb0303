"""Metrics of one answer, from 0 to 1: equal to the reference, words shared with it, and the required form.

The standard library and the contract alone, since training jobs carry this module, except that a JSON Schema needs the
`jsonschema` package. What a word is stands in `words.py`.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tandem_contract.errors import TandemError

from . import patterns
from .words import words

Words = Callable[[str], list[str]]
"""How a text is read: `measures.words.words`, or SQuAD's own script (`measures.squad.words`)."""


def exact_match(answer: str, reference: str, words: Words = words) -> float:
    """1 if both are the same words, else 0."""
    return float(words(answer) == words(reference))


def token_f1(answer: str, reference: str, words: Words = words) -> float:
    """The harmonic mean of precision and recall over words, each counted as often as it stands.

    If either side has no words, it is 1 if both have none, else 0.
    """
    given, wanted = words(answer), words(reference)
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def format_adherence(answer: str, format: Mapping[str, Any]) -> float:
    """1 if the answer, without white space around it, has the form, else 0.

    `{"regex": PATTERN}`: the pattern of Python's `re` matches all of it, within two seconds; `.` stops at line ends
    unless the pattern says `(?s)`. `{"json_schema": SCHEMA}`: it is JSON and nothing else, not even a code fence, and
    the schema accepts it, within two seconds too. Raises `TandemError` for a form that can't be used, whatever the
    answer is.
    """
    text = answer.strip()
    if set(format) == {"regex"}:
        try:
            return float(patterns.fullmatch(format["regex"], text) is not None)
        except (re.error, TypeError) as error:
            raise TandemError(f"format.regex is {format['regex']!r}: {error}") from error
    if set(format) == {"json_schema"}:
        try:
            return float(_accepts(format["json_schema"], text))
        except (RecursionError, OverflowError):  # an answer that is nested that deep, or has a number as 1e400
            return 0.0
    raise TandemError(f'format is {dict(format)!r}: give either {{"regex": ...}} or {{"json_schema": ...}}')


def check_format(format: Mapping[str, Any]) -> None:
    """Raises `TandemError` for a form that can't be used, or whose pattern takes too long, before it is needed."""
    if set(format) == {"regex"}:
        patterns.check("format.regex", format["regex"])
    format_adherence("", format)
    if set(format) == {"json_schema"}:
        try:
            for text in ("{}", "[]"):
                _accepts(format["json_schema"], text)
        except RecursionError as error:
            raise TandemError("format.json_schema refers to itself without an end: leave that reference out") from error


def _accepts(schema: Any, text: str) -> bool:
    try:
        import jsonschema
        import referencing
        import referencing.exceptions
    except ImportError as error:
        raise TandemError("format.json_schema needs a package that isn't installed: pip install jsonschema") from error
    if not isinstance(schema, Mapping | bool):
        raise TandemError(f"format.json_schema is {schema!r}, not a JSON Schema: give an object")
    try:
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise TandemError(f"format.json_schema is not a JSON Schema: {error.message}") from error
    try:
        content = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    try:
        # An empty registry: a reference to another document would otherwise be fetched.
        return bool(patterns.in_time(kind(schema, registry=referencing.Registry()).is_valid, content))
    except referencing.exceptions.Unresolvable as error:
        raise TandemError(f"format.json_schema refers to {error.ref!r}, which is not in it: write it there") from error


def _refuse(constant: str) -> None:
    # Python reads NaN and Infinity, which are not JSON.
    raise ValueError(constant)
