"""Request of the query API."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tandem_contract.checks import Checks
from tandem_contract.errors import Mistake, Mistakes

MAX_CHARACTERS = 2000
MAX_TOP_K = 20
MAX_VALUES = 100
METADATA = r"metadata\.\S+"
LENGTH = f"a text of 1 to {MAX_CHARACTERS} characters"
EXAMPLE = 'Send an object such as {"question": "..."}.'
FIELDS = ("question", "top_k", "filter", "generate")


class Invalid(Mistakes):
    """A request that can't be answered."""

    def __init__(self, mistakes: Iterable[Mistake]):
        super().__init__("The request", mistakes)


class Question(NamedTuple):
    """A valid request."""

    text: str
    top_k: int
    filters: Mapping[str, str | Sequence[str]]
    generate: bool


def parse(body: str, default_top_k: int) -> Question:
    """Read a request's body; raises `Invalid` with all mistakes at once."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid([Mistake("", f"the body is not JSON ({error})", EXAMPLE)]) from error
    if not isinstance(request, dict):
        raise Invalid([Mistake("", f"the body is a JSON {type(request).__name__}, not an object", EXAMPLE)])
    checks = Checks()
    checks.known(request, FIELDS, "a field of the request")
    text = checks.text("question", request.get("question"), LENGTH, "Ask something.")
    if text and len(text) > MAX_CHARACTERS:
        checks.add("question", f"{len(text)} characters are not allowed ({LENGTH})", "Ask more briefly.")
    top_k = checks.number("top_k", request.get("top_k", default_top_k), 1, MAX_TOP_K, "passages")
    generate = checks.flag("generate", request.get("generate", True))
    filters = checks.mapping("filter", request.get("filter", {}), 'For example {"document": "guide.pdf"}.')
    _check_filters(filters, checks.under("filter"))
    if checks.mistakes:
        raise Invalid(checks.mistakes)
    return Question(text.strip(), top_k, filters, generate)


def _check_filters(filters: Mapping[str, Any], checks: Checks) -> None:
    for name, value in filters.items():
        if name != "document" and not re.fullmatch(METADATA, name):
            checks.add(name, "is not a field to filter by", "Use document or metadata.<key>.")
        values = value if isinstance(value, list) else [value]
        if not 1 <= len(values) <= MAX_VALUES or not all(isinstance(element, str) for element in values):
            checks.refuse(name, value, f"a text, or a list of 1 to {MAX_VALUES} texts", "Put numbers in quotes.")
