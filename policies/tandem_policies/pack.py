"""The rules as policies of Pulumi's policy SDK.

A policy a rule: the engine names, configures, disables and levels policies, not what is in them. The SDK decodes a
resource anew for each, which for the 151 of a hybrid stack takes 0.06 s in all.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pulumi_policy as sdk
from pulumi_policy.proxy import UnknownValueError

from .catalogue import RULES, defaults
from .levels import Kind
from .rules import Findings, Resource, Rule, Settings

Report = Callable[..., None]


def policies(kind: Kind) -> list[sdk.Policy]:
    """Every rule as a policy, at the levels and with the settings of a kind of stack."""
    inputs: dict[str, Any] = {}
    return [_policy(rule, kind, inputs) for rule in RULES]


def violations(rule: Rule, resource: Resource, settings: Settings) -> Iterator[str]:
    """What is wrong, and what to do. Raises UnknownValueError for a value that a rule waits for."""
    unknown = None
    for found in _decided(rule.check(resource, settings)):
        if isinstance(found, UnknownValueError):
            unknown = unknown or found
        else:
            yield f"{found}. {rule.remedy}"
    if unknown:
        whose = f" of {resource.name}" if rule.whole_stack else ""
        told = f"can't decide: {'.'.join(unknown.props)}{whose} is unknown in this preview."
        if rule.waits:
            unknown.message = f"{told} {rule.waits}"
            raise unknown
        yield f"{told} Give it a value that doesn't come from another resource, or deploy that one first (up --target)."


def _decided(findings: Findings) -> Iterator[str | UnknownValueError]:
    """What was found, and what unknown values kept parts of a check from."""
    try:
        for each in findings:
            if isinstance(each, str):
                yield each
            else:
                yield from _decided(each)
    except UnknownValueError as unknown:
        yield unknown


def _policy(rule: Rule, kind: Kind, inputs: dict[str, Any]) -> sdk.Policy:
    common: dict[str, Any] = {
        "name": rule.name,
        "description": rule.what,
        "enforcement_level": sdk.EnforcementLevel(getattr(rule.levels, kind)),
        "severity": sdk.Severity(rule.severity),
        "remediation_steps": rule.remedy,
        "url": rule.url,
    }
    if rule.settings:
        common["config_schema"] = sdk.PolicyConfigSchema(
            {name: _schema(value, rule.settings[name].says) for name, value in defaults(rule, kind).items()}
        )

    def settings(args: sdk.ResourceValidationArgs | sdk.StackValidationArgs) -> Settings:
        return {**defaults(rule, kind), **(args.get_config() or {})}

    def check(args: sdk.ResourceValidationArgs, report: Report) -> None:
        inputs[args.urn] = args.props
        if args.resource_type in rule.types:
            for violation in violations(rule, _resource(args), settings(args)):
                report(violation)

    def check_stack(args: sdk.StackValidationArgs, report: Report) -> None:
        waited_for = None
        for urn, resource in _stack(args.resources, inputs).items():
            try:
                for violation in violations(rule, resource, settings(args)) if resource.type in rule.types else ():
                    report(violation, urn)
            except UnknownValueError as unknown:
                waited_for = waited_for or unknown
        if waited_for:
            raise waited_for

    def mend(args: sdk.ResourceValidationArgs) -> Any:
        if args.resource_type in rule.types and rule.fix and rule.fix(_resource(args), settings(args)):
            return args.props
        return None

    if rule.whole_stack:
        return sdk.StackValidationPolicy(validate=check_stack, **common)
    return sdk.ResourceValidationPolicy(validate=check, remediate=mend if rule.fix else None, **common)


def _resource(args: sdk.ResourceValidationArgs | sdk.PolicyResource, properties: Any = None) -> Resource:
    return Resource(
        args.resource_type,
        args.props if properties is None else properties,
        args.name,
        stack=args.urn.split("::")[0].rsplit(":", 1)[-1],
        protect=args.opts.protect,
        provider=args.provider.props if args.provider else {},
    )


def _stack(given: list[sdk.PolicyResource], inputs: dict[str, Any]) -> dict[str, Resource]:
    """The resources of a stack with the inputs that the rules on single ones were asked about.

    What the engine gives here are outputs: a preview has each that AWS computes as unknown, be it given or not.
    """
    resources = {each.urn: _resource(each, inputs.get(each.urn)) for each in given}
    for each in given:
        resource = resources[each.urn]
        resource.neighbours.extend(resources.values())
        for name, dependencies in each.property_dependencies.items():
            resource.references[name] = [resources[other.urn] for other in dependencies]
    return resources


def _schema(value: Any, says: str) -> dict[str, Any]:
    kinds = {list: {"type": "array", "items": {"type": "string"}}, dict: {"type": "object"}}
    return {"description": says, "default": value, **kinds.get(type(value), {"type": "number"})}
