"""What nodes may do, and what runs on each of them."""

import json

import pytest

from .conftest import cluster

GROUP = {"name": "spare", "instance_types": ["g6e.12xlarge"], "capacity": "spot", "desired": 1, "maximum": 2}


def test_nodes_may_ask_for_their_own_instance(plain):
    """Else none joins: nodeadm asks EC2 for the instance's name before it starts the kubelet."""
    policies = {each.inputs["policyArn"].rpartition("/")[2] for each in plain.of("RolePolicyAttachment")}
    assert "AmazonEKSWorkerNodePolicy" in policies and "AmazonEKSWorkerNodeMinimalPolicy" not in policies


def test_the_monitoring_agents_host_engine_runs_on_tainted_nodes(plain):
    values = json.loads(plain.one("Addon", "eks-node-monitoring-agent").inputs["configurationValues"])
    assert values == {"dcgmAgent": {"tolerations": [{"operator": "Exists"}]}}


@pytest.mark.parametrize("there", [{}, {"existing_cluster": "theirs"}])
@pytest.mark.parametrize("groups", [[], [GROUP]])
def test_the_access_of_nodes_is_ours_whatever_they_are(there, groups):
    """EKS's own entry outlives its groups: without the last one ours was refused, and with a first one the entry that
    the pools' nodes had was deleted."""
    made = cluster(node_groups=groups, **there)
    entry = made.one("AccessEntry", "gpu-nodes")
    assert entry.inputs["type"] == "EC2_LINUX"
    profile = made.one("InstanceProfile")
    assert entry.name in profile.dependencies
    assert all(profile.name in each.dependencies for each in made.of("tandem:index:NodeGroups"))


def test_nodes_of_an_existing_cluster_get_addresses(plain):
    """Its VPC plugin may have the node's role alone: without the policy no node is ever ready, and the next is
    started."""

    def policies(recording):
        return {each.inputs["policyArn"].rpartition("/")[2] for each in recording.of("RolePolicyAttachment")}

    theirs = cluster(existing_cluster="theirs", autoscaler="present")
    assert "AmazonEKS_CNI_Policy" in policies(theirs)
    nodes = [each for each in plain.of("RolePolicyAttachment") if each.name.startswith("gpu-node-")]
    assert not [each for each in nodes if "CNI" in each.name]


def test_the_cluster_is_watched_and_nothing_in_it_is_changed(plain):
    """From 5.0.0 on the add-on adds the agents of four languages to whatever has a Service, and bills their traces."""
    values = json.loads(plain.one("Addon", "observability").inputs["configurationValues"])
    assert values == {"manager": {"applicationSignals": {"autoMonitor": {"monitorAllServices": False}}}}


def test_the_plugin_of_the_adapter_is_pinned_and_runs_on_every_type_that_has_one():
    """The chart's own list of types is of its day."""
    pools = [
        {"name": "a", "instance_types": ["p5en.48xlarge"], "efa": True, "zones": ["us-east-1a"]},
        {"name": "b", "instance_types": ["g6e.12xlarge", "g6e.24xlarge"], "efa": True, "zones": ["us-east-1a"]},
        {"name": "c", "instance_types": ["g6e.48xlarge"]},
    ]
    plugin = cluster(node_pools=pools).one("Chart", "efa-plugin").inputs
    assert plugin["version"] == "v0.5.29"
    types = plugin["values"]["supportedInstanceLabels"]["values"]
    assert types == ["g6e.12xlarge", "g6e.24xlarge", "p5en.48xlarge"]


def test_addons_follow_the_clusters_version():
    """EKS upgrades none by itself: kube-proxy fell behind, until EKS refuses the next upgrade."""

    def versions(**args):
        return {each.inputs["addonName"]: each.inputs["addonVersion"] for each in cluster(**args).of("Addon")}

    before = versions(versions={"kubernetes": "1.35", "karpenter": "1.14.1"})
    after = versions(versions={"addons": {"coredns": "v1.13.1-eksbuild.1"}})
    assert len(before) == 6 and all("for-1.35" in each for each in before.values())
    assert after.pop("coredns") == "v1.13.1-eksbuild.1"
    assert all("for-1.36" in each for each in after.values())
