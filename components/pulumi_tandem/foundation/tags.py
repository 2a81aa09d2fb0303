"""Cost-allocation tags."""

from collections.abc import Mapping

import pulumi
from tandem_contract.fields import Field
from tandem_contract.names import Tag

Tags = dict[str, pulumi.Input[str]]
TAGS = Field(
    {},
    f"Cost-allocation tags on everything that takes tags; `{Tag.ENVIRONMENT}` and `{Tag.STACK}` are set in any case.",
    config=False,
)


def environment_tags(name: str, tags: Mapping[str, str]) -> Tags:
    """The tags of everything in an environment: its name, the given ones, which win, and its stack.

    Functions know what is theirs by `tandem:stack`, so nothing else may be given for it.
    """
    return {Tag.ENVIRONMENT: name, **tags, Tag.STACK: pulumi.get_stack()}
