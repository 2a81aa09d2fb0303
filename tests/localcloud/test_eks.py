"""EKS as the emulator serves it here: updates, and what a node group or a cluster was given."""

import json

import pytest

pytestmark = pytest.mark.local

TRUST = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
TAINT = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}


@pytest.fixture
def eks(aws):
    """A client, with the cluster `learning` and its node group `gpus`."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    role = aws("iam").create_role(RoleName="learning", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    client = aws("eks")
    network = {"subnetIds": ["subnet-1", "subnet-2"], "endpointPrivateAccess": True}
    upgrades = {"supportType": "STANDARD"}
    client.create_cluster(name="learning", roleArn=role, resourcesVpcConfig=network, upgradePolicy=upgrades)
    client.create_nodegroup(
        clusterName="learning", nodegroupName="gpus", nodeRole=role, subnets=["subnet-1"], taints=[TAINT],
        labels={"pool": "gpu", "old": "yes"}, launchTemplate={"id": "lt-1", "version": "1"},
        updateConfig={"maxUnavailable": 1}, nodeRepairConfig={"enabled": True},
    )  # fmt: skip
    yield client
    client.delete_nodegroup(clusterName="learning", nodegroupName="gpus")
    client.delete_cluster(name="learning")
    aws("iam").delete_role(RoleName="learning")


def group(eks) -> dict:
    return eks.describe_nodegroup(clusterName="learning", nodegroupName="gpus")["nodegroup"]


def test_a_node_group_is_told_as_it_was_given(eks):
    told = group(eks)
    assert told["launchTemplate"] == {"id": "lt-1", "version": "1"}
    assert told["updateConfig"] == {"maxUnavailable": 1} and told["nodeRepairConfig"] == {"enabled": True}
    assert not {"diskSize", "instanceTypes"} & told.keys()  # which the template has


def test_a_node_group_changes_in_what_is_asked_and_nothing_else(eks):
    update = eks.update_nodegroup_config(
        clusterName="learning", nodegroupName="gpus", scalingConfig={"minSize": 0, "maxSize": 9, "desiredSize": 2},
        labels={"addOrUpdateLabels": {"new": "yes"}, "removeLabels": ["old"]},
        taints={"addOrUpdateTaints": [TAINT | {"value": "false"}]},
    )["update"]  # fmt: skip
    ended = eks.describe_update(name="learning", nodegroupName="gpus", updateId=update["id"])["update"]
    assert ended["status"] == "Successful" and ended["id"] == update["id"]
    told = group(eks)
    assert told["scalingConfig"] == {"minSize": 0, "maxSize": 9, "desiredSize": 2}
    assert told["labels"] == {"pool": "gpu", "new": "yes"} and told["taints"] == [TAINT | {"value": "false"}]
    eks.update_nodegroup_config(clusterName="learning", nodegroupName="gpus", taints={"removeTaints": [TAINT]})
    assert group(eks)["taints"] == []
    template = {"id": "lt-1", "version": "2"}
    eks.update_nodegroup_version(clusterName="learning", nodegroupName="gpus", launchTemplate=template)
    assert group(eks)["launchTemplate"] == template and group(eks)["labels"] == {"pool": "gpu", "new": "yes"}


def test_a_cluster_changes_in_what_is_asked_and_nothing_else(eks):
    eks.update_cluster_config(name="learning", resourcesVpcConfig={"endpointPublicAccess": False})
    eks.update_cluster_version(name="learning", version="1.36")
    told = eks.describe_cluster(name="learning")["cluster"]
    network = told["resourcesVpcConfig"]
    assert network["endpointPublicAccess"] is False and network["endpointPrivateAccess"] is True
    assert network["subnetIds"] == ["subnet-1", "subnet-2"]
    assert told["version"] == "1.36" and told["upgradePolicy"] == {"supportType": "STANDARD"}


def test_what_is_not_there_cannot_be_changed(eks):
    with pytest.raises(eks.exceptions.ResourceNotFoundException, match="No node group found for name: other"):
        eks.update_nodegroup_config(clusterName="learning", nodegroupName="other", labels={"removeLabels": ["a"]})
    with pytest.raises(eks.exceptions.ResourceNotFoundException, match="No cluster found for name: other"):
        eks.update_cluster_version(name="other", version="1.36")


def test_the_versions_of_an_addon_are_told(eks):
    (told,) = eks.describe_addon_versions(addonName="coredns", kubernetesVersion="1.36")["addons"]
    (version,) = told["addonVersions"]
    assert version["compatibilities"][0]["defaultVersion"] is True
