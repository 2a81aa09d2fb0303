"""Nodes of the local Kubernetes: those of EKS node groups, and those that Karpenter's twins buy."""

import json
import subprocess
import sys

import pytest
from tandem_contract.cluster import EFA, GPU
from tandem_contract.instance_types import INSTANCE_TYPES

from localcloud.kubernetes import capacity, pools
from localcloud.kubernetes.api import Api
from localcloud.kubernetes.nodes import GROUP, NODES, NodeGroups, node_of
from localcloud.kubernetes.policies import RBAC, AccessPolicies
from localcloud.kubernetes.pools import CLAIMS, CLASSES, FINALIZER, POOLS, TWIN_CLASSES, Twins
from tests.support import kubernetes_process_api as kubernetes_api

SYSTEM = {
    "nodegroupName": "system",
    "instanceTypes": ["m7g.large"],
    "capacityType": "ON_DEMAND",
    "scalingConfig": {"minSize": 1, "maxSize": 3, "desiredSize": 2},
    "labels": {"pool": "system"},
    "taints": [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}],
}


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "token").write_text("secret")
    with kubernetes_api.serve() as (url, held):
        held.api = Api(url, tmp_path / "ca", tmp_path / "token")
        yield held


def pool(name: str = "gpu", requirements: list | None = None) -> dict:
    """A NodePool of the EC2NodeClass of its name."""
    reference = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": name}
    spec = {"nodeClassRef": reference, "requirements": requirements or [], "expireAfter": "Never"}
    template = {"metadata": {"labels": {"pool": name}}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"limits": {GPU: "16"}, "template": template}}


def conditions(content: dict) -> dict:
    return {each["type"]: each["status"] for each in content["status"]["conditions"]}


def test_a_group_has_as_many_nodes_as_it_desires(cluster):
    groups = NodeGroups(cluster.api, None)
    groups.settle({"system": SYSTEM})
    nodes = cluster.below(NODES)
    assert len(nodes) == 2
    groups.settle({"system": SYSTEM})
    assert len(cluster.below(NODES)) == 2
    oldest = cluster.below(NODES)[0]["metadata"]["name"]
    groups.settle({"system": SYSTEM | {"scalingConfig": {"desiredSize": 1}}})
    assert [each["metadata"]["name"] for each in cluster.below(NODES)] == [oldest]
    cluster.put(f"{NODES}/foreign", {})
    groups.settle({})
    assert [each["metadata"]["name"] for each in cluster.below(NODES)] == ["foreign"]


def test_a_node_is_as_eks_labels_it():
    node = node_of(SYSTEM, 1)
    labels = node["metadata"]["labels"]
    assert labels[GROUP] == "system" and labels["pool"] == "system"
    assert labels["node.kubernetes.io/instance-type"] == "m7g.large"
    assert labels["kubernetes.io/arch"] == "arm64"
    assert labels["topology.kubernetes.io/zone"] == "us-east-1b"
    assert node["spec"]["taints"] == [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}]
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert node["status"]["capacity"]["cpu"] == "2"


def test_capacity_is_of_the_instance_types():
    found = capacity.resources("p5.48xlarge")
    assert (found["cpu"], found[GPU], found[EFA]) == ("192", "8", "32")
    assert int(found["memory"].removesuffix("Mi")) < INSTANCE_TYPES["p5.48xlarge"].memory_gib * 1024
    assert GPU not in capacity.resources("m7i.large")


def test_karpenter_is_told_of_every_type():
    command = [sys.executable, "-m", "localcloud.kubernetes.capacity"]
    types = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert {each["name"] for each in types} == set(INSTANCE_TYPES)
    prices = {
        (each["name"], requirement["values"][0]): offering["Price"]
        for each in types
        for offering in each["offerings"]
        for requirement in offering["Requirements"]
        if requirement["key"] == "karpenter.sh/capacity-type"
    }
    assert prices["g6e.12xlarge", "spot"] < prices["g6e.12xlarge", "on-demand"] < prices["p5.48xlarge", "spot"]
    assert prices["g6e.xlarge", "on-demand"] < prices["g6e.2xlarge", "on-demand"]


def test_a_pool_has_a_twin_and_tells_what_that_has(cluster):
    cluster.put(f"{CLASSES}/gpu", {"spec": {"role": "node"}})
    cluster.put(f"{POOLS}/gpu", pool())
    cluster.put(
        f"{POOLS}/own", pool("own") | {"spec": {"template": {"spec": {"nodeClassRef": {"kind": "KWOKNodeClass"}}}}}
    )
    twins = Twins(cluster.api)
    twins.settle()
    twin = cluster.objects[f"{POOLS}/gpu-twin"]
    ours = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"}
    assert twin["spec"]["template"]["spec"] == {"nodeClassRef": ours, "requirements": [], "expireAfter": "Never"}
    assert twin["spec"]["limits"] == {GPU: "16"}
    assert twin["metadata"]["ownerReferences"][0]["uid"] == cluster.objects[f"{POOLS}/gpu"]["metadata"]["uid"]
    assert f"{TWIN_CLASSES}/gpu" in cluster.objects
    assert conditions(cluster.objects[f"{CLASSES}/gpu"])["Ready"] == "True"
    assert f"{POOLS}/own-twin" not in cluster.objects
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
    cluster.patch(f"{POOLS}/gpu-twin", {"status": {"conditions": [ready], "resources": {GPU: "8"}}})
    twins.settle()
    assert cluster.objects[f"{POOLS}/gpu"]["status"]["resources"] == {GPU: "8"}
    assert conditions(cluster.objects[f"{POOLS}/gpu"]) == {"Ready": "True"}
    told = len(cluster.sent("PATCH", "/gpu/status"))
    twins.settle()
    assert len(cluster.sent("PATCH", "/gpu/status")) == told  # nothing new


def test_a_class_stays_until_its_last_node_has_gone(cluster):
    cluster.put(f"{CLASSES}/gpu", {"spec": {"role": "node"}})
    cluster.put(f"{CLAIMS}/one", {"spec": {"nodeClassRef": {"name": "gpu"}}})
    twins = Twins(cluster.api)
    twins.settle()
    assert cluster.objects[f"{CLASSES}/gpu"]["metadata"]["finalizers"] == [FINALIZER]
    cluster.patch(f"{CLASSES}/gpu", {"metadata": {"deletionTimestamp": "now"}})
    twins.settle()
    assert cluster.objects[f"{CLASSES}/gpu"]["metadata"]["finalizers"] == [FINALIZER]
    cluster.remove(f"{CLAIMS}/one")
    twins.settle()
    assert cluster.objects[f"{CLASSES}/gpu"]["metadata"]["finalizers"] == []
    assert f"{TWIN_CLASSES}/gpu" not in cluster.objects


@pytest.mark.faults
def test_what_a_twin_cannot_be_told_is_refused(cluster):
    asked = {"key": "karpenter.k8s.aws/instance-gpu-name", "operator": "In", "values": ["l40s"]}
    cluster.put(f"{CLASSES}/gpu", {"spec": {"role": "node"}})
    cluster.put(f"{POOLS}/gpu", pool(requirements=[asked]))
    cluster.put(f"{POOLS}/lonely", pool("lonely"))
    Twins(cluster.api).settle()
    states = {each["type"]: each for each in cluster.objects[f"{POOLS}/gpu"]["status"]["conditions"]}
    assert states["Ready"]["status"] == "False"
    assert "karpenter.k8s.aws/instance-gpu-name" in states["Ready"]["message"]
    assert conditions(cluster.objects[f"{POOLS}/lonely"]) == {"NodeClassReady": "False", "Ready": "False"}
    assert pools.unknown(pool()) == []
    assert f"{POOLS}/gpu-twin" not in cluster.objects


def test_access_policies_are_roles_and_bindings(cluster):
    role = {"kind": "ClusterRole", "metadata": {"name": "view", "labels": {}}}
    binding = {"kind": "RoleBinding", "metadata": {"name": "one", "namespace": "a", "labels": {}}}
    policies = AccessPolicies(cluster.api)
    policies.settle([role, binding])
    assert {f"{RBAC}/clusterroles/view", f"{RBAC}/namespaces/a/rolebindings/one"} <= cluster.objects.keys()
    cluster.put(f"{RBAC}/namespaces/a/rolebindings/foreign", {})
    policies.settle([role])
    assert f"{RBAC}/namespaces/a/rolebindings/one" not in cluster.objects
    assert f"{RBAC}/namespaces/a/rolebindings/foreign" in cluster.objects
