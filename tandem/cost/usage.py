"""Usage assumptions and the run envelope, which a stack keeps in SSM parameters."""

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tandem_contract.checks import Checks
from tandem_contract.envelope import ENVELOPE_PARAMETER, RunEnvelope
from tandem_contract.errors import Mistakes
from tandem_contract.usage import QUERY_USAGE, RUN_USAGE, USAGE_PARAMETER

from .model import Resource, ancestors, type_of
from .prices import NotPriced
from .units import MOST

PARAMETER = "aws:ssm/parameter:Parameter"
STACK = "pulumi:pulumi:Stack"
KINDS = {"rag": QUERY_USAGE, "finetuning": RUN_USAGE}


def is_usage(resource: Resource) -> bool:
    """Whether it holds the usage assumptions of an environment."""
    return resource.type == PARAMETER and _named(resource, USAGE_PARAMETER)


def is_envelope(resource: Resource) -> bool:
    """Whether it holds the limits of a run."""
    return resource.type == PARAMETER and _named(resource, ENVELOPE_PARAMETER)


def assumed(resource: Resource) -> dict[str, Any]:
    """Its assumptions; empty if they can't be read, which the estimate says as NOT PRICED."""
    try:
        values = content_of(resource)["assumed"]
    except (NotPriced, KeyError):
        return {}
    return values if isinstance(values, dict) else {}


def by_environment(
    resources: Iterable[Resource], components: Mapping[str, str]
) -> Callable[[Resource], frozenset[str]]:
    """What tells of a resource which amounts are assumed of its use: those of the environment that it is in.

    An environment is the component under which a usage parameter is registered. What is in none, as a bucket of
    somebody's own beside it, has none: nobody thought of it when they assumed.
    """
    resources = tuple(resources)
    parents = {resource.urn: resource.parent for resource in resources} | dict(components)
    found = {
        resource.parent: frozenset(assumed(resource))
        for resource in resources
        if is_usage(resource) and resource.parent in components and type_of(resource.parent) != STACK
    }

    def of(resource: Resource) -> frozenset[str]:
        around = (found[urn] for urn in ancestors(resource.parent, parents) if urn in found)
        return next(around, frozenset())

    return of


def content_of(resource: Resource) -> dict[str, Any]:
    """The JSON object that it holds; raises `NotPriced` if that can't be read."""
    text = resource.get("insecureValue") or resource.get("value")
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPriced(f"its value can't be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise NotPriced("its value isn't a JSON object")
    return content


def amounts(content: Mapping[str, Any]) -> dict[str, Decimal]:
    """The assumed amounts of the use of an environment; raises `NotPriced`, with every mistake in them."""
    kind = str(content.get("kind"))
    if kind not in KINDS:
        raise NotPriced(f"its usage assumptions are of kind {kind!r}; known: {', '.join(KINDS)}")
    given = content.get("assumed")
    values = {key: given.get(key) if isinstance(given, Mapping) else None for key in KINDS[kind].fields}
    checks = Checks()
    for key, value in values.items():
        checks.under("assumed").number(key, value, 0, MOST, remedy="Write a number.")
    if kind == "rag":
        values["memory_megabytes"] = content.get("memory_megabytes")
        checks.number("memory_megabytes", values["memory_megabytes"], 0, MOST, remedy="Write a number.")
        for key in ("generator", "embedder"):
            checks.text(key, content.get(key), "the name of a model", "Name one.")
        if "reranker" in content:
            checks.text("reranker", content["reranker"], "the name of a model", "Name one, or leave it out.")
    if count := len(checks.mistakes):
        raise NotPriced(f"its usage assumptions have {count} mistake(s): {' '.join(map(str, checks.mistakes))}")
    return {key: Decimal(str(value)) for key, value in values.items()}


def envelope_of(content: Any) -> RunEnvelope:
    """The limits of a run; raises `NotPriced` for those that no run could have."""
    try:
        return RunEnvelope.from_json(json.dumps(content))
    except Mistakes as error:
        count = len(error.mistakes)
        raise NotPriced(f"its run envelope has {count} mistake(s): {' '.join(map(str, error.mistakes))}") from error


def _named(resource: Resource, end: str) -> bool:
    return str(resource.inputs.get("name")).endswith(end)
