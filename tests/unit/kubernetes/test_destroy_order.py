"""In which order a cluster would be destroyed."""

import pytest
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster

from scripts.recorder import Recording, Registered, record


def _needs(recording: Recording) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """What each resource needs, as the engine orders deletions: what it depends on, its provider's, its parent."""
    by_name: dict[str, list[Registered]] = {}
    for each in recording.resources:
        by_name.setdefault(each.name, []).append(each)
    needs = {}
    for each in recording.resources:
        kubernetes = each.type.startswith("kubernetes:")
        names = {*each.dependencies, each.parent, *(["gpu-kubernetes"] if kubernetes else [])}
        needs[(each.type, each.name)] = {
            (other.type, other.name) for name in names for other in by_name.get(name, []) if other is not each
        }
    return needs


def _after(recording: Recording, first: str, then: str) -> bool:
    """Whether everything whose type or name has `then` is deleted after all that has `first`."""
    needs = _needs(recording)

    def reach(one, seen):
        for other in needs[one] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    firsts = [key for key in needs if first in key]
    thens = [key for key in needs if then in key]
    assert firsts and thens
    return all(set(thens) <= reach(one, set()) for one in firsts)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"),
        ("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "gpu-karpenter-controller"),
        ("gpu-karpenter-controller", "gpu-karpenter-permissions"),
        ("gpu-karpenter-controller", "aws:eks/podIdentityAssociation:PodIdentityAssociation"),
        ("gpu-karpenter-controller", "aws:eks/nodeGroup:NodeGroup"),
        ("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass", "aws:iam/instanceProfile:InstanceProfile"),
        ("aws:eks/nodeGroup:NodeGroup", "gpu-agents-vpc-cni"),
        ("aws:eks/nodeGroup:NodeGroup", "aws:ec2/natGateway:NatGateway"),
        ("aws:eks/nodeGroup:NodeGroup", "aws:ec2/vpcEndpoint:VpcEndpoint"),
        ("aws:eks/addon:Addon", "aws:eks/cluster:Cluster"),
        ("aws:eks/cluster:Cluster", "gpu-log"),
        ("gpu-addons-amazon-cloudwatch-observability", "gpu-addons-performance"),
        ("aws:eks/cluster:Cluster", "aws:kms/key:Key"),
    ],
)
def test_destroy_takes_what_needs_before_what_is_needed(plain, first, then):
    assert _after(plain, first, then)


def test_what_runs_on_the_cluster_goes_before_all_of_it():
    import pulumi
    from pulumi_kubernetes.core.v1 import Namespace

    def program():
        made = GpuCluster("gpu", {})
        options = pulumi.ResourceOptions(provider=made.provider, depends_on=made.ready)
        Namespace("work", opts=options)

    recording = record(program)
    for then in ("kubernetes:karpenter.sh/v1:NodePool", "aws:eks/nodeGroup:NodeGroup", "gpu-addons-coredns"):
        assert _after(recording, "work", then)


def test_an_edge_less_is_seen(plain):
    """The proof that the order is looked at: without the pool's edge to its class the first case fails."""
    missing = Recording(resources=[*plain.resources])
    pool = missing.one("NodePool")
    missing.resources.remove(pool)
    missing.resources.append(Registered(**{**vars(pool), "dependencies": []}))
    assert not _after(missing, pool.type, plain.one("EC2NodeClass").type)
