"""What `GpuCluster` refuses before anything is made: each mistake names its key, the value and what to do."""

import re
from collections.abc import Callable
from datetime import date

import pulumi
import pytest
import yaml
from pulumi_tandem.environments.finetuning_fields import FINETUNING
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.kubernetes import cluster_account
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster

from scripts.recorder import ANSWERS, ROOT, Refusal, record

GROUP = {"name": "l40s", "instance_types": ["g6e.12xlarge"]}
POOL = {"name": "gpu", "instance_types": ["g6e.12xlarge"], "gpus": 8}
OFFERS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
QUOTA = "aws:servicequotas/getServiceQuota:getServiceQuota"
SUBNET = "aws:ec2/getSubnet:getSubnet"
CLUSTER, ADDON = "aws:eks/getCluster:getCluster", "aws:eks/getAddon:getAddon"
CLUSTERS = "aws:eks/getClusters:getClusters"
VERSIONS = "aws:eks/getClusterVersions:getClusterVersions"


def mistakes(args: dict | Callable[[], dict], answers: dict | None = None) -> list[str]:
    """What is refused, each as one sees it; nothing may have been registered by then. A program makes its outputs."""
    registered = []

    def program():
        try:
            GpuCluster("gpu", args() if callable(args) else args)
        except InvalidArguments as error:
            registered.extend(map(str, error.mistakes))

    recording = record(program, answers=answers)
    assert not (registered and recording.resources)
    return registered


def test_the_page_shows_a_cluster_that_is_taken():
    page = (ROOT / "docs" / "training-on-eks.md").read_text()
    (shown,) = [each for each in re.findall(r"```yaml\n(.+?)```", page, re.DOTALL) if "tandem:cluster:" in each]
    args = FINETUNING.fields["cluster"].parsed(yaml.safe_load(shown)["tandem:cluster"])
    assert args["node_groups"][0]["capacity"] == "capacity-block"
    assert mistakes(args) == []


def group(**changes) -> dict:
    return {"node_groups": [GROUP | changes]}


def pool(**changes) -> dict:
    return {"node_pools": [POOL | changes]}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (group(desired=5, maximum=2), "node_groups[0].desired: 5 is not allowed (from 0 to 2). Set `desired` between"),
        (group(minimum=3, maximum=4), "node_groups[0].desired: 1 is not allowed (from 3 to 4)"),
        (group(desired=0), "node_groups[0].desired: 0 is not allowed (nothing starts nodes of a group: jobs"),
        (group(ami_type="NOPE"), "node_groups[0].ami_type: 'NOPE' is not allowed (AL2023_x86_64_STANDARD, "),
        (
            group(ami_type="AL2023_ARM_64_NVIDIA"),
            "node_groups[0].ami_type: 'AL2023_ARM_64_NVIDIA' is not allowed (an image for x86_64, which its instances "
            "have). Leave it out for AL2023_x86_64_NVIDIA, or take BOTTLEROCKET_x86_64_NVIDIA.",
        ),
        (group(ami_type="AL2023_x86_64_STANDARD"), "(an image with NVIDIA's driver)"),
        (group(instance_types=["zz.large"]), "node_groups[0].instance_types: 'zz.large' is not allowed (a type"),
        (group(instance_types=["g6e.2xlrge"]), "Did you mean `g6e.2xlarge`?"),
        (group(instance_types=["m7i.large"]), "'m7i.large' is not allowed (a type with GPUs"),
        (group(instance_types=[]), "node_groups[0].instance_types: is missing"),
        (group(instance_types=["g5.xlarge", "g5.12xlarge"]), "different numbers of GPUs (g5.xlarge 1, g5.12xlarge 4)"),
        (group(efa=True), "node_groups[0].zones: [] is not allowed (one zone with `efa`)"),
        (
            group(efa=True, zones=["us-east-1a"], instance_types=["g6e.4xlarge"]),
            "node_groups[0].efa: true is not allowed (g6e.4xlarge has no Elastic Fabric Adapter). Take g6e.8xlarge, ",
        ),
        (
            group(efa=True, zones=["us-east-1a"], instance_types=["g6e.12xlarge", "g6e.24xlarge"]),
            "is not allowed (one type with `efa`)",
        ),
        (group(capacity="capacity-block", zones=["us-east-1a"]), "reservation: is missing. It is the block's"),
        (group(capacity="capacity-block", reservation="cr-0123456789abcdef0"), "(the block's own zone)"),
        (group(capacity="spot", reservation="cr-0123456789abcdef0"), "'spot' is not allowed (not with a reservation)"),
        (group(reservation="r-1"), "reservation: 'r-1' is not allowed (the id of a capacity reservation)"),
        (group(name=""), "node_groups[0].name: is missing"),
        (group(name="Big_GPUs"), "node_groups[0].name: 'Big_GPUs' is not allowed (at most 36 small letters, digits"),
        (group(name="system"), "'system' is not allowed (not a name of the cluster's own)"),
        (group(name="gpu") | pool(), "node_groups[0].name: 'gpu' is there twice"),
        (group(labels={"karpenter.sh/nodepool": "a"}), "'karpenter.sh/nodepool' is a label of karpenter.sh"),
        (group(taints=[{"value": "a"}]), "node_groups[0].taints[0].key: is missing"),
        (group(taints=[{"key": "a", "effect": "No"}]), "node_groups[0].taints[0].effect: 'No' is not allowed"),
        (pool(gpus=2), "gpus: 2 is not allowed (the smallest of its types has 4: no node would"),
        (pool(efa=True), "node_pools[0].zones: [] is not allowed (one zone with `efa`)"),
        (pool(volume_gigabytes=10), "node_pools[0].volume_gigabytes: 10 is not allowed (a whole number of GB"),
        (pool() | {"autoscaler": "none"}, "node_pools: are given, and `autoscaler` is none: nothing would"),
        ({"autoscaler": "present"}, "autoscaler: 'present' is not allowed (only with `existing_cluster`)"),
        ({"existing_cluster": "a", "existing_kubeconfig": "{}"}, "is given beside `existing_cluster`. Keep one"),
        ({"existing_cluster": "a", "zones": ["us-east-1a", "us-east-1b"]}, "zones: is given beside `existing_cluster`"),
        ({"existing_kubeconfig": "{}"} | group(), "node_groups: is given beside `existing_kubeconfig`"),
        ({"subnet_ids": ["subnet-0a"]}, "subnet_ids: has one subnet. EKS wants two zones or more"),
        ({"zones": ["us-east-1a"]}, 'zones: ["us-east-1a"] is not allowed (two or three zones)'),
        ({"cidr": "10.60.0.1/16"}, "cidr: '10.60.0.1/16' is not allowed (an IPv4 block; 10.60.0.1/16 has host"),
        ({"public_cidrs": ["300.0.0.0/8"]}, "public_cidrs: '300.0.0.0/8' is not allowed (an IPv4 block;"),
        ({"admins": ["ops"]}, "admins[0]: 'ops' is not allowed (the ARN of a role or user)"),
        ({"system_instance_type": "g5.xlarge"}, "system_instance_type: 'g5.xlarge' is not allowed (a type for the"),
        ({"versions": {"kubernetes": "1.37"}}, "versions.karpenter: '1.14.1' is made for Kubernetes 1.26 to 1.36, "),
        ({"versions": {"addons": {"vpc_cni": "v1"}}}, "versions.addons.vpc_cni: is not an add-on of the cluster."),
    ],
)  # fmt: skip
def test_mistakes_in_arguments(args, said):
    assert [each for each in mistakes(args) if said in each], mistakes(args)


@pytest.mark.faults
@pytest.mark.parametrize("key", ["subnet_ids", "admins"])
def test_an_output_of_a_list(key):
    """awsx gives subnets so; "not a list" told nobody what to write."""
    (told,) = mistakes(lambda: {key: pulumi.Output.from_input(["subnet-0a", "subnet-0b"])})
    assert told == (
        f"{key}: is an output: how many it has isn't known before it is there. "
        f"Write a list of outputs, which are its elements: [{key}[0], {key}[1]]."
    )


@pytest.mark.faults
def test_all_mistakes_are_told_at_once():
    told = mistakes(group(ami_type="NOPE", desired=9) | pool(gpus=1) | {"cidr": "x"})
    assert [each.partition(":")[0] for each in told] == [
        "cidr", "node_groups[0].desired", "node_groups[0].ami_type", "node_pools[0].gpus"
    ]  # fmt: skip


def test_what_looks_odd_and_is_right_is_taken():
    block = {"capacity": "capacity-block", "reservation": "cr-0123456789abcdef0", "zones": ["us-east-1b"], "desired": 0}
    assert not mistakes(group(**block))
    assert not mistakes(group(desired=0) | {"group_autoscaler": True})
    assert not mistakes(group(ami_type="BOTTLEROCKET_x86_64_NVIDIA"))
    assert not mistakes(pool(instance_types=["g6e.xlarge", "g6e.48xlarge"], gpus=4))
    assert not mistakes({"versions": {"kubernetes": "1.37", "karpenter": "1.15.2"}})
    assert not mistakes({"versions": {"karpenter": "9.9.9"}})  # one that nobody here knows


# What only the account and the region know


@pytest.mark.faults
def test_a_zone_has_to_offer_the_type():
    answer = {"instanceTypes": ["g6e.12xlarge"], "locations": ["us-east-1c"]}
    (told,) = mistakes(pool(), {OFFERS: answer})
    assert "g6e.12xlarge is offered in none of its zones (us-east-1a, us-east-1b, us-east-1d)" in told
    assert "It is offered in us-east-1c." in told
    assert not mistakes(pool(), {OFFERS: answer | {"locations": ["us-east-1d"]}})
    (told,) = mistakes(pool(zones=["us-east-1b"]), {OFFERS: answer | {"locations": ["us-east-1a"]}})
    assert "none of its zones (us-east-1b)" in told
    (told,) = mistakes(pool(zones=["us-east-1c"]))
    assert "node_pools[0].zones: 'us-east-1c' is not allowed (a zone with a subnet of the cluster)" in told
    (told,) = mistakes({"zones": ["us-east-1a", "us-east-1c"]})  # us-east-1c is use1-az3 here
    assert "zones: 'us-east-1c' is not allowed (a zone of this region in which EKS has control planes)" in told


@pytest.mark.faults
def test_quotas_are_those_of_what_is_bought():
    asked = []

    def quota(given):
        asked.append(given["quotaCode"])
        return {"value": 64.0}

    (told,) = mistakes(pool(), {QUOTA: quota})
    assert told.startswith("gpu: may take 96 vCPUs of on-demand G instances, and the account's quota is 64.")
    assert "--quota-code L-DB2E81BA --desired-value 96; or have fewer GPUs." in told
    (told,) = mistakes(pool(spot=True, instance_types=["p5.48xlarge"]), {QUOTA: quota})
    assert "of spot P instances" in told and "(not even one node fits)" in told
    assert asked == ["L-DB2E81BA", "L-C4BD4855"]
    # The cheapest way to the limit counts, reservations don't, and all groups of a quota count together.
    assert not mistakes(pool(instance_types=["g6e.2xlarge", "g6e.16xlarge"]), {QUOTA: quota})
    both = pool(gpus=4) | group(name="more")
    (told,) = mistakes(both, {QUOTA: quota})
    assert told.startswith("gpu, more: may take 96 vCPUs")
    assert not mistakes(pool(gpus=4) | group(name="more", reservation="cr-0123456789abcdef0"), {QUOTA: quota})


@pytest.mark.faults
def test_spot_needs_its_role():
    answer = {"aws:iam/getRoles:getRoles": {"names": []}}
    (told,) = mistakes(pool(spot=True), answer)
    assert "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com" in told
    assert not mistakes(pool(), answer)


@pytest.mark.faults
def test_subnets_need_two_zones_and_room():
    given = {"subnet_ids": ["subnet-0a", "subnet-0e"]}
    assert mistakes(given) == [
        "subnet_ids: are all in one zone. EKS wants two zones or more: name a subnet of another too."
    ]
    full = {SUBNET: lambda asked: ANSWERS[SUBNET](asked) | {"availableIpAddressCount": 40}}
    (told,) = mistakes({"subnet_ids": ["subnet-0a", "subnet-0b"]} | pool(gpus=16), full)
    assert told.startswith("subnet_ids: have 80 free addresses, and 7 nodes at most take 84.")
    empty = {SUBNET: lambda asked: ANSWERS[SUBNET](asked) | {"availableIpAddressCount": 5}}
    assert "subnet_ids: subnet-0a has 5 free addresses. EKS wants 6 in each: take a larger subnet." in mistakes(
        {"subnet_ids": ["subnet-0a", "subnet-0b"]}, empty
    )


@pytest.mark.faults
def test_a_version_out_of_support(monkeypatch):
    class Day(date):
        @classmethod
        def today(cls):
            return date(2027, 4, 1)

    old = {"versions": {"kubernetes": "1.35"}}
    assert not mistakes(old)
    monkeypatch.setattr(cluster_account, "date", Day)
    (told,) = mistakes(old)
    assert told.startswith("versions.kubernetes: '1.35' is not allowed (a version in standard support;")
    assert "Take 1.36, or set `extended_support`, which costs $0.60 an hour instead of $0.10." in told
    assert not mistakes(old | {"extended_support": True})
    (told,) = mistakes({"versions": {"kubernetes": "1.31"}, "extended_support": True})
    assert "(a version that EKS supports)" in told
    # The service's word counts before the table's.
    service = [{"clusterVersion": "1.35", "versionStatus": "STANDARD_SUPPORT"}]
    assert not mistakes(old, {VERSIONS: {"clusterVersions": service}})


@pytest.mark.faults
@pytest.mark.parametrize(
    ("today", "extended", "told"),
    [
        (date(2027, 6, 2), False, ""),
        (date(2027, 6, 3), False, "EKS upgrades the cluster by itself then, and Karpenter 1.14.1 stops"),
        (date(2027, 6, 3), True, "the control plane costs $0.60 an hour"),
        (date(2027, 8, 2), True, ""),  # it is extended now: asked for, and nothing new
    ],
)
def test_a_version_about_to_leave_standard_support_is_told_two_months_before(today, extended, told, monkeypatch):
    class Day(date):
        @classmethod
        def today(cls):
            return today

    warnings = []
    monkeypatch.setattr(cluster_account, "date", Day)
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    assert not mistakes({"extended_support": extended})
    assert [told in each and "2027-08-02" in each for each in warnings] == ([True] if told else [])


@pytest.mark.faults
def test_a_cluster_that_isnt_there():
    def refuse(_given):
        raise Refusal("ResourceNotFoundException: No cluster found for name: theirs.")

    (told,) = mistakes({"existing_cluster": "theirs"}, {"aws:eks/getCluster:getCluster": refuse})
    assert "existing_cluster: 'theirs' isn't described by EKS. Look at its name, its region" in told


THEIRS = {"existing_cluster": "theirs"}


def theirs(**changes) -> dict:
    return {CLUSTER: ANSWERS[CLUSTER] | changes}


@pytest.mark.faults
def test_a_zone_whose_subnet_isnt_known():
    (told,) = mistakes(THEIRS | group(zones=["us-east-1b"]))
    assert told == (
        "node_groups[0].zones: 'us-east-1b' is not allowed (a zone with a subnet of the cluster). "
        "Take of us-east-1c, us-east-1d."
    )
    unknown = {SUBNET: refuse}
    for args in (THEIRS, {"subnet_ids": ["subnet-0a", "subnet-0b"]}):
        (told,) = mistakes(args | group(zones=["us-east-1a"]) | {"node_pools": []}, unknown)
        assert told.startswith("node_groups[0].zones: us-east-1a is in none of the subnets whose zones are known. Give")
        assert not mistakes(args | pool(zones=["us-east-1a"]), unknown)  # Karpenter finds it by itself

    def half() -> dict:
        return {"subnet_ids": ["subnet-0a", pulumi.Output.from_input("subnet-0b")]}

    assert not mistakes(lambda: half() | pool(zones=["us-east-1d"]))
    assert not mistakes(lambda: half() | group(zones=["us-east-1c"]))
    assert "none of the subnets whose zones are known" in str(mistakes(lambda: half() | group(zones=["us-east-1d"])))


@pytest.mark.faults
def test_an_existing_cluster_takes_access_entries():
    (told,) = mistakes(THEIRS, theirs(accessConfigs=[{"authenticationMode": "CONFIG_MAP"}]))
    assert "existing_cluster: 'theirs' takes no access entries (its mode is CONFIG_MAP)" in told
    assert "aws eks update-cluster-config --name theirs --access-config authenticationMode=API_AND_CONFIG_MAP" in told
    assert not mistakes(THEIRS, theirs(accessConfigs=[{"authenticationMode": "API_AND_CONFIG_MAP"}]))


@pytest.mark.faults
def test_an_existing_cluster_has_the_agent_of_pod_identity():
    def addon(given):
        if given["addonName"] == "eks-pod-identity-agent":
            raise Refusal("reading EKS Add-On (theirs:eks-pod-identity-agent): couldn't find resource")
        return ANSWERS[ADDON]

    (told,) = mistakes(THEIRS, {ADDON: addon})
    assert "existing_cluster: 'theirs' hasn't the add-on eks-pod-identity-agent: Pods would get no credentials" in told
    assert "aws eks create-addon --cluster-name theirs --addon-name eks-pod-identity-agent" in told
    # Nodes of Auto Mode have it built in; those that we make have not.
    auto = theirs(computeConfigs=[{"enabled": True}])
    assert mistakes(THEIRS, {ADDON: addon} | auto)
    assert not mistakes(THEIRS | {"autoscaler": "none"}, {ADDON: addon} | auto)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("configuration", "warned"),
    [("", 1), ('{"env": {}}', 1), ('{"enableNetworkPolicy": "true"}', 0), ("enableNetworkPolicy: 'true'\n", 0)],
)
def test_an_existing_cluster_whose_network_policies_nothing_enforces(configuration, warned, monkeypatch):
    warnings = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    assert not mistakes(THEIRS, {ADDON: {"configurationValues": configuration}})
    assert len([each for each in warnings if "network policies" in each]) == warned == len(warnings)


@pytest.mark.faults
def test_who_deploys_is_an_admin_already():
    """EKS makes an access entry for who makes the cluster; a second one fails after ten minutes."""
    role = "arn:aws:iam::123456789012:role/teams/deployer"
    args = {"admins": ["arn:aws:iam::123456789012:user/deployer", role]}
    others, ours = {CLUSTERS: {"names": ["gpus", "rag-1"]}}, {CLUSTERS: {"names": ["gpu-0a1b2c3"]}}
    (told,) = mistakes(args, others)
    assert told == (
        f"admins: '{role}' deploys, and gets its access entry from EKS. "
        "Remove it: who creates the cluster administers it in any case."
    )
    # The cluster is there: another may have made it.
    assert not mistakes(args, ours)
    assert not mistakes(args, {CLUSTERS: refuse})
    assert not mistakes({"admins": ["arn:aws:iam::123456789012:role/others"]}, others)


def refuse(_given):
    raise Refusal("AccessDeniedException")


@pytest.mark.faults
def test_who_may_not_ask_may_still_deploy():
    questions = (OFFERS, QUOTA, VERSIONS, "aws:iam/getRoles:getRoles")
    assert not mistakes(pool(spot=True), dict.fromkeys(questions, refuse))
    assert not mistakes(THEIRS, {ADDON: refuse, SUBNET: refuse})


@pytest.mark.faults
def test_an_answer_without_its_fields_is_none():
    """Of a mock that knows nothing; reading it raised TypeError: 'NoneType' object is not iterable."""
    nothing = {question: {} for question in ANSWERS}
    (told,) = mistakes(pool(spot=True), nothing)
    assert told == "zones: is missing. AWS doesn't say which there are: name two or three."
    assert not mistakes(pool(spot=True) | {"zones": ["us-east-1a", "us-east-1b"]}, nothing)
    assert not mistakes({"subnet_ids": ["subnet-0a", "subnet-0b"]}, nothing)
    (told,) = mistakes(THEIRS | group(zones=["us-east-1a"]), nothing)
    assert "isn't described by EKS" in told
