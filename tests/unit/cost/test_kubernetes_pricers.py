"""What clusters, node groups and Karpenter's pools cost, worked out by hand. A1 and A6 are findings of a review."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from tandem_contract.kubernetes_versions import SUPPORT

from samples.previews import digest, state, step, urn
from tandem.cost.estimate import assess, estimate
from tandem.cost.model import SECRET, UNKNOWN, Number, Resource
from tandem.cost.preview import read_preview
from tandem.cost.pricers import kubernetes

CLUSTER, NODES = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
TEMPLATE, ADDON = "aws:ec2/launchTemplate:LaunchTemplate", "aws:eks/addon:Addon"
POOL, CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
PAGE = Path(__file__).parents[3] / "docs" / "cost.md"
RECORDED = Path(__file__).parent / "recorded_previews"
TYPES = "node.kubernetes.io/instance-type"


def bill(type_, inputs, region="us-east-1", **references):
    return assess(Resource("urn", type_, "it", "", region, inputs, references))


def nodes(kind="g5.xlarge", **scaling):
    return {"instanceTypes": [kind], "scalingConfig": scaling}


def template(**inputs):
    return (Resource("lt", TEMPLATE, "lt", "", "us-east-1", inputs),)


def disk(**ebs):
    return {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeType": "gp3"} | ebs}]}


def pool(*kinds, spec=None, **limits):
    requirements = [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]}]
    if kinds:
        requirements.append({"key": TYPES, "operator": "In", "values": list(kinds)})
    given = {"template": {"spec": {"requirements": requirements}}, "limits": limits} | (spec or {})
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "gpu"}, "spec": given}


@pytest.fixture(autouse=True)
def _today(monkeypatch):
    set_day(monkeypatch, date(2026, 11, 30))


def set_day(monkeypatch, day):
    class Day(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(day.year, day.month, day.day, tzinfo=tz)

    monkeypatch.setattr(kubernetes, "datetime", Day)


@pytest.mark.parametrize(
    ("inputs", "usd"),
    [
        # 4 x 730 x 21.957642: it printed $0.00, and that no number moves.
        (nodes("p4d.24xlarge", minSize=0, desiredSize=4, maxSize=4), "64116.31464"),
        (nodes("g5.xlarge", minSize=1, desiredSize=3, maxSize=3), "2203.14"),  # it printed a third of that
        (nodes("g5.xlarge", minSize=2, desiredSize=1), "1468.76"),  # what EKS refuses still isn't less than its floor
        ({"scalingConfig": {"minSize": 2, "desiredSize": 3}}, "91.104"),  # 3 x 730 x 0.0416, EKS's default t3.medium
        (nodes("g5.xlarge", minSize=0.0, desiredSize=2.0), "1468.76"),  # Pulumi hands over floats
        (nodes("g5.xlarge", minSize=2), "1468.76"),
    ],
)
def test_a1_node_group_costs_what_is_desired_now(inputs, usd):
    found = bill(NODES, inputs)
    assert found.usd(Number.IDLE) == Decimal(usd), found
    assert not found.free
    assert all(charge.hourly for charge in found.charges)


def test_a1_the_floor_is_said_beside_what_runs_now():
    (note,) = bill(NODES, nodes(minSize=0, desiredSize=4)).notes
    assert note == "4 nodes now (desiredSize), 0 at the floor (minSize): only an autoscaler takes it there"
    assert not bill(NODES, nodes(minSize=2, desiredSize=2)).notes


def test_a1_free_only_where_nothing_is_desired():
    found = bill(NODES, nodes(minSize=0, desiredSize=0, maxSize=4))
    assert "minSize and desiredSize are 0" in found.free
    assert not found.charges + found.unpriced


@pytest.mark.faults
@pytest.mark.parametrize("value", [UNKNOWN, SECRET, "four"])
def test_a1_unreadable_desired_size_is_not_priced(value):
    found = bill(NODES, nodes(minSize=0, desiredSize=value))
    assert any("desiredSize" in reason for reason in found.unpriced)
    assert not found.free


@pytest.mark.faults
@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"controlPlaneScalingConfig": {"tier": "tier-4xl"}}, "tier tier-4xl"),
        ({"remoteNetworkConfig": {"remoteNodeNetworks": [{"cidrs": ["10.1.0.0/16"]}]}}, "hybrid nodes"),
        ({"computeConfig": {"enabled": True}}, "Auto Mode"),
    ],
)
def test_a6_paid_options_of_a_cluster_are_not_priced_beside_its_hours(inputs, reason):
    found = bill(CLUSTER, {"version": "1.36"} | inputs)
    assert found.usd(Number.IDLE) == Decimal("73.00")
    assert any(reason in text for text in found.unpriced)


def test_a6_standard_tier_adds_nothing():
    assert not bill(CLUSTER, {"version": "1.36", "controlPlaneScalingConfig": {"tier": "standard"}}).unpriced


def test_a6_version_above_the_table_is_standard_only_while_the_newest_known_one_is(monkeypatch):
    found = bill(CLUSTER, {"version": "1.99"})
    assert found.usd(Number.IDLE) == Decimal("73.00")
    assert not found.unpriced
    set_day(monkeypatch, SUPPORT["1.36"].standard)
    found = bill(CLUSTER, {"version": "1.99"})
    assert found.usd(Number.IDLE) == Decimal("73.00")
    assert any("when the support of Kubernetes 1.99 ends" in reason for reason in found.unpriced)


@pytest.mark.faults
def test_a6_regional_nat_gateway_bills_in_each_of_its_zones():
    found = bill("aws:ec2/natGateway:NatGateway", {"availabilityMode": "regional"})
    assert found.usd(Number.IDLE) == Decimal("32.85")
    assert any("each zone" in reason for reason in found.unpriced)


@pytest.mark.parametrize(
    ("version", "day", "usd", "note"),
    [
        ("1.36", date(2026, 11, 30), "73.00", "1.36 leaves standard support on 2027-08-02: $0.5 an hour more from"),
        ("1.34", date(2026, 12, 1), "73.00", "1.34 leaves standard support on 2026-12-02"),
        ("1.34", date(2026, 12, 2), "438.00", "an upgrade saves the surcharge"),  # billed from the start of that day
        ("1.34", date(2027, 12, 2), "438.00", "AWS upgrades"),  # to the oldest version in extended support
        ("1.12", date(2026, 11, 30), "438.00", "AWS upgrades"),
    ],
)
def test_control_plane_by_version_and_date(version, day, usd, note, monkeypatch):
    set_day(monkeypatch, day)
    found = bill(CLUSTER, {"version": version})
    assert found.usd(Number.IDLE) == Decimal(usd)
    assert any(note in text for text in found.notes), found.notes


def test_cluster_that_may_not_enter_extended_support_pays_no_surcharge():
    found = bill(CLUSTER, {"version": "1.33", "upgradePolicy": {"supportType": "STANDARD"}})
    assert found.usd(Number.IDLE) == Decimal("73.00")


def test_cluster_without_a_version_gets_one_in_standard_support():
    assert bill(CLUSTER, {}).usd(Number.IDLE) == Decimal("73.00")


def test_logs_of_the_control_plane_are_a_cause_of_cost():
    (note,) = bill(CLUSTER, {"enabledClusterLogTypes": ["api", "audit"]}).notes
    assert note == "its logs (api, audit) bill by the GB that CloudWatch takes in"


@pytest.mark.faults
@pytest.mark.parametrize("version", ["latest", "1.x", "135", 1.35])
def test_version_that_is_none_is_not_priced(version):
    assert any("version" in reason for reason in bill(CLUSTER, {"version": version}).unpriced)


def test_volumes_of_nodes_are_those_of_their_launch_template():
    inputs = nodes("m7i.large", minSize=2, desiredSize=2)
    found = bill(NODES, inputs, launchTemplate=template(**disk(volumeSize=100, iops=4000, throughput=225)))
    assert found.usd(Number.IDLE) == Decimal("181.168")  # 2 x (730 x 0.1008 + 100 x 0.08 + 1000 x 0.005 + 100 x 0.04)
    assert not found.unpriced


def test_type_of_nodes_may_stand_in_their_launch_template():
    inputs = {"scalingConfig": {"minSize": 1, "desiredSize": 1}, "launchTemplate": {"id": UNKNOWN}}
    given = template(instanceType="m7i.large", **disk(volumeSize=20))
    assert bill(NODES, inputs, launchTemplate=given).usd(Number.IDLE) == Decimal("75.184")  # 730 x 0.1008 + 20 x 0.08


@pytest.mark.faults
@pytest.mark.parametrize(
    ("inputs", "references", "reason"),
    [
        (nodes(minSize=1), {}, "without a launch template"),
        (nodes(minSize=1) | {"diskSize": 200}, {}, "without a launch template"),
        (nodes(minSize=1), {"launchTemplate": template()}, "that of the image"),
        (nodes(minSize=1), {"launchTemplate": template(**disk(volumeSize=UNKNOWN))}, "volumeSize is known only once"),
        (nodes(minSize=1) | {"launchTemplate": {"id": "lt-1"}}, {}, "launch template isn't in this preview"),
        ({"launchTemplate": {"id": "lt-1"}, "scalingConfig": {"minSize": 1}}, {}, "1 nodes whose type"),
        (nodes(minSize=1, desiredSize=2) | {"capacityType": "SPOT"}, {}, "at most $2.012 an hour, on demand"),
        (nodes("p9.huge", minSize=1) | {"capacityType": "SPOT"}, {}, "1 nodes on spot"),
        (nodes("p5.48xlarge", minSize=1) | {"capacityType": "CAPACITY_BLOCK"}, {}, "paid in advance"),
    ],
)
def test_nodes_that_have_no_price(inputs, references, reason):
    found = bill(NODES, inputs, **references)
    assert any(reason in text for text in found.unpriced), found


@pytest.mark.faults
def test_nodes_that_can_not_be_had_on_demand():
    assert bill(NODES, nodes("p5e.48xlarge", minSize=1)).unavailable


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (pool("g6e.2xlarge", **{"nvidia.com/gpu": "8"}), "$17.94 an hour"),  # 8 x 2.24208
        # One GPU of a g6e.12xlarge is 10.49264 / 4: dearer than a g6e.2xlarge, so it is the bound.
        (pool("g6e.2xlarge", "g6e.12xlarge", **{"nvidia.com/gpu": 8}), "$20.99 an hour"),
        (pool("m7i.large", cpu="10"), "$0.51 an hour"),  # 5 x 0.1008
        (pool("m7i.large", cpu="10500m", memory="16Gi"), "$0.21 an hour"),  # the memory of two
        (pool("g6e.2xlarge", cpu="1k", **{"nvidia.com/gpu": "2"}), "$4.49 an hour"),
        (pool("g6e.2xlarge", nodes="3"), "$6.73 an hour"),
    ],
)
def test_limit_of_a_pool_is_its_ceiling(inputs, says):
    found = bill(POOL, inputs)
    assert "no node" in found.free
    assert not found.unpriced
    assert says in found.notes[0], found.notes
    assert "on demand, without their volumes" in found.notes[0]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (pool("g6e.2xlarge"), "no limits"),
        (pool(**{"nvidia.com/gpu": "8"}), "names no instance types"),
        (pool("g9.huge", **{"nvidia.com/gpu": "8"}), "g9.huge"),
        (pool("m7g.2xlarge", cpu="8"), "ondemand:m7g.2xlarge"),  # no row
        (pool("p5e.48xlarge", **{"nvidia.com/gpu": "8"}), "doesn't offer"),
        (pool("m7i.large", **{"nvidia.com/gpu": "8"}), "none of its limits bounds m7i.large"),
        (pool("g6e.2xlarge", **{"nvidia.com/gpu": "many"}), "'many', not a quantity"),
        (pool("g6e.2xlarge", cpu=UNKNOWN), "known only once"),
    ],
)
def test_pool_whose_ceiling_can_not_be_told_says_why(inputs, says):
    found = bill(POOL, inputs)
    assert "no node" in found.free
    assert any(says in note for note in found.notes), found.notes


def test_pool_of_a_fixed_size_is_not_free():
    found = bill(POOL, pool("g6e.2xlarge", spec={"replicas": 2}))
    assert not found.free
    assert any("2 nodes" in reason for reason in found.unpriced)


@pytest.mark.parametrize(
    ("type_", "inputs"),
    [
        (CLASS, {"spec": {"role": "nodes"}}),
        ("kubernetes:core/v1:Namespace", {}),
        ("kubernetes:core/v1:Service", {"spec": {"type": "ClusterIP"}}),
        ("kubernetes:core/v1:Service", {}),
        ("kubernetes:apps/v1:Deployment", {}),
        ("kubernetes:apps/v1:StatefulSet", {"spec": {"replicas": 1}}),
        ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", {}),
        ("kubernetes:kueue.x-k8s.io/v1beta1:ClusterQueue", {}),
        ("kubernetes:trainer.kubeflow.org/v1alpha1:TrainingRuntime", {}),
        (ADDON, {"addonName": "vpc-cni"}),
        (ADDON, {"addonName": "eks-node-monitoring-agent"}),
    ],
)
def test_objects_of_a_cluster_cost_nothing_by_themselves(type_, inputs):
    found = bill(type_, inputs)
    assert found.free
    assert not found.unpriced


def test_what_is_free_is_so_in_a_region_without_prices_and_where_nobody_says_the_region():
    assert bill("kubernetes:core/v1:Namespace", {}, region="af-south-1").free
    assert bill("aws:iam/role:Role", {}, region="").free


def test_an_object_of_a_cluster_is_taken_to_be_in_the_stacks_region():
    nowhere = Resource("urn", POOL, "it", "", "", pool("g6e.2xlarge", nodes="1"))
    assert any("$2.25 an hour" in note for note in assess(nowhere, region="us-east-1").notes)
    assert any("can't be told: nothing in the preview says which region" in note for note in assess(nowhere).notes)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("type_", "inputs", "reason"),
    [
        ("kubernetes:core/v1:Service", {"spec": {"type": "LoadBalancer"}}, "load balancer"),
        ("kubernetes:core/v1:Service", {"spec": UNKNOWN}, "known only once"),
        ("kubernetes:networking.k8s.io/v1:Ingress", {}, "load balancer"),
        ("kubernetes:core/v1:PersistentVolumeClaim", {}, "volume"),
        ("kubernetes:apps/v1:StatefulSet", {"spec": {"volumeClaimTemplates": [{}]}}, "volume"),
        ("kubernetes:helm.sh/v3:Release", {}, "no pricer"),  # what is in it no preview shows
        ("kubernetes:s3.services.k8s.aws/v1alpha1:Bucket", {}, "no pricer"),  # a controller makes it on AWS
        (ADDON, {"addonName": "amazon-cloudwatch-observability"}, "observation"),
        (ADDON, {"addonName": "acme_agent"}, "acme_agent"),
    ],
)
def test_objects_that_make_something_bill(type_, inputs, reason):
    found = bill(type_, inputs)
    assert any(reason in text for text in found.unpriced), found


def test_references_come_from_the_side_that_they_are_on():
    before, after = (state(TEMPLATE, "lt", inputs=disk(volumeSize=size)) for size in (20, 50))
    group = state(NODES, "gpu", inputs=nodes("m7i.large", minSize=1))
    group["propertyDependencies"] = {"launchTemplate": [before["urn"]], "nodeRoleArn": [urn("aws:iam/role:Role", "n")]}
    read = read_preview(digest(step("update", before, after), step("same", group, group)))
    line = next(line for line in estimate(read).lines if line.change.urn == group["urn"])
    assert line.delta(Number.IDLE) == 30 * Decimal("0.08")


def test_recorded_preview_of_a_cluster():
    """Four node groups and templates as Pulumi shows them; only the system nodes run."""
    read = read_preview((RECORDED / "cluster.json").read_text())
    lines = {line.change.urn.rsplit("::")[-1]: line.after for line in estimate(read).lines}
    assert lines["c"].usd(Number.IDLE) == Decimal("73.00")
    assert lines["sys"].usd(Number.IDLE) == Decimal("147.168")  # 2 x 730 x 0.1008
    assert lines["sys"].unpriced == ("the nodes' volumes: without a launch template no input says more",)
    assert lines["gpu"].free
    assert lines["cb"].free
    assert [name for name, after in lines.items() if after.unpriced] == ["sys"]


def test_floor_of_a_cluster_is_that_of_its_page():
    system = nodes("m7i.large", minSize=2, desiredSize=2, maxSize=3)
    floor = [
        bill(CLUSTER, {"version": "1.36", "upgradePolicy": {"supportType": "STANDARD"}}),
        bill(NODES, system, launchTemplate=template(**disk(volumeSize=20))),
        bill(POOL, pool("g6e.2xlarge", **{"nvidia.com/gpu": "8"})),
        bill("aws:ec2/natGateway:NatGateway", {}),
        bill("aws:ec2/eip:Eip", {}),
        bill("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway"}),
        bill("aws:kms/key:Key", {}),
    ]
    assert not any(each.unpriced for each in floor)
    assert sum(each.usd(Number.IDLE) for each in floor) == Decimal("260.868")
    assert "| **$260.87** |" in PAGE.read_text()
