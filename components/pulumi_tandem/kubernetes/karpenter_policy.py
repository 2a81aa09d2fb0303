"""What Karpenter's role may do."""

from collections.abc import Mapping
from typing import Any

import pulumi

from ..foundation.policy import Statement, allow

CREATED = ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
READ = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
)


def statements(
    *,
    partition: pulumi.Output[str],
    service: pulumi.Output[str],
    region: pulumi.Output[str],
    cluster_name: pulumi.Input[str],
    cluster_arn: pulumi.Input[str],
    queue_arn: pulumi.Input[str],
    node_role_arn: pulumi.Input[str],
) -> pulumi.Output[list[Statement]]:
    """Karpenter's own policy (its guide, "CloudFormation"), without what makes instance profiles: ours is given.

    It starts instances that carry the tag of this cluster, and ends no others.
    """
    return pulumi.Output.all(partition, service, region, cluster_name, cluster_arn, queue_arn, node_role_arn).apply(
        lambda each: _statements(*each)
    )


def _statements(
    partition: str, service: str, region: str, cluster: str, cluster_arn: str, queue: str, role: str
) -> list[Statement]:
    owner = f"kubernetes.io/cluster/{cluster}"

    def owned(by: str) -> Mapping[str, Any]:
        return {"StringEquals": {f"aws:{by}/{owner}": "owned"}, "StringLike": {f"aws:{by}/karpenter.sh/nodepool": "*"}}

    def ec2(*kinds: str, account: str = "*") -> list[str]:
        return [f"arn:{partition}:ec2:{region}:{account}:{kind}/*" for kind in kinds]

    tagging = owned("RequestTag")
    return [
        allow(
            ["ec2:RunInstances", "ec2:CreateFleet"],
            ec2("image", "snapshot", account="") + ec2("security-group", "subnet", "capacity-reservation"),
        ),
        allow(["ec2:RunInstances", "ec2:CreateFleet"], ec2("launch-template"), **owned("ResourceTag")),
        allow(["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"], ec2(*CREATED), **tagging),
        allow(
            ["ec2:CreateTags"],
            ec2(*CREATED),
            **{
                **tagging,
                "StringEquals": {
                    **tagging["StringEquals"],
                    "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                },
            },
        ),
        allow(
            ["ec2:CreateTags"],
            ec2("instance"),
            **owned("ResourceTag"),
            **{
                "ForAllValues:StringEquals": {"aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]}
            },
        ),
        allow(
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            ec2("instance", "launch-template"),
            **owned("ResourceTag"),
        ),
        # None of these has a resource to name.
        allow(READ, "*", StringEquals={"aws:RequestedRegion": region}),
        allow(["pricing:GetProducts"], "*"),
        allow(["ssm:GetParameter"], f"arn:{partition}:ssm:{region}::parameter/aws/service/*"),
        allow(["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], queue),
        allow(["iam:PassRole"], role, StringEquals={"iam:PassedToService": service}),
        allow(["iam:GetInstanceProfile"], f"arn:{partition}:iam::{queue.split(':')[4]}:instance-profile/*"),
        # Its clean-up lists what it made itself, which is nothing here.
        allow(["iam:ListInstanceProfiles"], "*"),
        allow(["eks:DescribeCluster"], cluster_arn),
    ]
