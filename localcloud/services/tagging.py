"""What the emulator's Resource Groups Tagging API leaves out of `GetResources`: services that hold tags elsewhere."""

from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import (
    apigateway_v1,
    cloudwatch_logs,
    ec2,
    eks,
    lambda_svc,
    opensearchserverless,
    stepfunctions,
    tagging,
)

Tagged = Iterator[tuple[str, list[dict[str, str]]]]

# The kind in an ARN of EC2 -> what is there of it: the tags of what was deleted stay.
KINDS: dict[str, Any] = {
    "elastic-ip": ec2._addresses,
    "internet-gateway": ec2._internet_gateways,
    "launch-template": ec2._launch_templates,
    "natgateway": ec2._nat_gateways,
    "route-table": ec2._route_tables,
    "security-group": ec2._security_groups,
    "subnet": ec2._subnets,
    "vpc": ec2._vpcs,
    "vpc-endpoint": ec2._vpc_endpoints,
}


def install() -> None:
    """Add them; call before the emulator takes requests."""
    tagging._COLLECTORS |= {
        "apigateway": lambda: _maps(apigateway_v1._v1_tags),
        "aoss": lambda: _lists(opensearchserverless._tags),
        "ec2": _ec2,
        "eks": lambda: _maps(eks._tags),
        "lambda": _lambda,
        "logs": _logs,
        "states": lambda: _lists(stepfunctions._tags),
    }


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _maps(held: Any) -> Tagged:
    """Those of a service that holds maps by ARN, of whatever region."""
    return ((arn, _pairs(tags)) for arn, tags in held.items() if arn.split(":")[3] == get_region())


def _lists(held: Any) -> Tagged:
    """Those of a service that holds lists of `key` and `value` by ARN, of whatever region."""
    return _maps({arn: {tag["key"]: tag["value"] for tag in tags} for arn, tags in held.items()})


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _ec2() -> Tagged:
    for kind, there in KINDS.items():
        for name, _ in there.items():
            yield _arn("ec2", f"{kind}/{name}"), ec2._tags.get(name, [])


def _lambda() -> Tagged:
    yield from tagging._collect_lambda()
    for name, mapping in lambda_svc._esms.items():
        yield _arn("lambda", f"event-source-mapping:{name}"), _pairs(mapping.get("Tags", {}))


def _logs() -> Tagged:
    for name, group in cloudwatch_logs._log_groups.items():
        yield _arn("logs", f"log-group:{name}"), _pairs(group["tags"])
