"""What who deploys may do (docs/deployer-policy-*.json), and what deploying was seen to ask for."""

import json
import os
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from scripts.recorder import ROOT

DEPLOYER = "deployer"
PREFLIGHT = ROOT / "docs" / "deployer-policy-preflight.json"
"""For who only looks; the others are for who deploys."""
POLICIES = sorted({*(ROOT / "docs").glob("deployer-policy-*.json")} - {PREFLIGHT})
ACTIONS = ROOT / "tests" / "local" / "goldens" / "deployer-actions.txt"
RECORD = "TANDEM_RECORD" in os.environ  # adds to ACTIONS what it lacks

# How the emulator names a call and its resource -> how IAM does; `*` is a resource that the emulator doesn't know.
NAMES = [
    (r"lambda:ListEventSourceMappings arn\S+:event-source-mapping:", "lambda:GetEventSourceMapping *"),
    (r"lambda:PUT:/2015-03-31/event-source-mappings/", "lambda:UpdateEventSourceMapping *"),
    (r"lambda:DELETE:/2015-03-31/event-source-mappings/", "lambda:DeleteEventSourceMapping *"),
    (r"lambda:ListTags arn\S+:event-source-mapping:", "lambda:ListTags *"),
    (r"budgets:(Create|Update|Delete)\w+ ", "budgets:ModifyBudget *"),
    (r"budgets:Describe\w+ ", "budgets:ViewBudget *"),
    (r"events:(\w+) arn\S+:event-bus/default$", r"events:\1 *"),
    (r"servicequotas:POST:/ ", "servicequotas:GetServiceQuota *"),
    (r"events:(\w+) (arn\S+):rule/default/(\S+)", r"events:\1 \2:rule/\3"),
]


def statements() -> list[dict]:
    return [statement for policy in POLICIES for statement in json.loads(policy.read_text())["Statement"]]


def allowed(action: str, resource: str) -> bool:
    """Whether a statement allows the action on the resource."""
    return any(
        action in statement["Action"]
        and (resource == "*" or any(fnmatchcase(resource, pattern) for pattern in statement["Resource"]))
        for statement in statements()
    )


def calls(log: Path) -> set[tuple[str, str]]:
    """Action and resource of what the deployer asked for, in IAM's names."""
    asked = [line.partition(" ")[::2] for line in log.read_text().splitlines()] if log.exists() else []
    return {tuple(_renamed(call).split(" ", 1)) for program, call in asked if program == DEPLOYER}  # ty: ignore[invalid-return-type]


def _renamed(call: str) -> str:
    for pattern, name in NAMES:
        if found := re.match(pattern, call):
            return found.expand(name)
    return call


def check_calls(log: Path) -> None:
    """Fails for what the deployer asked for and may not do, and for actions that aren't written down in ACTIONS."""
    asked, recorded = calls(log), set(ACTIONS.read_text().split())
    unknown = {action for action, _ in asked} - recorded
    if RECORD:
        ACTIONS.write_text("".join(f"{action}\n" for action in sorted(recorded | unknown)))
    elif unknown:
        pytest.fail(f"{ACTIONS} lacks what deploying asks for: {', '.join(sorted(unknown))}; TANDEM_RECORD=1 adds it")
    if refused := sorted(f"{action} on {resource}" for action, resource in asked if not allowed(action, resource)):
        pytest.fail("docs/deployer-policy-*.json don't allow:\n" + "\n".join(refused))
