"""What `GpuCluster` creates."""

import base64
import email
import json

import parliament
import pytest
import yaml
from pulumi_tandem.kubernetes.cluster_network import blocks
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster
from tandem_contract.cluster import GRACE_SECONDS

from scripts.recorder import Recording, record

from .conftest import BLOCK, BOTTLEROCKET, SPOT, cluster

OFFERS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"


@pytest.fixture(scope="module")
def grouped() -> Recording:
    return cluster(node_groups=[BLOCK, SPOT, BOTTLEROCKET], admins=["arn:aws:iam::123456789012:role/ops"])


def test_the_control_plane_is_closed_to_all_but_iam(plain):
    inputs = plain.one("aws:eks/cluster:Cluster").inputs
    assert inputs["version"] == "1.36"
    assert inputs["accessConfig"]["authenticationMode"] == "API"
    assert inputs["encryptionConfig"]["resources"] == ["secrets"]
    assert inputs["enabledClusterLogTypes"] == ["api", "audit", "authenticator"]
    assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}
    assert inputs["vpcConfig"]["endpointPrivateAccess"] is True
    closed = cluster(endpoint_public=False).one("aws:eks/cluster:Cluster").inputs["vpcConfig"]
    assert closed["endpointPublicAccess"] is False and "publicAccessCidrs" not in closed


def test_log_groups_are_ours_and_those_of_before_are_in_nobodys_way(plain):
    """EKS and the agent write on after a destroy: what they make anew then has the name of a cluster that is gone."""
    cluster_, (role,) = plain.one("aws:eks/cluster:Cluster"), [each for each in plain.of("Role") if each.name == "gpu"]
    assert cluster_.references["name"] == [role.name] and "name" not in role.inputs
    name, groups = cluster_.inputs["name"], {each.inputs["name"]: each for each in plain.of("LogGroup")}
    agents = {f"/aws/containerinsights/{name}/{kind}" for kind in ("application", "dataplane", "host", "performance")}
    assert groups.keys() == agents | {f"/aws/eks/{name}/cluster"}
    assert {each.inputs["retentionInDays"] for each in groups.values()} == {14}
    assert {groups[each].name for each in agents} < set(plain.one("Addon", "observability").dependencies)
    assert len(cluster(metrics="none").of("LogGroup")) == 1


def test_admins_are_access_entries(grouped):
    entry, policy = grouped.one("AccessEntry", "admin"), grouped.one("AccessPolicyAssociation")
    assert entry.inputs["principalArn"] == policy.inputs["principalArn"] == "arn:aws:iam::123456789012:role/ops"
    assert policy.inputs["policyArn"].endswith("AmazonEKSClusterAdminPolicy")


def test_the_network_has_a_private_subnet_in_each_zone_and_s3_without_the_gateway(plain):
    subnets = [each for each in plain.of("Subnet") if "public" not in each.name]
    # Not us-east-1c, which is use1-az3 here: EKS has no control planes there.
    assert [each.inputs["availabilityZone"] for each in subnets] == ["us-east-1a", "us-east-1b", "us-east-1d"]
    assert plain.one("VpcEndpoint").inputs["vpcEndpointType"] == "Gateway"
    assert len(plain.of("NatGateway")) == 1
    given = cluster(subnet_ids=["subnet-0a", "subnet-0b"])
    assert not given.of("Vpc")
    assert given.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]["subnetIds"] == ["subnet-0a", "subnet-0b"]


def test_blocks_of_a_network():
    assert blocks("10.60.0.0/16", 3) == ("10.60.192.0/24", ["10.60.0.0/18", "10.60.64.0/18", "10.60.128.0/18"])
    assert blocks("10.60.0.0/19", 2) == ("10.60.24.0/24", ["10.60.0.0/21", "10.60.8.0/21"])


def test_a_pool_comes_from_nothing_and_goes_when_empty(plain):
    pool, klass = plain.one("NodePool").inputs, plain.one("EC2NodeClass").inputs["spec"]
    assert pool["spec"]["limits"] == {"nvidia.com/gpu": "8"}  # a text, or the next preview differs
    disruption = pool["spec"]["disruption"]
    assert disruption["consolidationPolicy"] == "WhenEmpty"
    assert {"nodes": "0", "reasons": ["Drifted", "Underutilized"]} in disruption["budgets"]
    spec = pool["spec"]["template"]["spec"]
    assert spec["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    assert (spec["expireAfter"], spec["nodeClassRef"]["name"]) == ("Never", pool["metadata"]["name"])
    # Without this label the device plugin's chart leaves a node out, and its GPUs are never offered.
    assert pool["spec"]["template"]["metadata"]["labels"] == {"nvidia.com/gpu.present": "true"}
    assert klass["metadataOptions"]["httpTokens"] == "required"
    assert klass["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert klass["blockDeviceMappings"][0]["ebs"]["encrypted"] is True
    assert klass["instanceStorePolicy"] == "RAID0"
    assert klass["amiSelectorTerms"] == [{"alias": "al2023@v20261023"}]


def test_a_spot_notice_reaches_pods_that_are_not_to_be_disrupted():
    """Karpenter deletes them once no more than their own grace is left of the node's, and AWS takes it in 120 s."""
    pools = [{"name": "spare", "spot": True}, {"name": "kept"}]
    given = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]["template"]["spec"]["terminationGracePeriod"]
        for each in cluster(node_pools=pools).of("NodePool")
    }
    assert given == {"spare": f"{GRACE_SECONDS}s", "kept": "600s"}


def test_destroy_waits_longer_than_a_node_may_take(plain):
    for kind in ("NodePool", "EC2NodeClass"):
        assert plain.one(kind).deletion == "30m"


def test_device_plugins_run_on_every_node_that_has_devices():
    """A node whose GPUs nobody offers is never ready to Karpenter, so never empty, and bills for ever."""
    efa = {"name": "a", "instance_types": ["p5.48xlarge"], "efa": True, "zones": ["us-east-1a"]}
    charts = cluster(node_pools=[efa | {"taints": [{"key": "team"}]}]).of("Chart")
    plugins = [each.inputs for each in charts if "device-plugin" in each.inputs["name"]]
    assert len(plugins) == 2
    assert all(each["values"]["tolerations"] == [{"operator": "Exists"}] for each in plugins)


def limits(node_config: str) -> dict:
    content = yaml.safe_load(node_config)
    assert (content["apiVersion"], content["kind"]) == ("node.eks.aws/v1alpha1", "NodeConfig")
    rows = content["spec"].get("containerd", {}).get("baseRuntimeSpec", {}).get("process", {}).get("rlimits", [])
    return {row["type"]: (row["soft"], row["hard"]) for row in rows}


def test_containers_of_nodes_with_the_adapter_may_lock_memory(plain, grouped):
    """They have containerd's 8 MiB otherwise, and NCCL falls back to TCP, or ends; the list is all that they have."""
    efa = {"name": "a", "instance_types": ["p5.48xlarge"], "efa": True, "zones": ["us-east-1a"]}
    klass = cluster(node_pools=[efa]).one("EC2NodeClass").inputs["spec"]
    assert "userData" not in plain.one("EC2NodeClass").inputs["spec"]
    message = email.message_from_bytes(base64.b64decode(grouped.one("LaunchTemplate", "block").inputs["userData"]))
    (part,) = message.get_payload()
    assert part.get_content_type() == "application/node.eks.aws" and "strategy: RAID0" in part.get_payload()
    for config in (klass["userData"], part.get_payload()):
        assert limits(config) == {"RLIMIT_NOFILE": (65_536, 1_048_576), "RLIMIT_MEMLOCK": (2**50, 2**50)}
        assert all(float(number).is_integer() and number < 2**53 for row in limits(config).values() for number in row)
    spare = email.message_from_bytes(base64.b64decode(grouped.one("LaunchTemplate", "spare").inputs["userData"]))
    assert limits(spare.get_payload()[0].get_payload()) == {}


def test_a_volume_that_pods_write_to_is_faster():
    """gp3's own 125 MB/s would take minutes for each checkpoint; nobody pays for more where there are disks."""

    def volumes(**place):
        place |= {"name": "a"}
        recording = cluster(node_groups=[place], node_pools=[{**place, "name": "b"}])
        template = recording.one("LaunchTemplate", "nodes-a").inputs["blockDeviceMappings"]
        system = recording.one("LaunchTemplate", "system").inputs["blockDeviceMappings"]
        klass = recording.one("EC2NodeClass").inputs["spec"]["blockDeviceMappings"]
        return [each[0]["ebs"].get("throughput") for each in (template, klass, system)]

    assert volumes(instance_types=["g6e.12xlarge"]) == [None, None, None]
    assert volumes(instance_types=["g6e.12xlarge"], instance_store=False) == [500, 500, None]
    bottlerocket = {"name": "a", "ami_type": "BOTTLEROCKET_x86_64_NVIDIA"}
    ebs = cluster(node_groups=[bottlerocket]).one("LaunchTemplate", "nodes-a").inputs["blockDeviceMappings"][0]["ebs"]
    assert ebs["throughput"] == 500


def test_a_pool_in_one_zone_is_where_all_its_types_are():
    def zones(offered, **pool):
        pairs = [(name, zone) for name, where in offered.items() for zone in where]
        types, locations = zip(*pairs, strict=True)
        answers = {OFFERS: {"instanceTypes": types, "locations": locations}}
        pool |= {"one_zone": True, "instance_types": [*offered]}
        recording = record(lambda: GpuCluster("gpu", {"node_pools": [pool]}), answers=answers)
        spec = recording.one("NodePool").inputs["spec"]["template"]["spec"]
        return {each["key"]: each["values"] for each in spec["requirements"]}.get("topology.kubernetes.io/zone")

    offered = {"g5.xlarge": ["us-east-1a", "us-east-1b", "us-east-1d"], "g6e.xlarge": ["us-east-1b", "us-east-1d"]}
    assert zones(offered) == ["us-east-1b"]
    assert zones(offered, zones=["us-east-1d", "us-east-1b"]) == ["us-east-1d"]


def test_requirements_of_a_pool():
    pool = {"name": "cheap", "instance_types": ["g5.xlarge"], "gpus": 2, "spot": True, "zones": ["us-east-1b"]}
    recording = cluster(node_pools=[pool | {"taints": [{"key": "team", "value": "a"}], "labels": {"team": "a"}}])
    template = recording.one("NodePool").inputs["spec"]["template"]
    wanted = {each["key"]: each["values"] for each in template["spec"]["requirements"]}
    assert wanted == {
        "node.kubernetes.io/instance-type": ["g5.xlarge"],
        "karpenter.sh/capacity-type": ["spot"],
        "kubernetes.io/arch": ["amd64"],
        "topology.kubernetes.io/zone": ["us-east-1b"],
    }
    assert {"key": "team", "value": "a", "effect": "NoSchedule"} in template["spec"]["taints"]
    assert template["metadata"]["labels"]["team"] == "a"


def test_karpenter_ends_what_it_started_and_nothing_else(plain):
    policy = json.loads(plain.one("RolePolicy", "karpenter").inputs["policy"])["Statement"]
    ending = [each for each in policy if "ec2:TerminateInstances" in each["Action"]]
    name = plain.one("aws:eks/cluster:Cluster").inputs["name"]
    assert [each["Condition"]["StringEquals"] for each in ending] == [
        {f"aws:ResourceTag/kubernetes.io/cluster/{name}": "owned"}
    ]
    (passed,) = [each for each in policy if "iam:PassRole" in each["Action"]]
    assert passed["Resource"].startswith("arn:aws:iam::123456789012:role/gpu-node-role")
    everywhere = {action for each in policy if each["Resource"] == "*" for action in each["Action"]}
    assert all(action.split(":")[1].startswith(("Describe", "Get", "List")) for action in everywhere)
    assert len(json.dumps(policy)) < 10_240  # what IAM takes of a role's own policies


def test_karpenters_policy_passes_the_linter(plain):
    """But for what starts instances, which is allowed in parts, and parameters of AWS's own, which have no account."""
    findings = parliament.analyze_policy_string(plain.one("RolePolicy", "gpu-karpenter-permissions").inputs["policy"])
    parts = {"ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateTags", "ssm:GetParameter"}
    assert {each.issue for each in findings.findings} == {"RESOURCE_MISMATCH"}
    assert {part["action"] for each in findings.findings for part in each.detail} <= parts


def test_system_nodes_are_two_small_ones_without_a_taint(plain):
    system = plain.one("NodeGroup").inputs
    assert system["scalingConfig"] == {"minSize": 2, "desiredSize": 2, "maxSize": 3}
    assert (system["instanceTypes"], system["amiType"]) == (["m7i.large"], "AL2023_x86_64_STANDARD")
    assert not system.get("taints") and not system.get("labels")
    arm = cluster(system_instance_type="m7g.large").one("NodeGroup").inputs
    assert arm["amiType"] == "AL2023_ARM_64_STANDARD"


def test_a_capacity_block_with_the_adapter(grouped):
    group, template = grouped.one("NodeGroup", "block").inputs, grouped.one("LaunchTemplate", "block").inputs
    assert (group["capacityType"], len(group["subnetIds"])) == ("CAPACITY_BLOCK", 1)
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}
    target = template["capacityReservationSpecification"]["capacityReservationTarget"]
    assert target == {"capacityReservationId": "cr-0123456789abcdef0"}
    interfaces = template["networkInterfaces"]
    assert [each["interfaceType"] for each in interfaces] == ["efa"] + ["efa-only"] * 31
    assert [each["networkCardIndex"] for each in interfaces] == list(range(32))
    assert all(len(each["securityGroups"]) == 2 for each in interfaces)
    for rule in (grouped.one("SecurityGroupIngressRule"), grouped.one("SecurityGroupEgressRule")):
        assert rule.inputs["ipProtocol"] == "-1" and not {"fromPort", "toPort", "cidrIpv4"} & rule.inputs.keys()
        assert rule.references["securityGroupId"] == rule.references["referencedSecurityGroupId"] == ["gpu-efa"]
    # The block is where it is: with a placement group EC2 finds no capacity for it.
    assert not grouped.of("PlacementGroup") and "placement" not in template
    assert grouped.one("Chart", "efa-plugin").inputs["chart"] == "aws-efa-k8s-device-plugin"


def test_the_type_of_a_block_is_in_its_template_and_nowhere_else(grouped):
    """EKS user guide, "Create a managed node group with Capacity Blocks for ML"; it refuses a type in both places."""
    assert grouped.one("LaunchTemplate", "block").inputs["instanceType"] == "p5.48xlarge"
    assert "instanceTypes" not in grouped.one("NodeGroup", "block").inputs
    assert grouped.one("NodeGroup", "spare").inputs["instanceTypes"] == ["g6e.12xlarge"]
    assert "instanceType" not in grouped.one("LaunchTemplate", "spare").inputs


@pytest.mark.parametrize("reservation", ["", "cr-0123456789abcdef0"])
def test_nodes_with_the_adapter_are_side_by_side_where_no_reservation_says_where(reservation):
    group = {"name": "a", "instance_types": ["p5.48xlarge"], "efa": True, "zones": ["us-east-1a"]}
    recording = cluster(node_groups=[group | {"reservation": reservation}])
    placed = [each.inputs["strategy"] for each in recording.of("PlacementGroup")]
    assert placed == ([] if reservation else ["cluster"])
    assert ("placement" in recording.one("LaunchTemplate", "nodes-a").inputs) is (reservation == "")


def test_managed_nodes_follow_the_clusters_version(grouped):
    assert {each.inputs["version"] for each in grouped.of("NodeGroup")} == {"1.36"}
    assert grouped.one("NodeGroup", "spare").references["version"] == ["gpu"]  # so that the cluster goes first
    theirs = cluster(existing_cluster="theirs", node_groups=[SPOT]).one("NodeGroup").inputs
    assert theirs["version"] == "1.36"


def test_a_group_of_gpus_is_tainted_labelled_repaired_and_locked(grouped):
    group, template = grouped.one("NodeGroup", "spare").inputs, grouped.one("LaunchTemplate", "spare").inputs
    assert group["capacityType"] == "SPOT" and group["nodeRepairConfig"] == {"enabled": True}
    assert group["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    assert group["labels"] == {"nvidia.com/gpu.present": "true"}
    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    assert template["metadataOptions"] == {
        "httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1
    }  # fmt: skip
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"
    assert "strategy: RAID0" in base64.b64decode(template["userData"]).decode()


def test_bottlerocket_brings_its_device_plugin_and_its_own_disks(grouped):
    group, template = grouped.one("NodeGroup", "rocket").inputs, grouped.one("LaunchTemplate", "rocket").inputs
    assert not group.get("labels")
    assert template["blockDeviceMappings"][0]["deviceName"] == "/dev/xvdb" and "userData" not in template


def test_capacity_is_what_groups_and_pools_can_have():
    made = []
    record(lambda: made.append(GpuCluster("gpu", {"node_groups": [BLOCK, SPOT], "autoscaler": "none"})))
    assert {each.name: (each.nodes, each.gpus, each.spot, each.reserved) for each in made[0].capacity} == {
        "block": (1, 8, False, True),  # once it begins
        "spare": (1, 4, True, False),
    }
    made = []
    record(lambda: made.append(GpuCluster("gpu", {"node_groups": [SPOT], "group_autoscaler": True})))
    assert [(each.name, each.gpus, each.nodes) for each in made[0].capacity] == [("gpu", 8, 8), ("spare", 8, 2)]


def test_metrics_are_left_out_where_they_are_not_wanted():
    names = {each.inputs["addonName"] for each in cluster(metrics="none").of("Addon")}
    assert "amazon-cloudwatch-observability" not in names
    assert {"vpc-cni", "coredns", "eks-pod-identity-agent", "eks-node-monitoring-agent"} < names


def test_network_policies_are_enforced(plain):
    configuration = json.loads(plain.one("Addon", "vpc-cni").inputs["configurationValues"])
    assert configuration["enableNetworkPolicy"] == "true"


def test_names_have_room_for_what_pulumi_and_aws_add():
    recording = record(lambda: GpuCluster("finetuning-of-a-stack-of-theirs", {}))
    limits = {"Role": 64, "InstanceProfile": 128, "EventRule": 64, "Queue": 80}
    for kind, limit in limits.items():
        assert all(len(each.name) + 8 <= limit for each in recording.of(kind)), kind
    assert len(recording.one("aws:eks/cluster:Cluster").inputs["name"]) <= 100
    assert len(recording.one("NodeGroup").inputs["nodeGroupNamePrefix"]) <= 63 - 26


# Whose the cluster is


def test_a_cluster_that_is_there_gets_pools_and_groups_alone():
    recording = cluster(existing_cluster="theirs", node_groups=[SPOT])
    assert not any(recording.of(kind) for kind in ("aws:eks/cluster:Cluster", "Vpc", "Addon", "Key"))
    assert [each.name for each in recording.of("NodeGroup")] == ["gpu-nodes-spare"]
    assert recording.one("NodePool").inputs["metadata"] == {"name": "gpu"}
    alone = cluster(existing_cluster="theirs", autoscaler="present")
    assert not [each for each in alone.of("Chart") if "karpenter" in each.name]
    assert alone.one("EC2NodeClass").inputs["spec"]["securityGroupSelectorTerms"] == [{"id": "sg-0e1"}]


@pytest.mark.parametrize("given", [{}, {"subnet_ids": ["subnet-0b", "subnet-1b", "subnet-0c"]}])
def test_a_zone_of_an_existing_cluster_is_found_by_its_subnets(given):
    """`zones` of a group raised KeyError: 'us-east-1d'."""
    zoned = {**SPOT, "zones": ["us-east-1d"]}
    made = cluster(existing_cluster="theirs", node_groups=[zoned], **given)
    wanted = ["subnet-0b", "subnet-1b"] if given else ["subnet-0b"]
    assert made.one("NodeGroup").inputs["subnetIds"] == wanted


def test_nodes_are_put_where_one_says_in_an_existing_cluster():
    made = cluster(existing_cluster="theirs", subnet_ids=["subnet-0d"], node_groups=[SPOT])
    assert made.one("NodeGroup").inputs["subnetIds"] == ["subnet-0d"]
    assert made.one("EC2NodeClass").inputs["spec"]["subnetSelectorTerms"] == [{"id": "subnet-0d"}]


def test_device_plugins_of_an_existing_cluster_are_its_own():
    """Two that register one resource, as the GPU Operator's and ours, end each other's Pods."""

    def plugins(**args) -> list[str]:
        return [each.name for each in cluster(**args).of("Chart") if "plugin" in each.name]

    assert plugins(existing_cluster="theirs") == []
    assert plugins(existing_cluster="theirs", device_plugins="install") == ["gpu-nvidia-device-plugin"]
    assert plugins() == ["gpu-nvidia-device-plugin"]
    assert plugins(device_plugins="present", node_groups=[BLOCK]) == []


def test_a_kubeconfig_alone_gives_a_provider_alone():
    made = []
    recording = record(lambda: made.append(GpuCluster("gpu", {"existing_kubeconfig": "{}"})))
    assert [each.type for each in recording.resources] == ["tandem:index:GpuCluster", "pulumi:providers:kubernetes"]
    assert made[0].ready == [made[0].provider]


def test_the_kubeconfig_asks_for_a_token_and_holds_none(plain, monkeypatch, tmp_path):
    def user(recording):
        text = recording.one("pulumi:providers:kubernetes").inputs["kubeconfig"]
        return json.loads(text.get("value", "") if isinstance(text, dict) else text)["users"][0]["user"]

    name = plain.one("aws:eks/cluster:Cluster").inputs["name"]
    assert user(plain)["exec"]["args"][:4] == ["eks", "get-token", "--cluster-name", name]
    monkeypatch.setenv("TANDEM_KUBECONFIG_TOKEN_FILE", str(tmp_path / "token"))
    assert user(cluster()) == {"tokenFile": str(tmp_path / "token")}


def test_charts_come_from_a_folder_where_one_is_named(plain, monkeypatch):
    published = plain.one("Chart", "controller").inputs
    assert (published["chart"], published["version"]) == ("oci://public.ecr.aws/karpenter/karpenter", "1.14.1")
    assert published["skipCrds"] is True  # they are a chart of their own, which upgrades them
    monkeypatch.setenv("TANDEM_CHARTS", "/charts")
    local = cluster().one("Chart", "controller").inputs
    assert local["chart"] == "/charts/karpenter" and "version" not in local


def test_a_change_of_tags_changes_no_object_of_the_cluster(plain):
    def objects(recording):
        return {each.name: each.inputs for each in recording.resources if each.type.startswith("kubernetes:")}

    tagged = cluster(tags={"team": "search"})
    assert tagged.one("aws:eks/cluster:Cluster").inputs["tags"]["team"] == "search"
    assert objects(tagged) == objects(plain)
    nodes = cluster(node_tags={"team": "search"}).one("EC2NodeClass").inputs["spec"]["tags"]
    assert nodes == {"tandem:environment": "gpu", "team": "search", "tandem:stack": "test"}


def test_a_preview_before_anything_exists_shows_the_pools():
    assert cluster(preview=True).one("NodePool").inputs["spec"]["limits"] == {"nvidia.com/gpu": "8"}


# Destroy
