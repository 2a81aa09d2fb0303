"""IAM policy documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Statement = Mapping[str, Any]


def allow(actions: Sequence[str], resources: Any, **conditions: Mapping[str, Any]) -> Statement:
    """An `Allow` statement; `resources` is one ARN or a list of them, outputs included."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resources}
    if conditions:
        statement["Condition"] = conditions
    return statement


def read_secret(arn: pulumi.Input[str] | None) -> list[Statement]:
    """What it takes to read a secret, where there is one."""
    return [allow(["secretsmanager:GetSecretValue"], arn)] if arn else []


def policy_document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The JSON of a policy with these statements."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str) -> str:
    """The trust policy that lets one AWS service assume a role."""
    return (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
        f'"Principal":{{"Service":"{service}"}}}}]}}'
    )


def only_tls(arns: Sequence[pulumi.Input[str]], action: str) -> Statement:
    """Denies every request that doesn't come over TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": list(arns),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def from_events(arn: pulumi.Output[str]) -> Statement:
    """Lets EventBridge rules of a queue's own account send to it."""
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": arn.apply(lambda value: value.split(":")[4])}},
    }
