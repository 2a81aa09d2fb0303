"""Metrics of one answer, from 0 to 1: equal to the reference, words shared with it, and the required form.

The standard library and the contract alone, since training jobs carry this module, except that a JSON Schema needs the
`jsonschema` package.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tandem_contract.errors import TandemError

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def exact_match(answer: str, reference: str) -> float:
    """1 if both are the same words, else 0, after the normalisation of `token_f1`."""
    return float(_tokens(answer) == _tokens(reference))


def token_f1(answer: str, reference: str) -> float:
    """The harmonic mean of precision and recall over words.

    As SQuAD 2.0's official script has it (Rajpurkar et al., "Know What You Don't Know", arXiv:1806.03822): lower case,
    ASCII punctuation and the English articles dropped, split at white space, each word counted as often as it stands;
    if either side has no words left, 1 if both have none, else 0.
    """
    given, wanted = _tokens(answer), _tokens(reference)
    if not given or not wanted:
        return float(given == wanted)
    shared = (Counter(given) & Counter(wanted)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(given), shared / len(wanted)
    return 2 * precision * recall / (precision + recall)


def format_adherence(answer: str, format: Mapping[str, Any]) -> float:
    """1 if the answer, without white space around it, has the form, else 0.

    `{"regex": PATTERN}`: the pattern of Python's `re` matches all of it; `.` stops at line ends unless the pattern
    says `(?s)`. `{"json_schema": SCHEMA}`: it is JSON and nothing else, not even a code fence, and the schema accepts
    it. Raises `TandemError` for a form that can't be used, whatever the answer is.
    """
    text = answer.strip()
    if set(format) == {"regex"}:
        try:
            return float(re.fullmatch(format["regex"], text) is not None)
        except (re.error, TypeError) as error:
            raise TandemError(f"format.regex is {format['regex']!r}: {error}") from error
    if set(format) == {"json_schema"}:
        return float(_accepts(format["json_schema"], text))
    raise TandemError(f'format is {dict(format)!r}: give either {{"regex": ...}} or {{"json_schema": ...}}')


def _tokens(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


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
        return kind(schema, registry=referencing.Registry()).is_valid(content)
    except referencing.exceptions.Unresolvable as error:
        raise TandemError(f"format.json_schema refers to {error.ref!r}, which is not in it: write it there") from error


def _refuse(constant: str) -> None:
    # Python reads NaN and Infinity, which are not JSON.
    raise ValueError(constant)
