"""AWS roles of Pods, by EKS Pod Identity."""

import json

import pulumi
from pulumi_aws import eks, iam

from ..foundation.tags import Tags

# EKS user guide, "Learn how EKS Pod Identity grants Pods access": the agent tags the session with cluster and Pod.
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
)


def pod_identity(
    name: str,
    cluster_name: pulumi.Input[str],
    namespace: str,
    service_account: str,
    *,
    tags: Tags,
    parent: pulumi.Resource,
) -> tuple[eks.PodIdentityAssociation, iam.Role]:
    """The role of Pods with this service account, and its association.

    A Pod gets credentials only if the association is there when it starts, so what starts Pods depends on it.
    """
    child = pulumi.ResourceOptions(parent=parent)
    role = iam.Role(f"{name}-role", assume_role_policy=TRUST, tags=tags, opts=child)
    association = eks.PodIdentityAssociation(
        name,
        cluster_name=cluster_name,
        namespace=namespace,
        service_account=service_account,
        role_arn=role.arn,
        tags=tags,
        opts=child,
    )
    return association, role
