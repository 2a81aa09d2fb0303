"""What a rendered stack grants and what it asks for, each as who, action and resource, so that they can be compared.

Conditions aren't: those that matter have tests of their components.
"""

import json
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from scripts.recorder import ACCOUNT, REGION, Recording, Registered, made
from tests.support.aws_requests import NOT_NAMED
from tests.support.grants import UNNAMED, Row, actions
from tests.support.iam_tables import listed, table
from tests.support.integrations import tasks

# Whose a policy is, by the end of its name; a function's is its handler's.
ENDS = {
    "-job-permissions": "job",
    "-tracking-permissions": "tracking",
    "-endpoint-permissions": "endpoint",
    "-karpenter-permissions": "karpenter",
    "-runs-permissions": "runs",
    "-training-permissions": "machine",
}
# What our code in a Pod asks, as the role `runs`; as SageMaker's job it asks nothing.
CODE = {"runs": "tandem.finetuning.training"}

HERE = f"{REGION}:{ACCOUNT}"
FORMS = {
    "dynamodb": f"arn:aws:dynamodb:{HERE}:table/{{}}",
    "eks": f"arn:aws:eks:{HERE}:cluster/{{}}",
    "s3": "arn:aws:s3:::{}",
    "sagemaker": f"arn:aws:sagemaker:{HERE}:model-package/{{}}/*",
    "sagemaker:InvokeEndpoint": f"arn:aws:sagemaker:{HERE}:endpoint/{{}}",
    "sagemaker:ListModelPackages": "*",
    "states:StopExecution": f"arn:aws:states:{HERE}:execution:{{}}:*",
    "sqs": f"arn:aws:sqs:{HERE}:{{}}",
}
"""The ARN of what has a name, by action or service; what has none here is named by its ARN."""


class Grant(NamedTuple):
    """Who may do, or asks to do, what, of what: an ARN, or the end of one, either with `*`."""

    who: str
    action: str
    on: str


class Statement(NamedTuple):
    """One that we render: whose it is, where, and its text."""

    who: str
    where: str
    text: dict[str, Any]


def statements(name: str, stack: Recording) -> list[Statement]:
    """All of a stack in IAM's language, trust and resource policies included."""
    handlers = {each.name: _handler(each) for each in _functions(stack)}
    found = []
    for resource in stack.resources:
        for key in ("policy", "assumeRolePolicy"):
            text = resource.inputs.get(key)
            if isinstance(text, str) and '"Statement"' in text:
                for each in json.loads(text)["Statement"]:
                    who = each.get("Principal") or _whose(resource.name, handlers)
                    who = who["Service"] if isinstance(who, dict) else who
                    found.append(Statement(who, f"{name}: {resource.name}", each))
    return found


def granted(stack: Recording) -> set[Grant]:
    """What a stack's roles may do, and what its collection lets them do in it."""
    found = {
        Grant(each.who, action, on)
        for each in statements("", stack)
        if each.text["Effect"] == "Allow"
        for action in listed(each.text["Action"])
        for on in listed(each.text.get("Resource", ""))  # a trust policy has none
    }
    roles = {each.inputs["role"]: _handler(each) for each in _functions(stack)}
    for policy in stack.of("ServerlessAccessPolicy"):
        for part in json.loads(policy.inputs["policy"]):
            found |= {
                Grant(roles.get(role, "reader"), action, on)  # whom `storeReaders` names
                for role in part["Principal"]
                for rule in part["Rules"]
                for action in rule["Permission"]
                for on in rule["Resource"]
            }
    return found


def asked_by_code(stack: Recording, golden: Iterable[tuple[str, ...]]) -> set[Grant]:
    """What a stack's functions and Pods ask for.

    Functions ask as in the tests (`golden`), of what their variables and the event of their deployment name here; a
    request with a variable that a stack doesn't give its function isn't made there.
    """
    functions = {each.inputs["handler"].rpartition(".")[0]: each for each in _functions(stack)}
    told = {each.name: _variables(each) for each in functions.values()}
    for call in stack.of("Invocation"):
        (function,) = (each for each in functions.values() if call.inputs["functionName"] == made(each.name))
        told[function.name] |= json.loads(call.inputs["input"])
    all_told = {key: value for each in told.values() for key, value in each.items()}
    who = {module: (_handler(each), told[each.name]) for module, each in functions.items()}
    who |= {CODE[each]: (each, {}) for each in {each.who for each in statements("", stack)} & CODE.keys()}
    found: set[Grant] = set()
    for module, service, operation, *of in golden:
        if module in who:
            name, variables = who[module]
            for action in actions(service, operation):
                ons = _unnamed(name, action, all_told) if of == [NOT_NAMED] else _named(action, of[0], variables)
                found |= {Grant(name, action, on) for on in ons}
    return found


def asked_by_machines(stack: Recording) -> set[Grant]:
    """What a stack's state machines ask for: of the functions that they name, and of jobs that they make."""
    return {
        Grant("machine", action, on)
        for machine in stack.of("StateMachine")
        for (service, operation), parameters in tasks(machine.inputs["definition"])
        for action in actions(service, operation)
        for on in ([parameters["FunctionName"]] if service == "lambda" else _unnamed("machine", action, {}))
    }


def by_row(stack: Recording, row: Row) -> set[Grant]:
    """What a row says that a stack grants beside."""
    functions = {_handler(each): _variables(each) for each in _functions(stack)}
    told = {key: value for each in functions.values() for key, value in each.items()}
    whose = functions if row.who == "function" else [row.who]
    return {Grant(who, row.action, on) for who in whose for on in _named(row.action, row.on, told)}


def without(these: Iterable[Grant], those: Iterable[Grant]) -> list[Grant]:
    """Those of `these` that none of `those` has within it."""
    wide: dict[tuple[str, str], list[str]] = {}
    for each in those:
        wide.setdefault(each[:2], []).append(each.on)
    return sorted(each for each in these if not any(_within(each.on, on) for on in wide.get(each[:2], [])))


def _within(narrow: str, wide: str) -> bool:
    if not (narrow.startswith("arn:") and wide.startswith("arn:")):
        narrow, wide = _end(narrow), _end(wide)
    return fnmatchcase(narrow, wide)


def _end(on: str) -> str:
    """What an ARN says after the account."""
    return on.split(":", 5)[-1] if on.startswith("arn:") else on


def _unnamed(who: str, action: str, told: dict[str, str]) -> Iterator[str]:
    rows = [row for row in UNNAMED if (row.who, row.action) == (who, action)]
    for row in rows:
        yield from _named(action, row.on, told)
    if not rows:
        service, _, name = action.partition(":")
        # Of an action that knows no resources, all may be granted; of another, nobody knows what is asked.
        yield "?" if table("actions", service)[name.lower()]["resourceTypes"] else "*"


def _named(action: str, on: str, told: dict[str, str]) -> Iterator[str]:
    """ARNs of a variable or a key, with the objects that it ends in; none where a stack hasn't it."""
    variable, slash, objects = on.partition("/")
    if not _is_variable(variable):
        yield on
    elif name := told.get(variable):
        form = FORMS.get(action) or ("{}" if name.startswith("arn:") else FORMS.get(action.partition(":")[0]))
        if action.startswith("bedrock:"):
            yield from _models(name)
        elif form == "{}":
            yield name
        else:
            assert form, f"{action} has no form in FORMS"
            yield form.format(re.split("[/:]", name)[-1]) + slash + objects


def _is_variable(text: str) -> bool:
    return text.startswith("TANDEM_") or text in ("embedder", "embedder_secret_arn", "group", "pipeline")


def _models(name: str) -> Iterator[str]:
    geography, _, model = name.partition(".")
    if geography == "us":  # a profile asks its model wherever that is
        yield f"arn:aws:bedrock:{HERE}:inference-profile/{name}"
        yield f"arn:aws:bedrock:*::foundation-model/{model}"
    elif not name.startswith("https:"):
        yield f"arn:aws:bedrock:{REGION}::foundation-model/{name}"


def _whose(policy: str, handlers: dict[str, str]) -> str:
    function = policy.removesuffix("-permissions")
    return handlers.get(function) or next(who for end, who in ENDS.items() if policy.endswith(end))


def _functions(stack: Recording) -> list[Registered]:
    return stack.of("aws:lambda/function:Function")


def _handler(function: Registered) -> str:
    """A function's short name."""
    return function.inputs["handler"].split(".")[-2]


def _variables(function: Registered) -> dict[str, str]:
    return dict(function.inputs.get("environment", {}).get("variables", {}))
