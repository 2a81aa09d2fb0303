"""From a stack's configuration to an environment's arguments."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import pulumi.runtime.config
import pulumi_aws as aws
from tandem_contract.checks import Checks, near, shown
from tandem_contract.fields import Field, Table, camel, snake

from .environments.finetuning_fields import FINETUNING
from .environments.hybrid_environment import HYBRID
from .environments.rag_fields import RAG
from .foundation.arguments import InvalidArguments
from .rag.fields import check_models
from .spelling import respelled

ENVIRONMENTS: dict[str, dict[str, Table]] = {
    "rag": {"rag": RAG},
    "finetuning": {"finetuning": FINETUNING},
    "hybrid": {"rag": RAG, "finetuning": FINETUNING, "hybrid": HYBRID},
}
"""The environments and the parts whose arguments a stack's configuration gives."""
KIND = Field(
    "",
    "What the stack provides: `rag`, `finetuning` or `hybrid` (both, with the tuned model writing the answers). Keys "
    "of the others are refused.",
    choices=ENVIRONMENTS,
    remedy=f"Set tandem:environment to {' or '.join(ENVIRONMENTS)}.",
)


PART = re.compile(r"^(rag|finetuning)\.")
"""What stands before a key in mistakes of a hybrid, whose parts have the keys of one file."""
SUBJECT = "The stack's configuration (namespace tandem)"
WITHIN = {"RagEnvironment": "", "FineTuningEnvironment": "", "HybridEnvironment": "", "GpuCluster": "cluster."}
"""Below which key a component's arguments stand there, by its class."""


class Environment(NamedTuple):
    """What a stack asks for: `kind` is a key of ENVIRONMENTS, `arguments` are by its parts."""

    kind: str
    arguments: dict[str, Any]


def keys(part: Table) -> dict[str, Field]:
    """The part's configuration keys."""
    return {camel(name): field for name, field in part.fields.items() if field.config}


def stack_configuration(namespace: str = "tandem") -> dict[str, str]:
    """The stack's own keys under `namespace`, as text. (`pulumi.Config` can't list keys, so a typo would go unseen.)"""
    prefix = f"{namespace}:"
    config = pulumi.runtime.config
    values = {**config.get_config_env(), **config.CONFIG.get()}
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def environment(configuration: Mapping[str, str], provider: Mapping[str, str] | None = None) -> Environment:
    """The environment that configuration keys in camelCase ask for; empty values mean the default.

    Raises `InvalidArguments` with every mistake: unknown keys, keys of another environment, numbers that aren't, what
    the environment refuses, and in the configuration of the aws provider a region that is none.
    """
    kind = configuration.get("environment", "")
    parts = ENVIRONMENTS.get(kind, ENVIRONMENTS["hybrid"])
    given = {
        name: {
            snake(key): field.parsed(configuration[key])
            for key, field in keys(part).items()
            if configuration.get(key, "") != ""
        }
        for name, part in parts.items()
    }
    checks, found, region = Checks(), Checks(), (provider or {}).get("region", "")
    _check_region(checks, provider or {})
    _check_keys(checks, configuration, kind)
    for name, part in parts.items():
        values = part.read(found, given[name])
        part.check_arns(found, values, region)
        if part is RAG:
            check_models(found, values, region)
    checks.mistakes += dict.fromkeys(map(respelled, found.mistakes))
    if checks.mistakes:
        raise InvalidArguments(SUBJECT, checks.mistakes)
    if kind == "hybrid":  # what both parts have in common is given, and told of, once
        for key in RAG.fields.keys() & FINETUNING.fields.keys() & HYBRID.fields.keys() & given["rag"].keys():
            given["hybrid"][key] = given["rag"].pop(key)
            given["finetuning"].pop(key)
    return Environment(kind, given)


@contextmanager
def by_key() -> Generator[None]:
    """Tells what components refuse, once they have asked the account, by the keys and names of the stack's file."""
    try:
        yield
    except InvalidArguments as error:
        kind = error.subject.partition(" ")[0]
        if kind not in WITHIN:
            raise
        told = [each._replace(where=f"{WITHIN[kind]}{PART.sub('', each.where)}") for each in error.mistakes]
        raise InvalidArguments(SUBJECT, dict.fromkeys(map(respelled, told))) from None


def _check_region(checks: Checks, provider: Mapping[str, str]) -> None:
    """Whether pulumi-aws knows the region, unless it is told not to look; its own error would be a traceback."""
    known, region = [each.value for each in aws.Region], provider.get("region", "")
    if region not in ("", *known) and provider.get("skipRegionValidation") != "true":
        remedy = near(region, known) or "Upgrade pulumi-aws if it is a new one, or set aws:skipRegionValidation: true."
        checks.add("aws:region", f"{shown(region)} is no region that pulumi-aws knows", remedy)


def _check_keys(checks: Checks, configuration: Mapping[str, str], kind: str) -> None:
    """Whether each key exists, and in this environment."""
    if kind not in ENVIRONMENTS:
        checks.refuse("environment", kind, ", ".join(ENVIRONMENTS), KIND.remedy)
    fields = {
        name: {key: field for part in parts.values() for key, field in keys(part).items()}
        for name, parts in ENVIRONMENTS.items()
    }
    every = fields["hybrid"]
    own = fields.get(kind, every)
    checks.known([key for key in configuration if key not in every], ["environment", *own])
    for key, text in configuration.items():
        for name in every[key].twice(text) if key in every else ():
            checks.add(key, f"has the key {name} twice in one object", "Leave one of them out.")
        # Pulumi.yaml gives every stack the defaults of every key; only what was set can be a mistake.
        if key in every and key not in own and every[key].parsed(text) not in ("", every[key].default):
            having = " or ".join(name for name in fields if key in fields[name])
            checks.add(key, f"is not a key of environment {kind}", f"Remove it, or set tandem:environment to {having}.")
