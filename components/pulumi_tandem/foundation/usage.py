"""SSM parameter with an environment's usage assumptions: the part of its cost that no resource says."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_aws import ssm
from tandem_contract.usage import USAGE_PARAMETER

from .names import named, physical_name
from .tags import Tags


def register_usage(name: str, content: Mapping[str, Any], *, tags: Tags, parent: pulumi.Resource) -> None:
    """Put usage assumptions into an SSM parameter, `/tandem/<project>/<stack>/<name>-<hex>/usage`, for cost to read.

    The standard tier, which is free. A change of an assumption shows in a preview, apart from changes of resources.
    """
    ssm.Parameter(
        f"{name}-usage",
        type="String",
        name=f"/tandem/{pulumi.get_project()}/{pulumi.get_stack()}/{physical_name(name, 63)}{USAGE_PARAMETER}",
        description="What the environment is assumed to be used for, to tell its cost",
        # Plain: `value` would be a secret in a preview.
        insecure_value=json.dumps(content, sort_keys=True),
        tags=tags,
        opts=named(parent),
    )
