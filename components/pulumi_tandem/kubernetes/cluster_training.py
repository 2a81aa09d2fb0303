"""Training on a cluster: Kueue, Kubeflow Trainer, a namespace with its queue, role and rules."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_aws import ec2, iam, vpc
from tandem_contract.checks import Checks
from tandem_contract.cluster import QUEUE, RUNTIME_KIND, SERVICE_ACCOUNT, Label, label_value
from tandem_contract.envelope import read as read_envelope

from ..arguments import ClusterTrainingSettings
from ..finetuning.cluster_jobs import TrainingCluster
from ..finetuning.jobs import data_of_jobs
from ..foundation.arguments import valid
from ..foundation.outputs import register
from ..foundation.policy import policy_document
from ..foundation.tags import Tags
from . import job_queue, training_runtime
from .gpu_cluster import GpuCluster
from .job_queue import JobQueue
from .pod_identity import pod_identity
from .training_access import TrainingAccess
from .training_checks import (
    Needed,
    check_capacity,
    check_instance_types,
    check_quotas,
    check_releases,
    needed,
    quotas_of,
)
from .training_controllers import TrainingControllers
from .training_fields import CLUSTER_TRAINING, INSTALL

METADATA_SERVICE = "169.254.169.254/32"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
"""Labels of a namespace that takes only Pods without privileges."""
NETWORK: Any = {
    "pod_selector": {},
    "policy_types": ["Ingress", "Egress"],
    # The ranks of a job talk on ports that nobody knows before; nobody else has business with them.
    "ingress": [{"from_": [{"pod_selector": {}}]}],
    # S3, MLflow and Hugging Face are anywhere; the node's own credentials are none of a Pod's.
    "egress": [{"to": [{"ip_block": {"cidr": "0.0.0.0/0", "except_": [METADATA_SERVICE]}}]}],
}


class ClusterTrainingArgs(TypedDict):
    """Arguments of `ClusterTraining`."""

    envelope: Mapping[str, Any]
    """The run envelope, with EC2's instance types: every key of `tandem_contract.envelope.RunEnvelope`."""
    training_image: pulumi.Input[str]
    """URI of the training image, which also brings data to Pods and back; it has boto3."""
    dataset_bucket_arn: pulumi.Input[str]
    """Bucket whose data sets runs read."""
    artifact_bucket_arn: pulumi.Input[str]
    """Bucket of runs and base models; runs write below `runs/`."""
    settings: NotRequired[ClusterTrainingSettings]
    """How runs share the cluster, as `cluster_training` of `FineTuningEnvironment`; every key has a default."""
    statements: NotRequired[Sequence[Any]]
    """IAM statements that Pods need beyond the buckets."""
    tags: NotRequired[Tags]
    """Cost-allocation tags, on what is AWS's."""


class ClusterTraining(pulumi.ComponentResource):
    """Training on an EKS cluster: Kueue, Kubeflow Trainer, a namespace with a queue, a runtime and a role for its Pods.

    Creates `TrainingControllers`, unless they are there, a `JobQueue`, and a namespace that enforces the Pod Security
    level `restricted`, with a service account, its IAM role by Pod Identity, a network policy, a LocalQueue,
    a TrainingRuntime and `TrainingAccess`. They are deleted in the order in which they can be: the namespace with all
    that runs in it first, the controllers last.

    Idle cost: none of its own; the controllers run on the cluster's system nodes.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    runtime: pulumi.Output[str]
    """Name of the TrainingRuntime."""
    role_arn: pulumi.Output[str]
    """ARN of the Pods' role."""

    def __init__(
        self,
        name: str,
        cluster: GpuCluster,
        args: ClusterTrainingArgs,
        opts: pulumi.ResourceOptions | None = None,
    ):
        envelope: dict[str, Any] = {}
        steps: list[Needed] = []

        def fits(checks: Checks, settings: dict[str, Any]) -> None:
            if not cluster.kubernetes:
                remedy = "Give `GpuCluster` `existing_cluster`, its name, instead: runs find it by EKS's API."
                checks.add("cluster", "has `existing_kubeconfig`, which is not enough for training", remedy)
            known = len(checks.mistakes)
            envelope.update(read_envelope(checks.under("envelope"), args["envelope"]))
            if len(checks.mistakes) > known:
                return
            steps.extend(needed(envelope, "envelope.instance_type", "envelope.evaluation_instance_type"))
            check_instance_types(checks, steps)
            check_releases(checks.under("settings"), settings, cluster.kubernetes)
            if not checks.mistakes:
                check_quotas(checks, "settings.quotas", settings, steps)
            if cluster.capacity and not checks.mistakes:
                check_capacity(checks, "settings.quotas", cluster.capacity, quotas_of(settings, steps), steps)

        settings = valid("ClusterTraining", name, CLUSTER_TRAINING, args.get("settings", {}), fits, opts=opts)
        super().__init__("tandem:index:ClusterTraining", name, {}, opts)
        self._name, self._tags, self._cluster = name, args.get("tags") or {}, cluster
        self._child: dict[str, Any] = {"parent": self, "provider": cluster.provider}
        namespace, quotas = settings["namespace"], quotas_of(settings, steps)
        self._labels = {Label.STACK: label_value(pulumi.get_stack())}
        controllers = self._controllers(settings)
        queue = JobQueue(
            f"{name}-queue",
            {"provider": cluster.provider, "namespace": namespace, "quotas": quotas, "capacity": cluster.capacity},
            opts=pulumi.ResourceOptions(parent=self, depends_on=controllers),
        )
        # After the queue, before which it has to be deleted: with jobs in it the queue can't be.
        room = kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            metadata={"name": namespace, "labels": {**RESTRICTED, **self._labels}},
            # It goes once its Pods have, which a node that is ending may hold for longer than the provider waits.
            opts=pulumi.ResourceOptions(
                **self._child,
                depends_on=[*controllers, queue],
                custom_timeouts=pulumi.CustomTimeouts(delete="30m"),
            ),
        )
        inside = pulumi.ResourceOptions(**self._child, depends_on=[room])
        role, account = self._account(namespace, args, inside)
        runtime, self.runtime = self._runtime(settings, envelope, args["training_image"], room)
        self.role_arn = role.arn
        group = f"{namespace}:runs"
        access = TrainingAccess(
            f"{name}-access",
            {"provider": cluster.provider, "namespace": namespace, "group": group},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[room]),
        )
        network = kubernetes.networking.v1.NetworkPolicy(
            f"{name}-network", metadata={"name": "training", "namespace": namespace}, spec=NETWORK, opts=inside
        )
        local = kubernetes.apiextensions.CustomResource(
            f"{name}-local-queue",
            api_version=job_queue.API,
            kind="LocalQueue",
            metadata={"name": QUEUE, "namespace": namespace},
            spec={"clusterQueue": namespace},
            opts=inside,
        )
        self.for_pipeline = TrainingCluster(
            cluster_name=cluster.cluster_name,
            namespace=namespace,
            runtime=self.runtime,
            group=group,
            role_arn=self.role_arn,
            poll_seconds=settings["poll_seconds"],
            efa=sorted({kind for each in cluster.capacity if each.efa for kind in each.instance_types}),
            subnet_ids=None if cluster.endpoint_open else cluster.subnet_ids,
            security_group_ids=None if cluster.endpoint_open else [self._way_in()],
            ready=[runtime, local, network, access, *account],
        )
        register(self)

    def _controllers(self, settings: Mapping[str, Any]) -> list[pulumi.Resource]:
        """What jobs stand on: made here, or there with the cluster."""
        if settings["controllers"] != INSTALL:
            return list(self._cluster.ready)
        made = TrainingControllers(
            f"{self._name}-controllers",
            {
                "provider": self._cluster.provider,
                "kueue_version": settings["kueue_version"],
                "trainer_version": settings["trainer_version"],
                "ready_minutes": settings["ready_minutes"],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._cluster.ready),
        )
        return [made]

    def _way_in(self) -> pulumi.Output[str]:
        """A security group from which the cluster's endpoint takes requests inside its network."""
        child, invoke = pulumi.ResourceOptions(parent=self), pulumi.InvokeOutputOptions(parent=self)
        first = self._cluster.subnet_ids.apply(lambda ids: ids[0])
        group = ec2.SecurityGroup(
            f"{self._name}-function",
            vpc_id=ec2.get_subnet_output(id=first, opts=invoke).vpc_id,
            description="The function that runs jobs",
            tags=self._tags,
            opts=child,
        )
        vpc.SecurityGroupEgressRule(
            f"{self._name}-function",
            security_group_id=group.id,
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="S3, STS, EKS and the cluster",
            tags=self._tags,
            opts=child,
        )
        vpc.SecurityGroupIngressRule(
            f"{self._name}-function",
            security_group_id=self._cluster.security_group_id,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="The function that runs jobs",
            tags=self._tags,
            opts=child,
        )
        return group.id

    def _account(
        self, namespace: str, args: ClusterTrainingArgs, inside: pulumi.ResourceOptions
    ) -> tuple[iam.Role, list[pulumi.Resource]]:
        """The service account of training Pods and, by Pod Identity, its role."""
        identity, role = pod_identity(
            f"{self._name}-identity",
            self._cluster.cluster_name,
            namespace,
            SERVICE_ACCOUNT,
            tags=self._tags,
            parent=self,
        )
        data = data_of_jobs(args["dataset_bucket_arn"], args["artifact_bucket_arn"])
        permissions = iam.RolePolicy(
            f"{self._name}-permissions",
            role=role.id,
            policy=policy_document([*data, *args.get("statements", ())]),
            opts=pulumi.ResourceOptions(parent=self),
        )
        account = kubernetes.core.v1.ServiceAccount(
            f"{self._name}-account",
            metadata={"name": SERVICE_ACCOUNT, "namespace": namespace},
            automount_service_account_token=False,
            opts=inside,
        )
        return role, [identity, permissions, account]

    def _runtime(
        self,
        settings: Mapping[str, Any],
        envelope: Mapping[str, Any],
        image: pulumi.Input[str],
        room: pulumi.Resource,
    ) -> tuple[pulumi.Resource, pulumi.Output[str]]:
        spec = training_runtime.training_runtime(envelope, image, self._labels, settings["ready_minutes"])
        content = training_runtime.as_json(spec)
        named = content.apply(training_runtime.runtime_name)
        made = kubernetes.apiextensions.CustomResource(
            f"{self._name}-runtime",
            api_version=training_runtime.API,
            kind=RUNTIME_KIND,
            metadata={
                "name": named,
                "namespace": settings["namespace"],
                "labels": {"trainer.kubeflow.org/framework": "torch", **self._labels},
            },
            spec=spec,
            # Trainer keeps a runtime while a run refers to it, an ended one too, and deleting it would wait for that:
            # a superseded one stays until the namespace goes, which is when all runs have ended.
            opts=pulumi.ResourceOptions(**self._child, depends_on=[room], retain_on_delete=True),
        )
        return made, named
