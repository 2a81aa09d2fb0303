"""Who may do what in a collection: OpenSearch Serverless asks IAM *and* its own data access policies."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import opensearch

from ..foundation.names import physical_name
from ..foundation.policy import Statement, allow

READ = ("aoss:ReadDocument", "aoss:DescribeIndex")
WRITE = ("aoss:WriteDocument", "aoss:DescribeIndex")
CREATE_INDEX = ("aoss:CreateIndex", "aoss:DescribeIndex")


def data_plane(collection_arn: pulumi.Input[str]) -> Statement:
    """The IAM half: lets a role reach the collection's endpoint at all."""
    return allow(["aoss:APIAccessAll"], collection_arn)


def grant(
    component: pulumi.ComponentResource,
    name: str,
    collection_name: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    permissions: Sequence[str],
) -> opensearch.ServerlessAccessPolicy:
    """The data half: a policy of the component's own, so that every consumer grants itself what it needs.

    (A *data* policy is an `AccessPolicy` in this service; `SecurityPolicy` is for encryption and network.)
    """
    rules = [
        {
            "Rules": [
                {
                    "ResourceType": "index",
                    "Resource": [pulumi.Output.concat("index/", collection_name, "/*")],
                    "Permission": sorted(permissions),
                }
            ],
            "Principal": [role_arn],
        }
    ]
    return opensearch.ServerlessAccessPolicy(
        f"{name}-access",
        name=physical_name(component, name, 32),
        type="data",
        description=f"What {name} does in the indices",
        policy=pulumi.Output.json_dumps(rules),
        opts=pulumi.ResourceOptions(parent=component),
    )
