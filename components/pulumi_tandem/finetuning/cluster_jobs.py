"""Jobs of a cluster as what trains and evaluates: the function that starts and watches them, and its way in."""

from collections.abc import Mapping
from typing import NamedTuple

import pulumi
from pulumi_aws import eks
from tandem_contract.names import Variable

from ..foundation.arns import account_arn
from ..foundation.policy import allow
from .cluster_steps import cluster_steps
from .jobs import Given, Jobs


class TrainingCluster(NamedTuple):
    """What a pipeline knows of the cluster that it trains on (`ClusterTraining.for_pipeline`)."""

    cluster_name: pulumi.Output[str]
    namespace: str
    runtime: pulumi.Output[str]
    """Name of the ClusterTrainingRuntime."""
    group: str
    """Kubernetes group that may start, read and stop jobs of the namespace."""
    role_arn: pulumi.Output[str]
    """Of the Pods."""
    poll_seconds: int
    subnet_ids: pulumi.Input[list[str]] | None
    """Subnets from which the function reaches the cluster's endpoint, where only they do."""
    security_group_ids: pulumi.Input[list[str]] | None
    ready: list[pulumi.Resource]
    """What a job needs before it can start."""


def cluster_jobs(given: Given, images: Mapping[str, pulumi.Input[str]], cluster: TrainingCluster) -> Jobs:
    """The function, its access to the cluster, and the states that call it; `images` are by `train`, `evaluate`."""
    runs = pulumi.Output.concat(given.artifacts.bucket_arn, "/runs/*")
    function = given.function(
        "cluster",
        [
            given.records,
            given.manifests,
            allow(["s3:ListBucket"], given.artifacts.bucket_arn, StringLike={"s3:prefix": "runs/*"}),
            # job.json, in which it writes what it sees.
            allow(["s3:PutObject"], runs),
            allow(
                ["eks:DescribeCluster"],
                account_arn("eks", pulumi.Output.concat("cluster/", cluster.cluster_name), given.parent),
            ),
        ],
        {
            **given.environment,
            Variable.CLUSTER: cluster.cluster_name,
            Variable.CLUSTER_NAMESPACE: cluster.namespace,
            Variable.CLUSTER_RUNTIME: cluster.runtime,
            Variable.TRAINING_IMAGE: images["train"],
            Variable.SERVING_IMAGE: images["evaluate"],
        },
        **({"subnet_ids": cluster.subnet_ids} if cluster.subnet_ids is not None else {}),
        **({"security_group_ids": cluster.security_group_ids} if cluster.security_group_ids is not None else {}),
    )
    steps = cluster_steps(cluster=function.function_arn, envelope=given.envelope, poll_seconds=cluster.poll_seconds)
    access = eks.AccessEntry(
        f"{given.name}-access",
        cluster_name=cluster.cluster_name,
        principal_arn=function.role_arn,
        kubernetes_groups=[cluster.group],
        tags=given.tags,
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=cluster.ready),
    )
    return Jobs(steps, [function], [], cluster.role_arn, ready=[access])
