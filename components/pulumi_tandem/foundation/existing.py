"""Things that were there before, looked at before anything is made: whether they are there, fit, and are nobody else's.

Only what is given as a text is looked at: another resource's output isn't known yet. What AWS doesn't tell whoever
deploys isn't checked, and that is said.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import pulumi
import pulumi_aws as aws
from tandem_contract.checks import Checks, shown
from tandem_contract.fields import Field
from tandem_contract.names import Tag

from .answers import Answer, answer, there
from .region import invoke_options, region_of

BUCKET: dict[str, Any] = {
    "pattern": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    "allowed": "the name of a bucket: 3 to 63 small letters, digits, dots and hyphens",
    "remedy": "Its name alone, without s3:// or arn:.",
    "output": True,
}
"""Of a field with a bucket."""
EVENTS = '"EventBridgeConfiguration": {}'
SYMMETRIC = ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT")


def given(value: Any) -> TypeGuard[str]:
    """Whether it is a text that can be looked at."""
    return isinstance(value, str) and value != ""


def described(
    checks: Checks, key: str, name: str, what: str, question: Callable[[], Answer], rights: str, *fields: str
) -> Answer | None:
    """What AWS says of something whose ARN and URL are needed: refused where it isn't there, or AWS doesn't say.

    None too where the answer lacks one of `fields`, as of a mock that knows nothing.
    """
    found = there(what, question)
    if found is False:
        checks.add(key, f"{shown(name)} isn't there", "Look at its name, region and account.")
    elif found is None:
        remedy = f"Its ARN and URL are needed, which take the permissions {rights}."
        checks.add(key, f"{shown(name)} can't be looked at", remedy)
    return answer(what, lambda: found, *fields) if found else None


def check_house(checks: Checks, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
    """Whether key and boundary are there, and can be used."""
    if given(args["kms_key_arn"]):
        _check_key(checks, args["kms_key_arn"], opts)
    boundary = (args.get("roles") or {}).get("permissions_boundary")
    if given(boundary):
        _check_boundary(checks.under("roles"), boundary, opts)


def _check_key(checks: Checks, key: str, opts: pulumi.ResourceOptions | None) -> None:
    found = there(f"the key {key}", lambda: aws.kms.get_key(key_id=key, opts=invoke_options(opts)), "key_state")
    if found is False:
        checks.add("kms_key_arn", f"{shown(key)} isn't there", "`aws kms list-keys` has those of the account.")
    if not found:
        return
    if found.key_state != "Enabled":
        checks.add("kms_key_arn", f"{shown(key)} is {found.key_state}", "`aws kms enable-key`, or take another.")
    if (found.key_usage, found.key_spec) != SYMMETRIC:
        problem = f"{shown(key)} is for {found.key_usage} by {found.key_spec}"
        checks.add("kms_key_arn", problem, "Services encrypt by symmetric keys alone: take one.")
    if found.key_manager == "AWS":
        remedy = "AWS alone says who may use those: make a key of your own."
        checks.add("kms_key_arn", f"{shown(key)} is one that AWS manages for a service", remedy)


def _check_boundary(checks: Checks, boundary: str, opts: pulumi.ResourceOptions | None) -> None:
    asked = there(f"the policy {boundary}", lambda: aws.iam.get_policy(arn=boundary, opts=invoke_options(opts)))
    if asked is False:
        checks.add("permissions_boundary", f"{shown(boundary)} isn't there", "Make it, or look at its path.")


def check_bucket(
    checks: Checks,
    key: str,
    args: Mapping[str, Any],
    opts: pulumi.ResourceOptions | None,
    *,
    events: bool = False,
    shared: bool = False,
) -> None:
    """Whether the bucket at `key` is there, in this region and account, encrypted so that roles can read it, with
    `events` tells EventBridge of its changes, and unless it may be `shared` is nobody else's.
    """
    name, options, here = args[key], invoke_options(opts), region_of(opts)
    if not given(name):
        return
    found = there(f"bucket {name}", lambda: aws.s3.get_bucket(bucket=name, opts=options), "bucket_region")
    if found is False:
        checks.add(key, f"{shown(name)} isn't there", "Make it first, or leave this out to have one made.")
        return
    if found and here and found.bucket_region != here:
        problem = f"{shown(name)} is in {found.bucket_region}, and this is {here}"
        checks.add(key, problem, "Its events and its data stay there: take a bucket of this region.")
        return
    own = answer("which buckets are the account's", lambda: aws.s3.get_buckets(prefix=name, opts=options), "buckets")
    if own and name not in (each.name for each in own.buckets):
        remedy = "Its events go to that account alone: take a bucket of this one, or replicate into one."
        checks.add(key, f"{shown(name)} is another account's", remedy)
        return
    if events:
        _check_events(checks, key, name, options)
    properties = _properties(name, options)
    _check_encryption(checks, key, name, properties, args["kms_key_arn"], options)
    if not shared:
        tags = {each["Key"]: each["Value"] for each in properties.get("Tags") or ()}
        check_owner(checks, key, name, tags)


def _check_events(checks: Checks, key: str, name: str, options: pulumi.InvokeOptions) -> None:
    """A bucket has one configuration of notifications, which is set as a whole: ours would end those of its owner."""
    told = answer(
        f"whether bucket {name} tells EventBridge of its changes",
        lambda: aws.s3.get_bucket_notification(bucket=name, opts=options),
        "eventbridge",
    )
    if told and not told.eventbridge:
        remedy = f"Add {EVENTS} to what `aws s3api get-bucket-notification-configuration` prints, and put it back."
        checks.add(key, f"{shown(name)} doesn't tell EventBridge of its changes", remedy)


def _properties(name: str, options: pulumi.InvokeOptions) -> Mapping[str, Any]:
    asked = answer(
        f"how bucket {name} is encrypted and tagged",
        lambda: aws.cloudcontrol.get_resource(type_name="AWS::S3::Bucket", identifier=name, opts=options),
        "properties",
    )
    return json.loads(asked.properties) if asked else {}


def _check_encryption(
    checks: Checks,
    key: str,
    name: str,
    properties: Mapping[str, Any],
    own_key: Any,
    options: pulumi.InvokeOptions,
) -> None:
    """Roles may use one key, the one that is given, and those that AWS manages, which let in who may use the service.

    A bucket may name its key by ARN, by id, or by an alias (S3 API reference, ServerSideEncryptionByDefault).
    """
    if not isinstance(own_key, str):
        return
    rules = (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or ()
    for each in ((rule.get("ServerSideEncryptionByDefault") or {}) for rule in rules):
        by = each.get("KMSMasterKeyID") or ""
        own = own_key and by in (own_key, own_key.rpartition("/")[2])
        if each.get("SSEAlgorithm", "AES256") == "AES256" or not by or own or by.endswith("alias/aws/s3"):
            continue
        found = there(
            f"the key {by} of bucket {name}",
            lambda by=by: aws.kms.get_key(key_id=by, opts=options),
            "arn",
            "key_manager",
        )
        if found is False:
            problem = f"{shown(name)} is encrypted by {by}, which isn't there"
            checks.add(key, problem, "Encrypt it by a key that is: until then nobody can write to it.")
        elif found and found.key_manager != "AWS" and found.arn != own_key:
            problem = f"{shown(name)} is encrypted by {found.arn}"
            checks.add(key, problem, "Roles may use the key that is given alone: set `kms_key_arn` to that one.")


def check_not_ours(
    checks: Checks, args: Mapping[str, Any], existing: str, fields: Mapping[str, Field], keys: Sequence[str]
) -> None:
    """Whether nothing is given that only what is made here has, beside something that is there."""
    for key in keys if args[existing] not in ("", None) else ():
        if args[key] not in (None, fields[key].default):
            checks.add(key, f"is given beside `{existing}`, which stays as it is", f"Remove it, or `{existing}`.")


def check_owner(checks: Checks, key: str, name: str, tags: Mapping[str, str] | None) -> None:
    """Whether it is no other environment's, which would erase it, or let nobody have it, at its own destroy."""
    tags = tags or {}
    if stack := tags.get(Tag.STACK):
        remedy = f"It goes with that stack: take one of your own. If that is gone, remove the tag {Tag.STACK}."
        if stack == pulumi.get_stack():
            made = "If this program makes it, give that output in place of the name; else another stack has the name."
            remedy = f"{made} {remedy}"
        whose = f"environment {tags.get(Tag.ENVIRONMENT, '')!r} of a stack {stack}"
        checks.add(key, f"{shown(name)} belongs to {whose}", remedy)
