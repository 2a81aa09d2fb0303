"""What is left of a stack in an account, asked of AWS itself; where the local cloud stands in, what that holds.

Resources with the stack's tag, and those that services make beside them and that no tag of ours reaches: log groups,
network interfaces, volumes, load balancers. What has the stack's tag may be another's, whose stack is called the same:
either is a verification's if it has its tag, or names one of the resources that it made, such as a job its bucket.
"""

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from tandem_contract.names import Tag

from localcloud.kubernetes import control_plane
from localcloud.services import audit
from tandem.clients import aws
from tandem.runtime.pages import each

SHORTEST = 8
"""Characters of what is taken for a resource's name: `default` is everybody's."""


VERIFICATION = "tandem:verification"
"""The tag of what a verification makes: an id that it drew."""


class Left(NamedTuple):
    """What there is after a verification, a line for each."""

    ours: list[str]
    others: list[str]
    """With the stack's tag, and nothing of this verification: of another stack of that name."""


def tagged(stack: str, verification: str = "") -> dict[str, str]:
    """What AWS tells of each resource with the stack's tag (JSON), by ARN; of those of one verification, if given."""
    wanted = {Tag.STACK: stack} | ({VERIFICATION: verification} if verification else {})
    filters = [{"Key": key, "Values": [value]} for key, value in wanted.items()]  # all of them have to fit
    listed = each(aws.client("resourcegroupstaggingapi"), "get_resources", "ResourceTagMappingList", TagFilters=filters)
    return {resource["ResourceARN"]: json.dumps(resource) for resource in listed}


def left(stack: str, verification: str, names: Collection[str], here: bool) -> Left:
    """What is there and can be billed, of the stack that a verification deployed; `names` are its resources' ids.

    Without the id of a verification nobody can tell whose a tagged resource is: then all of them may be ours.
    What can't be asked is a line of ours too, but `here`, on the local cloud, where not all services are.
    """
    from botocore.exceptions import ClientError

    found, signs = Left([], []), [*names, *([verification] if verification else [])]
    for kind, listed in {"": lambda: _tagged(stack), **BESIDE}.items():
        try:
            texts = {key: json.dumps(entry, default=str) for key, entry in listed()}
        except ClientError as error:
            found.ours.extend([] if here else [f"{kind or 'tagged resource'}s aren't known: {error}"])
        else:
            ours = {key for key, text in texts.items() if any(sign in text for sign in signs)}
            if not kind:
                ours = ours if verification else {*texts}
                found.others.extend(sorted(texts.keys() - ours))
            found.ours.extend(f"{kind} {key}".strip() for key in texts if key in ours)
    return found


def _tagged(stack: str) -> Iterator[tuple[str, Any]]:
    return ((arn, text) for arn, text in tagged(stack).items() if not ended(arn))


def locally() -> list[str]:
    """A line for each thing that the local cloud holds, of whatever stack."""
    return [" ".join(row) for row in (*audit.leftovers(), *control_plane.leftovers())]


def names(resources: Collection[dict[str, Any]]) -> list[str]:
    """What names the resources of a state beyond doubt, of those that the stack has made.

    Names in a cluster are its own: every cluster with Kueue has a `kueue-system`.
    """
    made = (each for each in resources if each.get("custom") and not each.get("external"))
    ids = (each.get("id") for each in made if not each["type"].startswith("kubernetes:"))
    return sorted({found for found in ids if found and len(found) >= SHORTEST})


def ended(arn: str) -> bool:
    """Whether a resource that is listed for a while after its end is at it, or was a job."""
    from botocore.exceptions import ClientError

    service, (kind, _, name) = arn.split(":")[2], arn.split(":", 5)[5].partition("/")
    if (service, kind) not in LINGERING:
        return False
    try:
        return LINGERING[service, kind](name)
    except ClientError as error:
        return "NotFound" in error.response["Error"]["Code"] or "not found" in str(error)  # the latter is SageMaker's


def _key(name: str) -> bool:
    return aws.client("kms").describe_key(KeyId=name)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def _instance(name: str) -> bool:
    answer = aws.client("ec2").describe_instances(InstanceIds=[name])["Reservations"]
    return all(each["State"]["Name"] == "terminated" for found in answer for each in found["Instances"])


def _gateway(name: str) -> bool:
    answer = aws.client("ec2").describe_nat_gateways(NatGatewayIds=[name])["NatGateways"]
    return all(each["State"] == "deleted" for each in answer)


def _job(name: str) -> bool:
    answer = aws.client("sagemaker").describe_training_job(TrainingJobName=name)
    return answer["TrainingJobStatus"] not in ("InProgress", "Stopping")


# By service and kind in an ARN: whether one is at its end. Keys are deleted after days, records of jobs never.
LINGERING: dict[tuple[str, str], Callable[[str], bool]] = {
    ("kms", "key"): _key,
    ("ec2", "instance"): _instance,
    ("ec2", "natgateway"): _gateway,
    ("sagemaker", "training-job"): _job,
}


def _logs() -> Iterator[tuple[str, Any]]:
    for found in each(aws.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix="/aws/"):
        yield found["logGroupName"], found["logGroupName"]


def _interfaces() -> Iterator[tuple[str, Any]]:
    for found in each(aws.client("ec2"), "describe_network_interfaces", "NetworkInterfaces"):
        yield found["NetworkInterfaceId"], found


def _volumes() -> Iterator[tuple[str, Any]]:
    for found in each(aws.client("ec2"), "describe_volumes", "Volumes"):
        yield found["VolumeId"], found


def _balancers() -> Iterator[tuple[str, Any]]:
    for found in each(aws.client("elbv2"), "describe_load_balancers", "LoadBalancers"):
        yield found["LoadBalancerName"], found


BESIDE: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
    "log group": _logs,
    "network interface": _interfaces,
    "volume": _volumes,
    "load balancer": _balancers,
}
