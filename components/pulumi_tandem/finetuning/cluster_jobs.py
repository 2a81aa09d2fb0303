"""Jobs of a cluster as what trains and evaluates: the function that starts and watches them, and its way in."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pulumi
from pulumi_aws import eks, lambda_
from tandem_contract.names import Variable

from ..foundation.arns import account_arn
from ..foundation.function import WatchedBy
from ..foundation.policy import allow
from ..foundation.schedule import every, not_started
from .cluster_steps import cluster_steps
from .jobs import Given, Jobs

GUARD_MINUTES = 15
CLEAN_SECONDS = 600
"""That the function may take to end all jobs at destroy, which save a checkpoint first."""


class TrainingCluster(NamedTuple):
    """What a pipeline knows of the cluster that it trains on (`ClusterTraining.for_pipeline`)."""

    cluster_name: pulumi.Output[str]
    namespace: str
    runtime: pulumi.Output[str]
    """Name of the TrainingRuntime."""
    group: str
    """Kubernetes group that may start, read and stop jobs of the namespace."""
    role_arn: pulumi.Output[str]
    """Of the Pods."""
    poll_seconds: int
    efa: Sequence[str]
    """Instance types on whose nodes Pods may ask for EFA."""
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]] | None
    """Subnets from which the function reaches the cluster's endpoint, where only they do."""
    security_group_ids: pulumi.Input[Sequence[pulumi.Input[str]]] | None
    ready: list[pulumi.Resource]
    """What a job needs before it can start."""


def cluster_jobs(given: Given, images: Mapping[str, pulumi.Input[str]], cluster: TrainingCluster) -> Jobs:
    """The function, its access to the cluster, and the states that call it; `images` are by `train`, `evaluate`.

    A schedule has it stop what outlives its limits, and at destroy it ends all jobs of the stack.
    """
    runs = pulumi.Output.concat(given.artifacts.bucket_arn, "/runs/*")
    function = given.function(
        "cluster",
        [
            given.records,
            given.manifests,
            # Reading what isn't there is an error of its own only for who may list, and has no prefix.
            allow(["s3:ListBucket"], given.artifacts.bucket_arn, StringLikeIfExists={"s3:prefix": "runs/*"}),
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
            Variable.CLUSTER_EFA: " ".join(cluster.efa),
            Variable.TRAINING_IMAGE: images["train"],
            Variable.SERVING_IMAGE: images["evaluate"],
        },
        timeout_seconds=CLEAN_SECONDS,
        # A run has patience with it, and on its schedule nobody waits for it.
        watched_by=WatchedBy.ALARMS,
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
    every(
        f"{given.name}-cluster-guard",
        GUARD_MINUTES,
        function,
        description="When jobs on the cluster are compared with their limits",
        tags=given.tags,
        parent=given.parent,
        payload={"action": "guard"},
    )
    # Runs start it too: while there are none, it has nothing to guard but what was lost.
    not_started(
        f"{given.name}-cluster",
        GUARD_MINUTES,
        function,
        topic_arn=given.alarm_topic_arn,
        tags=given.tags,
        parent=given.parent,
    )
    # Before anything that they need is deleted.
    end = lambda_.Invocation(
        f"{given.name}-end-jobs",
        function_name=function.function_name,
        lifecycle_scope="CRUD",
        input=json.dumps({"action": "clean"}),
        opts=pulumi.ResourceOptions(parent=given.parent, depends_on=[function, access]),
    )
    return Jobs(steps, [function], [], cluster.role_arn, ready=[access, end])
