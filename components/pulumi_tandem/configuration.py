"""From a stack's configuration to an environment's arguments."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pulumi.runtime.config

from .environments import finetuning_environment, hybrid_environment, rag_environment
from .foundation.mistakes import InvalidArguments, Mistake


class Part(NamedTuple):
    """A set of arguments that keys are read for: their defaults, and what finds mistakes in them."""

    defaults: Mapping[str, Any]
    mistakes: Callable[[Mapping[str, Any]], list[Mistake]]


PARTS = {
    "rag": Part(rag_environment.DEFAULTS, rag_environment.rag_mistakes),
    "finetuning": Part(finetuning_environment.DEFAULTS, finetuning_environment.finetuning_mistakes),
    "hybrid": Part(hybrid_environment.DEFAULTS, hybrid_environment.hybrid_mistakes),
}
ENVIRONMENTS = {"rag": ("rag",), "finetuning": ("finetuning",), "hybrid": ("rag", "finetuning", "hybrid")}
NO_KEYS = {"tags", "endpoint_name", "inference_component"}  # arguments that a stack's configuration can't give


class Environment(NamedTuple):
    """What a stack asks for: `kind` is a key of ENVIRONMENTS, `arguments` are by its parts."""

    kind: str
    arguments: dict[str, Any]


def stack_configuration(namespace: str = "tandem") -> dict[str, str]:
    """The stack's own keys under `namespace`, as text. (`pulumi.Config` can't list keys, so a typo would go unseen.)"""
    prefix = f"{namespace}:"
    config = pulumi.runtime.config
    values = {**config.get_config_env(), **config.CONFIG.get()}
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def environment(configuration: Mapping[str, str]) -> Environment:
    """The environment that configuration keys in camelCase ask for; empty values mean the default.

    Raises `InvalidArguments` with every mistake: unknown keys, keys of another environment, numbers that aren't, and
    what the environment refuses.
    """
    kind, kinds = configuration.get("environment"), " or ".join(ENVIRONMENTS)
    parts = ENVIRONMENTS.get(kind or "", tuple(PARTS))
    given: dict[str, dict[str, Any]] = {part: {} for part in parts}
    mistakes = []
    if kind not in ENVIRONMENTS:
        mistakes.append(Mistake("environment", kind, kinds, f"Set tandem:environment to {kinds}."))
    for key, text in configuration.items():
        owners = [name for name, part in PARTS.items() if _snake(key) in part.defaults.keys() - NO_KEYS]
        if key == "environment":
            continue
        if not owners:
            remedy = f"Remove it or correct its spelling; the keys are environment, {', '.join(_keys(parts))}."
            mistakes.append(Mistake(key, text, "not a key", remedy))
        elif not set(owners) & given.keys():
            # Pulumi.yaml gives every stack the defaults of every key; only what was set can be a mistake.
            if _typed(text, PARTS[owners[0]].defaults[_snake(key)]) not in (PARTS[owners[0]].defaults[_snake(key)], ""):
                having = " or ".join(name for name, its in ENVIRONMENTS.items() if set(owners) & set(its))
                remedy = f"Remove it, or set tandem:environment to {having}."
                mistakes.append(Mistake(key, text, f"not a key of environment {kind}", remedy))
        elif text != "":
            for part in given.keys() & set(owners):
                given[part][_snake(key)] = _typed(text, PARTS[part].defaults[_snake(key)])
    found = [mistake for part in parts for mistake in PARTS[part].mistakes(given[part])]
    mistakes += list(dict.fromkeys(mistake._replace(key=_camel(mistake.key)) for mistake in found))
    if mistakes:
        raise InvalidArguments("The stack's configuration (namespace tandem)", mistakes)
    return Environment(str(kind), given)


def _keys(parts: tuple[str, ...]) -> dict[str, None]:
    """The keys of these parts, in order, once each."""
    return dict.fromkeys(_camel(name) for part in parts for name in PARTS[part].defaults if name not in NO_KEYS)


def _typed(text: str, default: Any) -> Any:
    """The text as the kind of value that the default is; as it is where it can't be, for the check to name."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if type(default) in (int, float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    if isinstance(default, dict):
        try:
            content = json.loads(text)
        except ValueError:
            return text
        return {_snake(key): value for key, value in content.items()} if isinstance(content, dict) else text
    return text


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


def _snake(key: str) -> str:
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key)
