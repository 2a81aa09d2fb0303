"""What state machines ask of AWS: the integrations of their definitions, and the clients' calls of our syntax trees."""

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from tests.support.aws_requests import TRANSFERS, model, operations

ROOT = Path(__file__).parents[2]
TREES = ("tandem", "components", "policies", "scripts")
OPTIMIZED = {"lambda:invoke": ("lambda", "Invoke"), "sagemaker:createTrainingJob": ("sagemaker", "CreateTrainingJob")}
NAMES = {"sfn": "stepfunctions"}
"""Step Functions' names of services, where they aren't the SDK's."""

CLIENTS = ("client", "_client", "create_client")
"""How a client is made here, its service first: by our two modules of clients, by boto3 and by botocore."""

ADDED = TRANSFERS | {
    "upload_fileobj": ["PutObject"],
    "download_fileobj": ["HeadObject", "GetObject"],
    "generate_presigned_post": ["PutObject"],
}
"""What S3's clients have beside its operations, and what that asks for."""

TAKES_NAMES = ("get_paginator", "get_waiter", "generate_presigned_url", "each", "getattr", "methodcaller", "attrgetter")
"""What takes the name of an operation, or of a waiter, as a text."""


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


@functools.cache
def services() -> set[str]:
    """Those that a client is made for by name."""
    return {
        _text(call.args[0])
        for tree in trees().values()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and _name(call.func) in CLIENTS and _text(call.args[0])
    }


@functools.cache
def _names(service: str) -> dict[str, str]:
    """A service's operations by what our code calls them: their names in Python, and those of waiters for them."""
    waits: dict[str, str] = {}
    if service in _waited():
        model = botocore.session.get_session().get_waiter_model(service)
        waits = {xform_name(name): model.get_waiter(name).operation for name in model.waiter_names}
    return waits | operations(service)


@functools.cache
def _waited() -> list[str]:
    return botocore.session.get_session().get_component("data_loader").list_available_services("waiters-2")


@functools.cache
def _known() -> set[str]:
    return set(botocore.session.get_session().get_available_services())


def client_calls() -> dict[tuple[str, str], list[str]]:
    """Service and operation of each use of a client, with where it stands.

    Whatever is done with it: an attribute, or a text, that has the name of an operation of one of `services` is a use
    of it; where the receiver is a client that is made there, `client("eks").describe_cluster`, it is that one's. What
    can't be read that way is `unreadable`.
    """
    owners: dict[str, list[tuple[str, str]]] = {}
    for service in sorted(services()):
        for name, operation in _names(service).items():
            owners.setdefault(name, []).append((service, operation))
    found: dict[tuple[str, str], list[str]] = {}
    for file, tree in trees().items():
        for node, name, receiver in _uses(tree):
            named = _service_of(receiver)
            if name in ADDED:
                asked = [("s3", operation) for operation in ADDED[name]]
            elif named:
                asked = [(named, _names(named)[name])] if name in _names(named) else []
            else:
                asked = [each for each in owners.get(name, []) if (each[0], name) not in NOT_CALLED]
            for each in asked:
                found.setdefault(each, []).append(f"{file}:{node.lineno}")
    return found


def _uses(tree: ast.Module) -> Iterator[tuple[ast.expr, str, ast.expr | None]]:
    """Attributes and texts, with whose they may be: a row's service stands before its operation, a client beside it."""
    beside: dict[ast.expr, ast.expr | None] = {}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        whose = (*call.args[:1], getattr(call.func, "value", None))
        client = next((each for each in whose if isinstance(each, ast.Call) and _service_of(each)), None)
        before = [None, *call.args]
        beside |= {used: one if _service_of(one) else client for one, used in zip(before, call.args, strict=False)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not _is_pulumis(node):
            yield node, node.attr, node.value
        elif isinstance(node, ast.Constant) and ("_" in _text(node) or _service_of(beside.get(node))):
            yield node, _text(node), beside.get(node)


def unreadable() -> dict[str, str]:
    """Uses of clients whose service or operation doesn't stand there, so that `client_calls` can't know it."""
    return {
        f"{file}: {ast.unparse(call)}": what
        for file, tree in trees().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and (what := _hidden(call, tree))
    }


def _hidden(call: ast.Call, tree: ast.Module) -> str:
    """What a call doesn't tell: which service's client, or which operation of a client."""
    name, first = _name(call.func), call.args[0] if call.args else None
    if name in CLIENTS and first and not _text(first) and not _is_passed_on(first, tree):
        return "service"
    if name == "_make_api_call" or (name == "resource" and _text(first) in _known()):
        return "operation"
    if name in TAKES_NAMES and not any(_text(each) for each in call.args):
        method = isinstance(call.func, ast.Attribute) and name != "each"
        whose = call.func.value if method else first
        return "operation" if name != "getattr" or _is_client(whose, tree) else ""
    return ""


def _is_passed_on(used: ast.expr, tree: ast.Module) -> bool:
    """Whether it is a parameter of a function that makes clients for others, who name the service."""
    made = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda))
    return any(
        isinstance(used, ast.Name) and used.id in {each.arg for each in node.args.args} and used in ast.walk(node)
        for node in made
    )


def _is_client(used: ast.expr | None, tree: ast.Module) -> bool:
    """Whether it is made by one of `CLIENTS`, there or where its name is given, or is called what clients are here."""
    if isinstance(used, ast.Call):
        return _name(used.func) in CLIENTS
    called = _name(used) if used else ""
    given = (
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value and _is_made(node.value)
        for part in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for target in ast.walk(part)
    )
    return called.strip("_") in _known() | {"client"} or any(_name(target) == called for target in given)


def _is_made(value: ast.expr) -> bool:
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return any(isinstance(part, ast.Call) and _name(part.func) in CLIENTS for part in parts)


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _service_of(receiver: ast.expr | None) -> str:
    """That of a client that is made there, or that a row names."""
    if isinstance(receiver, ast.Call) and _name(receiver.func) in CLIENTS and receiver.args:
        return _text(receiver.args[0])
    return _text(receiver) if _text(receiver) in _known() else ""


def _is_pulumis(used: ast.Attribute) -> bool:
    """Functions of the provider begin with its module: `aws.get_caller_identity()`."""
    inner: ast.expr = used
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return isinstance(inner, ast.Name) and inner.id == "aws"


def _name(function: ast.AST) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


NOT_CALLED = {
    ("sagemaker", "search"),  # a pattern's
    ("ssm", "list_commands"),  # typer's
    ("kms", "verify"),  # a data set's, and what makes all of a verification
    ("kms", "sign"),  # of a price's rates
}
"""Operations of services here that share their name with what is called."""
