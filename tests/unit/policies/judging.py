"""Asks the policies as the engine does, about resources that are plain data."""

import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pulumi_policy import (
    Policy,
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE as UNKNOWN
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy
from tandem_policies.pack import policies


@dataclass
class Thing:
    """A resource that a program registered; `refers` names the things that a property comes from."""

    type: str
    properties: dict[str, Any]
    name: str = "it"
    refers: dict[str, list[str]] = field(default_factory=dict)
    protect: bool = False
    provider: dict[str, Any] = field(default_factory=dict)

    def arguments(self, config=None) -> ResourceValidationArgs:
        resource = self.resource()
        return ResourceValidationArgs(
            self.type, resource.props, resource.urn, self.name, resource.opts, resource.provider, config, {}
        )

    def resource(self) -> PolicyResource:
        urn = f"urn:pulumi:rag-dev::tandem::{self.type}::{self.name}"
        options = PolicyResourceOptions(self.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
        provider = type("Provider", (), {"props": unknown_checking_proxy(self.provider)})()
        proxy = unknown_checking_proxy(self.properties)
        return PolicyResource(self.type, proxy, urn, self.name, options, provider, None, [], {})


def things(type_: str, *properties: dict) -> list[Thing]:
    return [Thing(type_, each) for each in properties]


class Case(NamedTuple):
    """`blocked` is violated by its first thing, with `says` in the report; `unknown` meets `property`."""

    rule: str
    says: str
    blocked: list[Thing]
    passed: list[Thing]
    property: str
    unknown: list[Thing]


def stack(things: list[Thing]) -> list[PolicyResource]:
    resources = {thing.name: thing.resource() for thing in things}
    for thing in things:
        resources[thing.name].property_dependencies.update(
            {name: [resources[other] for other in others] for name, others in thing.refers.items()}
        )
    return list(resources.values())


@functools.cache
def _policies(kind: str) -> dict[str, Policy]:
    return {each.name: each for each in policies(kind)}


def judge(rule: str, *things: Thing, kind: str = "dev", config: dict | None = None) -> list[str]:
    """What one rule reports on the things; a value that it waits for counts as one report, `waits: ...`."""
    policy = _policies(kind)[rule]
    if isinstance(policy, StackValidationPolicy):  # which know what the others were asked about
        (policy,) = [each for each in policies(kind) if each.name == rule]
    reported: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        reported.append(message)

    if isinstance(policy, StackValidationPolicy):
        asked = [StackValidationArgs(stack(list(things)), config, {})]
    else:
        asked = [thing.arguments(config) for thing in things]
    for arguments in asked:
        try:
            policy.validate(arguments, report)
        except UnknownValueError as unknown:
            reported.append(f"waits: {unknown.message}")
    return reported


__all__ = ["UNKNOWN", "Case", "Thing", "judge", "stack", "things"]
