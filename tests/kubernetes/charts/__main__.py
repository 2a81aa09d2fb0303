"""A cluster with a node group, and the charts of all controllers that run in the local cloud."""

import json
import os
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

CHARTS = Path(os.environ["TANDEM_CHARTS"])
REPLICAS = int(os.environ.get("REPLICAS", "1"))


def role(service: str) -> aws.iam.Role:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return aws.iam.Role(service.partition(".")[0], assume_role_policy=policy)


network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16")
subnets = [
    aws.ec2.Subnet(zone, vpc_id=network.id, cidr_block=f"10.0.{number}.0/24", availability_zone=f"us-east-1{zone}").id
    for number, zone in enumerate("ab")
]
cluster = aws.eks.Cluster(
    "cluster",
    name="charts",
    version="1.35",
    role_arn=role("eks.amazonaws.com").arn,
    bootstrap_self_managed_addons=False,
    access_config={"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False},
    upgrade_policy={"support_type": "STANDARD"},
    enabled_cluster_log_types=["api", "audit"],
    vpc_config={"subnet_ids": subnets, "endpoint_private_access": True},
    tags={"team": os.environ.get("TEAM", "one")},
)
group = aws.eks.NodeGroup(
    "system",
    cluster_name=cluster.name,
    node_group_name="system",
    node_role_arn=role("ec2.amazonaws.com").arn,
    subnet_ids=subnets,
    instance_types=["m7i.large"],
    ami_type="AL2023_x86_64_STANDARD",
    scaling_config={"min_size": 2, "max_size": 3, "desired_size": 2},
    update_config={"max_unavailable": 1},
    node_repair_config={"enabled": True},
    labels={"pool": "system"},
)
user = {"name": "deployer", "user": {"token": Path(os.environ["TANDEM_KUBECONFIG_TOKEN_FILE"]).read_text()}}
authority = cluster.certificate_authority.apply(lambda authority: authority.data)
server = {"server": cluster.endpoint, "certificate-authority-data": authority}
provider = kubernetes.Provider(
    "cluster",
    kubeconfig=pulumi.Output.json_dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "cluster",
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "deployer"}}],
            "clusters": [{"name": "cluster", "cluster": server}],
            "users": [user],
        }
    ),
)


def options(*after: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(provider=provider, depends_on=[group, *after])


def namespace(name: str) -> kubernetes.core.v1.Namespace:
    return kubernetes.core.v1.Namespace(name, metadata={"name": name}, opts=options())


def chart(name: str, place: str, *after: pulumi.Resource, **values) -> kubernetes.helm.v4.Chart:
    return kubernetes.helm.v4.Chart(
        name, name=name, chart=str(CHARTS / name), namespace=place, values=values, opts=options(*after)
    )


definitions = chart("karpenter-crd", "kube-system")
chart("karpenter", "kube-system", definitions, settings={"clusterName": "charts"})
chart("nvidia-device-plugin", "kube-system")
trainer = chart("kubeflow-trainer", "kubeflow-system", namespace("kubeflow-system"))
manager = {"replicas": REPLICAS}
kueue = chart("kueue", "kueue-system", namespace("kueue-system"), trainer, controllerManager=manager)
flavor = kubernetes.apiextensions.CustomResource(
    "flavor",
    api_version="kueue.x-k8s.io/v1beta2",
    kind="ResourceFlavor",
    metadata={"name": "gpu"},
    opts=options(kueue),
)
