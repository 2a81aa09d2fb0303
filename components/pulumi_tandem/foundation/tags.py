"""Cost-allocation tags."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks, is_output
from tandem_contract.fields import Field
from tandem_contract.names import Tag

Tags = dict[str, pulumi.Input[str]]
MOST = 40  # of 50: ours, and those that EKS and Karpenter put on nodes, are up to ten
MOST_KEY, MOST_VALUE = 128, 256
# What all services take (Tagging AWS resources, "Tag naming limits and requirements").
SIGNS = re.compile(r"[\w\s+\-=.:/@]*")


def check_tags(checks: Checks, key: str, tags: Mapping[str, Any]) -> None:
    """Whether AWS takes these tags on all resources; a value that is another resource's output can't be looked into."""
    inside, given = checks.under(key), tags.keys() - {Tag.ENVIRONMENT, Tag.STACK}
    if len(given) > MOST:
        checks.add(key, f"has {len(given)} tags", f"{MOST} at most: AWS takes 50 on a resource, ours among them.")
    folded = Counter(str(name).lower() for name in tags)
    for name, value in tags.items():
        if not isinstance(name, str) or not 1 <= len(name) <= MOST_KEY or not SIGNS.fullmatch(name):
            inside.add(name, "is no key of a tag", f"1 to {MOST_KEY} letters, digits, spaces and + - = . _ : / @.")
        elif name.lower().startswith("aws:"):
            inside.add(name, "is a key of AWS's own", "Choose one that doesn't begin with aws:.")
        elif folded[name.lower()] > 1:
            inside.add(name, "is there in another case too, which IAM takes for the same", "Keep one of them.")
        if is_output(value):
            continue
        if not isinstance(value, str) or len(value) > MOST_VALUE or not SIGNS.fullmatch(value):
            allowed = f"a text of up to {MOST_VALUE} letters, digits, spaces and + - = . _ : / @"
            inside.refuse(name, value, allowed, "Write it so.")


TAGS = Field(
    {},
    f"Cost-allocation tags on everything that takes tags; `{Tag.ENVIRONMENT}` and `{Tag.STACK}` are set in any case.",
    check=check_tags,
    output=True,
)


def environment_tags(name: str, tags: Mapping[str, pulumi.Input[str]]) -> Tags:
    """The tags of everything in an environment: its name, the given ones, which win, and its stack.

    Functions know what is theirs by `tandem:stack`, so nothing else may be given for it.
    """
    return {Tag.ENVIRONMENT: name, **tags, Tag.STACK: pulumi.get_stack()}
