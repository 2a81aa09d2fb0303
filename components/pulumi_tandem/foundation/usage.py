"""What an environment is assumed to be used for: the part of its cost that no resource says."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import ssm

from .mistakes import Mistake, unknown_arguments
from .tags import Tags


def usage_mistakes(key: str, given: Any, defaults: Mapping[str, float]) -> list[Mistake]:
    """Every assumption that can't be used; empty if all can."""
    if not isinstance(given, Mapping):
        example = json.dumps(dict(list(defaults.items())[:1]))
        return [Mistake(key, given, "a JSON object of numbers", f"For example {example}.")]
    mistakes = [mistake._replace(key=f"{key}.{mistake.key}") for mistake in unknown_arguments(given, defaults)]
    for name in defaults.keys() & given.keys():
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            mistakes.append(Mistake(f"{key}.{name}", value, "a number, 0 or more", f"The default is {defaults[name]}."))
    return mistakes


def register_usage(name: str, content: Mapping[str, Any], *, tags: Tags, parent: pulumi.Resource) -> None:
    """Put usage assumptions into an SSM parameter, `/tandem/<project>/<stack>/<name>/usage`, where cost reads them.

    The standard tier, which is free. A change of an assumption shows in a preview, apart from changes of resources.
    """
    ssm.Parameter(
        f"{name}-usage",
        type="String",
        name=f"/tandem/{pulumi.get_project()}/{pulumi.get_stack()}/{name}/usage",
        description="What the environment is assumed to be used for, to tell its cost",
        # Plain: `value` would be a secret in a preview.
        insecure_value=json.dumps(content, sort_keys=True),
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
