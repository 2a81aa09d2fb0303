"""What state machines ask of AWS: the integrations of their definitions, and the clients' calls of our syntax trees."""

import ast
import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session

from tests.support.aws_requests import TRANSFERS, model, operations

ROOT = Path(__file__).parents[2]
TREES = ("tandem", "components", "policies", "scripts")
OPTIMIZED = {"lambda:invoke": ("lambda", "Invoke"), "sagemaker:createTrainingJob": ("sagemaker", "CreateTrainingJob")}
NAMES = {"sfn": "stepfunctions"}
"""Step Functions' names of services, where they aren't the SDK's."""

CLIENTS = ("client", "_client", "create_client")
"""How a client is made here, its service first: by our two modules of clients, by boto3 and by botocore."""

PAGES = ("get_paginator", "paginate", "each")
"""What takes the name of a list operation."""


def tasks(definition: str) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Service and operation of each task of a state machine, with its parameters."""
    for state in _tasks(json.loads(definition)):
        task = re.sub(r"^arn:[\w-]+:states:::|\.(sync(:2)?|waitForTaskToken)$", "", state["Resource"])
        if task.startswith("aws-sdk:"):
            _, service, operation = task.split(":")
            service = NAMES.get(service, service)
            yield (
                (service, {name.lower(): name for name in model(service).operation_names}[operation.lower()]),
                state["Parameters"],
            )
        else:
            yield OPTIMIZED[task], state["Parameters"]


def _tasks(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if part.get("Type") == "Task":
            yield part
        for inner in part.values():
            yield from _tasks(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _tasks(inner)


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Our syntax trees by file; code in a text that is run elsewhere (`FETCH`) counts."""
    found = {
        str(file.relative_to(ROOT)): ast.parse(file.read_text())
        for name in TREES
        for file in sorted((ROOT / name).rglob("*.py"))
    }
    for file, tree in list(found.items()):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\nimport boto3" in node.value:
                found[f"{file}:{node.lineno}"] = ast.parse(node.value.replace("%s", ""))
    return found


def services() -> set[str]:
    """Those that a client is made for by name."""
    return {
        call.args[0].value
        for tree in trees().values()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
        if _name(call.func) in CLIENTS and isinstance(call.args[0].value, str)
    }


def client_calls() -> dict[tuple[str, str], list[str]]:
    """Service and operation of each call of a client, with where it stands.

    A call is known by its name, which is an operation of one of `services`; where the receiver is a client that is made
    there, `client("eks").describe_cluster`, it is that one's.
    """
    owners: dict[str, list[str]] = {}
    for service in sorted(services()):
        for name in operations(service):
            owners.setdefault(name, []).append(service)
    found: dict[tuple[str, str], list[str]] = {}
    for file, tree in trees().items():
        for node, name, receiver in _uses(tree):
            named = _service_of(receiver)
            if name in TRANSFERS:
                asked = [("s3", operation) for operation in TRANSFERS[name]]
            elif named:
                asked = [(named, operations(named)[name])] if name in operations(named) else []
            else:
                of = [each for each in owners.get(name, []) if (each, name) not in NOT_CALLED]
                asked = [(service, operations(service)[name]) for service in of]
            for each in asked:
                found.setdefault(each, []).append(f"{file}:{node.lineno}")
        for node, service, name in _rows(tree):
            found.setdefault((service, operations(service)[name]), []).append(f"{file}:{node.lineno}")
    return found


def _rows(tree: ast.Module) -> Iterator[tuple[ast.expr, str, str]]:
    """Rows of a table of calls: a service's name, and beside it one of its operations'."""
    known = set(botocore.session.get_session().get_available_services())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for one, two in itertools.pairwise(call.args):
            if isinstance(one, ast.Constant) and isinstance(two, ast.Constant):
                service, name = one.value, two.value
                if isinstance(service, str) and service in known and name in operations(service):
                    yield one, service, str(name)


def _uses(tree: ast.Module) -> Iterator[tuple[ast.expr, str, ast.expr | None]]:
    """Attributes that are called or handed on, and names of list operations, with whose they are."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for used in (node.func, *node.args):
            if isinstance(used, ast.Attribute) and not _is_pulumis(used):
                yield used, used.attr, used.value
        if _name(node.func) in PAGES:
            receiver = (
                node.args[0] if isinstance(node.func, ast.Name) and node.args else getattr(node.func, "value", None)
            )
            for used in node.args:
                if isinstance(used, ast.Constant) and isinstance(used.value, str):
                    yield used, used.value, receiver


def _service_of(receiver: ast.expr | None) -> str | None:
    if isinstance(receiver, ast.Call) and _name(receiver.func) in CLIENTS and receiver.args:
        first = receiver.args[0]
        return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
    return None


def _is_pulumis(used: ast.Attribute) -> bool:
    """Functions of the provider begin with its module: `aws.get_caller_identity()`."""
    inner: ast.expr = used
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return isinstance(inner, ast.Name) and inner.id == "aws"


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


NOT_CALLED = {
    ("sagemaker", "search"),  # a pattern's
    ("ssm", "list_commands"),  # typer's
    ("kms", "verify"),  # a data set's, and what makes all of a verification
}
"""Operations of services here that share their name with what is called."""
