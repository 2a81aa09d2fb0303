"""House rules: what a team demands of all that is made in its account, and so of everything in an environment.

Its KMS key, the boundary and the path of roles, and how long logs are kept. They are put onto resources by type when
these are registered, so that no component, of ours or below ours, can forget them; what a component has to know itself
(a store's encryption, a job's output) it is told besides.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.fields import Field, Table

from . import arns

LOG_DAYS = 14
"""Without a rule."""
# CloudWatch Logs API reference, PutRetentionPolicy.
TAKEN_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

KMS_KEY = Field(
    "",
    "KMS key of your own that encrypts what is made here and holds data; its policy has to let services in "
    "(docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a "
    "collection keeps the key that it was made with.",
    cost="KMS bills requests; the key is yours.",
    **arns.KMS_KEY,
)
ROLES = Table(
    "RoleRules",
    "What every IAM role has that is made here.",
    {
        "permissions_boundary": Field(
            "",
            "Managed policy that bounds what they may do, whatever their own policies say. It has to leave them what "
            "those need (docs/bring-your-own.md).",
            **arns.BOUNDARY,
        ),
        "path": Field(
            "/",
            "Their path, and the instance profile's of a cluster's nodes. A change makes new ones.",
            pattern=r"/([!-~]{1,510}/)?",
            allowed="a path that begins and ends with a slash",
            remedy="For example /tandem/.",
        ),
    },
)
HOUSE_RULES = {
    "kms_key_arn": KMS_KEY,
    "roles": Field({}, "What every IAM role has that is made here: boundary and path.", table=ROLES),
    "log_days": Field(
        LOG_DAYS,
        "How long logs are kept: a number of days that CloudWatch takes.",
        low=1,
        high=3653,
        unit="days",
        remedy="30, 90 and 365 are among those that CloudWatch takes.",
        cost="A GB of logs costs $0.03 a month.",
    ),
}
"""The keys, in every environment."""

VIA = {
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey", "kms:Decrypt"),
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
    "dynamodb": ("kms:Decrypt",),
}
"""What these actions, or all of a service, take of the key that encrypts what they touch, asked by the service in the
name of who acts: S3 user guide, "Using server-side encryption with KMS keys", for parts too; SQS developer guide, "Key
management"; Secrets Manager user guide, "Secret encryption"; DynamoDB developer guide, "Encryption at rest", where the
table's key is decrypted for each caller. Logs, ECR, OpenSearch and EKS have grants of their own."""


def check_house_rules(checks: Checks, args: Mapping[str, Any]) -> None:
    """Whether CloudWatch takes these days."""
    days = args["log_days"]
    if days is not None and days not in TAKEN_DAYS:
        below, above = max(each for each in TAKEN_DAYS if each < days), min(each for each in TAKEN_DAYS if each > days)
        checks.refuse("log_days", days, "a number of days that CloudWatch takes", f"Choose {below} or {above}.")


def under_house_rules(opts: pulumi.ResourceOptions | None, args: Mapping[str, Any]) -> pulumi.ResourceOptions:
    """Options of an environment or a part whose resources, however deep in it, keep to the rules in its arguments.

    An environment's go before those of its parts, since a parent's transformations come last.
    """

    def ruled(asked: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        rule = RULES.get(asked.type_)
        if not rule:
            return None
        return pulumi.ResourceTransformationResult({**asked.props, **rule(asked.props, args)}, asked.opts)

    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(transformations=[ruled]))


def by_key(args: Mapping[str, Any]) -> dict[str, Any]:
    """The key as the argument of a component, where there is one."""
    return {"kms_key_arn": args["kms_key_arn"]} if args["kms_key_arn"] != "" else {}


Rule = Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]]
"""(properties of a resource, arguments of the environment) -> what of them is otherwise."""


def _role(_props: Mapping[str, Any], args: Mapping[str, Any]) -> Mapping[str, Any]:
    boundary = args["roles"]["permissions_boundary"]
    return _path(_props, args) | ({"permissions_boundary": boundary} if boundary != "" else {})


def _path(_props: Mapping[str, Any], args: Mapping[str, Any]) -> dict[str, Any]:
    path = args["roles"]["path"]
    return {"path": path} if path != "/" else {}


def _log(_props: Mapping[str, Any], args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"retention_in_days": args["log_days"], **_encrypted(lambda key: {"kms_key_id": key})(_props, args)}


def _encrypted(by: Callable[[Any], dict[str, Any]]) -> Rule:
    return lambda _props, args: by(args["kms_key_arn"]) if args["kms_key_arn"] != "" else {}


def _may_use_key(props: Mapping[str, Any], args: Mapping[str, Any]) -> Mapping[str, Any]:
    if args["kms_key_arn"] == "":
        return {}
    both = pulumi.Output.all(props["policy"], args["kms_key_arn"])
    return {"policy": both.apply(lambda given: _with_key(*given))}


def _with_key(policy: str, key: str) -> str:
    """A role's policy, and what it takes of the key to do what it allows, through each service alone."""
    document = json.loads(policy)
    through: dict[str, set[str]] = {}
    for action in (each for it in document["Statement"] if it["Effect"] == "Allow" for each in it["Action"]):
        service = action.partition(":")[0]
        for needed in VIA.get(action, VIA.get(service, ())):
            through.setdefault(needed, set()).add(f"{service}.*")
    using = [
        {
            "Effect": "Allow",
            "Action": [needed],
            "Resource": key,
            # SERVICE.REGION.amazonaws.com, in China with .cn.
            "Condition": {"StringLike": {"kms:ViaService": sorted(services)}},
        }
        for needed, services in sorted(through.items())
    ]
    # A part of an environment that was told the key has put them there already.
    document["Statement"] += [each for each in using if each not in document["Statement"]]
    return json.dumps(document)


RULES: dict[str, Rule] = {
    "aws:iam/role:Role": _role,
    "aws:iam/instanceProfile:InstanceProfile": _path,
    "aws:iam/rolePolicy:RolePolicy": _may_use_key,
    "aws:cloudwatch/logGroup:LogGroup": _log,
    "aws:dynamodb/table:Table": _encrypted(
        lambda key: {"server_side_encryption": {"enabled": True, "kms_key_arn": key}}
    ),
    "aws:ecr/repository:Repository": _encrypted(
        lambda key: {"encryption_configurations": [{"encryption_type": "KMS", "kms_key": key}]}
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encrypted(
        lambda key: {
            "rules": [
                {
                    "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key},
                    # One request of KMS for many objects (S3 user guide, "S3 Bucket Keys").
                    "bucket_key_enabled": True,
                }
            ]
        }
    ),
    "aws:sqs/queue:Queue": _encrypted(lambda key: {"kms_master_key_id": key, "sqs_managed_sse_enabled": None}),
}
"""By type of resource."""
