"""From a stack's configuration to an environment's arguments."""

import re
from collections.abc import Mapping
from typing import Any, cast

import pulumi.runtime.config

from .environments.rag_environment import DEFAULTS, RagEnvironmentArgs, rag_mistakes
from .foundation.mistakes import InvalidArguments, Mistake

ENVIRONMENTS = ("rag",)


def stack_configuration(namespace: str = "tandem") -> dict[str, str]:
    """The stack's own keys under `namespace`, as text. (`pulumi.Config` can't list keys, so a typo would go unseen.)"""
    prefix = f"{namespace}:"
    config = pulumi.runtime.config
    values = {**config.get_config_env(), **config.CONFIG.get()}
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def rag_arguments(configuration: Mapping[str, str]) -> RagEnvironmentArgs:
    """Arguments of `RagEnvironment` from configuration keys in camelCase; empty values mean the default.

    Raises `InvalidArguments` with every mistake: unknown keys, numbers that aren't, and what `RagEnvironment` refuses.
    """
    given, mistakes = {}, []
    allowed = {_camel(argument): argument for argument in DEFAULTS if argument != "tags"}
    for key, text in configuration.items():
        if key == "environment":
            if text not in ENVIRONMENTS:
                remedy = f"Set tandem:environment to {' or '.join(ENVIRONMENTS)}."
                mistakes.append(Mistake("environment", text, " or ".join(ENVIRONMENTS), remedy))
        elif key not in allowed:
            remedy = f"Remove it or correct its spelling; the keys are environment, {', '.join(allowed)}."
            mistakes.append(Mistake(key, text, "not a key", remedy))
        elif text != "":
            given[allowed[key]] = _typed(text, DEFAULTS[allowed[key]])
    if "environment" not in configuration:
        mistakes.append(Mistake("environment", None, " or ".join(ENVIRONMENTS), "Set tandem:environment to rag."))
    mistakes += [mistake._replace(key=_camel(mistake.key)) for mistake in rag_mistakes(given)]
    if mistakes:
        raise InvalidArguments("The stack's configuration (namespace tandem)", mistakes)
    return cast(RagEnvironmentArgs, given)


def _typed(text: str, default: Any) -> Any:
    """The text as a number where the default is one; left as it is where it can't be, for the check to name."""
    if type(default) in (int, float):
        try:
            return type(default)(text)
        except ValueError:
            return text
    return text


def _camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)
