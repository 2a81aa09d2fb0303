"""What `ClusterTraining` refuses before anything of it is made."""

import json

import pytest
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.kubernetes.cluster_training import ClusterTraining
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster

from scripts.recorder import record, record_stack

from .conftest import ARGUMENTS, ENVELOPE, alone
from .test_cluster_training import CONFIG, THREE


@pytest.mark.faults
@pytest.mark.parametrize(
    ("places", "fits"),
    [
        ({"nodePools": [{"zones": ["us-east-1a"]}]}, True),
        ({"nodePools": [{"oneZone": True}]}, True),
        ({"nodePools": [{}]}, False),
        ({"nodePools": [{"zones": ["us-east-1a", "us-east-1b"]}]}, False),
        ({"nodePools": [{"zones": ["us-east-1a"]}, {"zones": ["us-east-1b"], "name": "other"}]}, False),
        ({"autoscaler": "none", "nodeGroups": [{**THREE}]}, False),
        ({"autoscaler": "none", "nodeGroups": [{**THREE, "zones": ["us-east-1b"]}]}, True),
    ],
)  # fmt: skip
def test_instances_that_may_be_in_several_zones_are_refused(places, fits):
    kinds = {"instanceTypes": ["g6e.12xlarge"]}
    given = {key: [each | kinds for each in value] if key[:4] == "node" else value for key, value in places.items()}
    for each in given.get("nodePools", ()):
        each["gpus"] = 16
    config = CONFIG | {"tandem:cluster": json.dumps(given), "tandem:evaluationInstance": "g6e.12xlarge"}
    if fits:
        record_stack(config)
    else:
        with pytest.raises(InvalidArguments, match=r"trainingInstance: 2 of 'g6e\.12xlarge' may be in several zones"):
            record_stack(config)


def test_a_run_may_wait_for_a_capacity_block_to_begin():
    block = {"capacity": "capacity-block", "reservation": "cr-0123456789abcdef0", "zones": ["us-east-1a"]}
    groups = [
        {"name": "block", "instanceTypes": ["g6e.12xlarge"], "desired": 0, "maximum": 2, **block},
        {"name": "small", "instanceTypes": ["g6e.2xlarge"]},
    ]
    stack = record_stack(CONFIG | {"tandem:cluster": json.dumps({"nodeGroups": groups, "autoscaler": "none"})})
    assert stack.one("NodeGroup", "block").inputs["scalingConfig"]["desiredSize"] == 0


@pytest.mark.faults
@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ({"instance_type": "g6e.12xlarge"}, "envelope.instance_count: is missing. Each key has to be there."),
        (ENVELOPE | {"instances": 2}, "envelope.instances: is not a key of it"),
        (ENVELOPE | {"volume_gb": "200"}, "envelope.volume_gb: '200' is not allowed (a whole number of GB"),
    ],
)
def test_an_envelope_that_is_none(envelope, said):
    """It ended with KeyError: 'instance_count'."""
    with pytest.raises(InvalidArguments) as caught:
        record(lambda: alone({"envelope": envelope}))
    assert said in str(caught.value)


@pytest.mark.faults
def test_a_kubeconfig_is_not_enough_for_training():
    """Pod Identity and the runs' function were made for a cluster without a name."""
    with pytest.raises(InvalidArguments) as caught:
        given = {key: value for key, value in ARGUMENTS.items() if key != "settings"}
        record(lambda: ClusterTraining("runs", GpuCluster("gpus", {"existing_kubeconfig": "{}"}), given))
    assert [each.where for each in caught.value.mistakes] == ["cluster"]
    assert "Give `GpuCluster` `existing_cluster`, its name, instead" in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("instance_store", "volume", "fits"),
    [(True, 100, True), (False, 299, False), (False, 300, True)],
)
def test_a_node_has_room_for_what_a_run_may_use(instance_store, volume, fits):
    """The kubelet evicted its Pods, and their restarts aren't counted."""
    pool = {"instance_types": ["g6e.12xlarge", "g6e.2xlarge"], "gpus": 8, "name": "small"}
    cluster = {"node_pools": [pool | {"instance_store": instance_store, "volume_gigabytes": volume}]}
    if fits:
        record(lambda: alone({}, cluster=cluster))
        return
    with pytest.raises(InvalidArguments) as caught:
        record(lambda: alone({}, cluster=cluster))
    assert [each.where for each in caught.value.mistakes] == [
        "envelope.instance_type", "envelope.evaluation_instance_type"
    ]  # fmt: skip
    assert "has 299 GB of disk in `small` of `cluster`, and a run may use 200 beside" in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("changed", "settings", "where", "said"),
    [
        ({"instance_type": "ml.g6e.12xlarge"}, {}, "envelope.instance_type", "On a cluster it is g6e.12xlarge."),
        ({"instance_type": "g6e.12xlarg"}, {}, "envelope.instance_type", "Did you mean `g6e.12xlarge`?"),
        ({"evaluation_instance_type": "m7i.large"}, {}, "envelope.evaluation_instance_type", "with GPUs"),
        (
            {"instance_count": 3},
            {"quotas": [{"instance_type": "g6e.12xlarge", "gpus": 8}, {"instance_type": "g6e.2xlarge", "gpus": 1}]},
            "envelope.instance_type",
            "a run takes 12 of its GPUs at once, the quota is 8, and so it would wait for ever",
        ),
        ({"instance_count": 3}, {}, "envelope.instance_type", "groups and pools of `cluster` have 8 at most"),
        (
            {},
            {"quotas": [{"instance_type": "g6e.12xlarge", "gpus": 24}, {"instance_type": "g6e.2xlarge", "gpus": 1}]},
            "settings.quotas",
            "24 is more than the 8 GPUs",
        ),
        ({}, {"quotas": [{"instance_type": "g6e.huge", "gpus": 8}]}, "settings.quotas[0].instance_type", "g6e.huge"),
        ({}, {"quotas": [{"gpus": 8}, {"gpus": 4}]}, "settings.quotas[1].instance_type", "there twice"),
        ({}, {"quotas": [{"gpus": 0}]}, "quotas[0].gpus", "from 1 to 10000"),
        ({}, {"namespace": "Training"}, "namespace", "lower-case"),
        ({}, {"kueue_version": "0.17.0"}, "settings.kueue_version", "made for Kubernetes 1.33 to 1.35"),
        ({}, {"ready_minutes": 1}, "ready_minutes", "from 5 to 240"),
    ],
)
def test_what_would_wait_for_ever_is_refused_before_anything_of_it_is_made(changed, settings, where, said):
    with pytest.raises(InvalidArguments) as caught:
        record(lambda: alone({}, settings, **changed))
    assert where in [mistake.where for mistake in caught.value.mistakes]
    assert said in str(caught.value)
