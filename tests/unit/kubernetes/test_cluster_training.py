"""What training on a cluster registers: queue, runtime, access, and the order in which all of it goes again."""

import json

import parliament
import pytest
import yaml
from pulumi_tandem.kubernetes.training_runtime import FETCH, training_runtime
from tandem_contract.cluster import Container, Label, PodVariable

from scripts.recorder import record, record_stack
from tests.support.aws_requests import AwsService

from .conftest import ENVELOPE, alone

HERE = "us-east-1:123456789012"
CONFIG = {
    "tandem:environment": "finetuning",
    "tandem:retention": "erase",
    "tandem:trainingBackend": "eks",
    "tandem:trainingInstance": "g6e.12xlarge",
    "tandem:trainingInstances": "2",
    "tandem:evaluationInstance": "g6e.2xlarge",
    "tandem:attempts": "3",
}
THREE = {"name": "a", "desired": 3, "maximum": 3}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


def runtime(stack):
    return stack.one("TrainingRuntime").inputs


def jobset(stack) -> dict:
    return runtime(stack)["spec"]["template"]["spec"]


def pod(stack) -> dict:
    return jobset(stack)["replicatedJobs"][0]["template"]["spec"]["template"]


def containers(stack) -> dict[str, dict]:
    spec = pod(stack)["spec"]
    return {each["name"]: each for each in (*spec["initContainers"], *spec["containers"])}


def test_the_queue_lets_one_run_go_at_a_time_by_default(stack):
    queue = stack.one("ClusterQueue").inputs
    quotas = {
        flavor["name"]: {each["name"]: each["nominalQuota"] for each in flavor["resources"]}["nvidia.com/gpu"]
        for group in queue["spec"]["resourceGroups"]
        for flavor in group["flavors"]
    }
    assert quotas == {"tandem-training-g6e-12xlarge": "8", "tandem-training-g6e-2xlarge": "1"}
    flavors = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]["nodeLabels"] for each in stack.of("ResourceFlavor")
    }
    assert flavors["tandem-training-g6e-12xlarge"] == {"node.kubernetes.io/instance-type": "g6e.12xlarge"}
    assert quotas.keys() == flavors.keys()
    selected = queue["spec"]["namespaceSelector"]["matchLabels"]
    assert selected == {"kubernetes.io/metadata.name": stack.one("LocalQueue").inputs["metadata"]["namespace"]}


def test_every_resource_that_pods_ask_for_is_covered_and_in_text(stack):
    """Kueue admits no job that asks for one that isn't; a number is a difference for ever."""
    (group,) = stack.one("ClusterQueue").inputs["spec"]["resourceGroups"]
    asked = {name for each in containers(stack).values() for name in each.get("resources", {}).get("requests", {})}
    assert asked | {"nvidia.com/gpu", "vpc.amazonaws.com/efa"} <= set(group["coveredResources"])
    for flavor in group["flavors"]:
        assert [each["name"] for each in flavor["resources"]] == group["coveredResources"]
        assert all(isinstance(each["nominalQuota"], str) for each in flavor["resources"])


def test_pools_of_the_runs_types_are_made_and_their_taints_tolerated():
    pool = {"instanceTypes": ["g6e.12xlarge", "g6e.2xlarge"], "gpus": 16, "oneZone": True}
    taints = [{"key": "team", "value": "a", "effect": "NoExecute"}]
    stack = record_stack(CONFIG | {"tandem:cluster": json.dumps({"nodePools": [pool | {"taints": taints}]})})
    for flavor in stack.of("ResourceFlavor"):
        assert flavor.inputs["spec"]["tolerations"] == [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "team", "operator": "Exists", "effect": "NoExecute"},
        ]


def test_the_default_pool_has_what_the_quotas_let_go(stack):
    pool = stack.one("NodePool").inputs["spec"]
    requirements = {
        each["key"]: each["values"] for each in pool["template"]["spec"]["requirements"] if "values" in each
    }
    assert requirements["node.kubernetes.io/instance-type"] == ["g6e.12xlarge", "g6e.2xlarge"]
    assert pool["limits"]["nvidia.com/gpu"] == "9"


def test_the_instances_of_a_run_are_in_one_zone(stack):
    """Between zones sharded training is slow, and EC2 bills each GB both ways."""
    zones = {
        each["key"]: each["values"]
        for each in stack.one("NodePool").inputs["spec"]["template"]["spec"]["requirements"]
        if each["key"] == "topology.kubernetes.io/zone"
    }
    assert zones == {"topology.kubernetes.io/zone": ["us-east-1a"]}
    alone = record_stack(CONFIG | {"tandem:trainingInstances": "1"}).one("NodePool").inputs["spec"]
    assert len(alone["template"]["spec"]["requirements"]) == 3  # it takes capacity wherever there is some


def test_a_job_gives_its_quota_back_where_its_pods_dont_come(stack):
    (chart,) = [each for each in stack.of("Chart") if each.inputs["name"] == "kueue"]
    configuration = yaml.safe_load(chart.inputs["values"]["managerConfig"]["controllerManagerConfigYaml"])
    waiting = configuration["waitForPodsReady"]
    assert (waiting["timeout"], waiting["blockAdmission"]) == ("30m", False)
    assert waiting["requeuingStrategy"]["backoffLimitCount"] == 3
    # Before the hosts that are there give up, which would use an attempt.
    meeting = {each["name"]: each.get("value") for each in containers(stack)["node"]["env"]}["TANDEM_MEET_SECONDS"]
    assert float(meeting) > 30 * 60
    # With "pod" among them a Kueue that is away would let nobody start a Pod.
    assert "pod" not in configuration["integrations"]["frameworks"]


def test_the_gang_restarts_together_and_within_the_envelope(stack):
    policy = jobset(stack)["failurePolicy"]
    assert (policy["maxRestarts"], policy["restartStrategy"]) == (2, "BlockingRecreate")
    job = jobset(stack)["replicatedJobs"][0]["template"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 14400)
    actions = {rule["name"]: rule["action"] for rule in policy["rules"]}
    assert actions == {
        "evicted": "RestartJobSetAndIgnoreMaxRestarts",
        "refused": "FailJobSet",
        "late": "FailJobSet",
    }
    codes = {
        (rule["onExitCodes"]["containerName"], code)
        for rule in job["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert codes == {(Container.NODE, 2), (Container.FETCH, 2), (Container.NODE, 143)}


def test_destroy_waits_for_the_pods_of_the_namespace(stack):
    assert stack.one("Namespace", "namespace").deletion == "30m"


def test_pods_are_what_restricted_takes(stack):
    """Kubernetes, "Pod Security Standards"."""
    labels = stack.one("Namespace", "namespace").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = pod(stack)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in containers(stack).values():
        assert each["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} == {"emptyDir"}


def test_data_comes_before_the_trainer_and_goes_on_after_it(stack):
    spec = pod(stack)["spec"]
    assert [each["name"] for each in spec["initContainers"]] == [Container.FETCH, Container.MIRROR]
    assert [each.get("restartPolicy") for each in spec["initContainers"]] == [None, "Always"]
    assert spec["terminationGracePeriodSeconds"] == 120
    for each in containers(stack).values():
        assert {"name": "work", "mountPath": "/opt/ml"} in each["volumeMounts"]
        assert {"name": PodVariable.ROOT, "value": "/opt/ml"} in each["env"]
    volumes = {each["name"]: each["emptyDir"] for each in spec["volumes"]}
    assert volumes == {"work": {"sizeLimit": "200G"}, "shared-memory": {"medium": "Memory", "sizeLimit": "64Gi"}}


def test_fetch_downloads_the_code_and_becomes_it(tmp_path, monkeypatch):
    import boto3

    got, ran = [], []

    class S3(AwsService):
        services = ("s3",)

        def download_file(self, *where):
            got.append(where)

    monkeypatch.setattr(boto3, "client", lambda service: {"s3": S3()}[service])
    monkeypatch.setenv(PodVariable.CODE, "s3://artifacts/code/0123/tandem.pyz")
    monkeypatch.setattr("os.execvp", lambda *command: ran.append(command))
    place = str(tmp_path / "input" / "data" / "code" / "tandem.pyz")
    monkeypatch.setattr("sys.argv", ["-c", place])
    exec(FETCH, {})  # noqa: S102 - as `python3 -c` does
    assert got == [("artifacts", "code/0123/tandem.pyz", place)]
    assert ran == [("python3", ["python3", place, "fetch"])]
    assert (tmp_path / "input" / "data" / "code").is_dir()


def test_pods_stay_where_they_are_and_say_whose_they_are(stack):
    metadata = pod(stack)["metadata"]
    assert metadata["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
    assert metadata["labels"] == {Label.POD: Label.PROCESS, Label.STACK: "test"}


def test_a_runtime_of_other_content_has_another_name(stack):
    """Its fields can't be changed, and it can't be deleted while a run refers to it."""
    names = {runtime(record_stack(CONFIG | more))["metadata"]["name"] for more in ({}, {"tandem:attempts": "4"})}
    assert runtime(stack)["metadata"]["name"] in names and len(names) == 2
    reverse = dict(reversed(ENVELOPE.items()))
    assert training_runtime(ENVELOPE, "i:1", {}, 30) == training_runtime(reverse, "i:1", {}, 30)


def test_a_change_of_tags_changes_nothing_on_the_cluster():
    def objects(tags: dict[str, str]) -> list:
        stack = record(lambda: alone({"tags": tags}))
        return [(each.name, each.inputs) for each in stack.resources if each.type.startswith("kubernetes:")]

    assert sorted(objects({"team": "a"}), key=str) == sorted(objects({"team": "b"}), key=str)


def test_all_of_it_goes_in_the_order_in_which_it_can(stack):
    """What depends on a thing is deleted before it, and what is in a component before what that depends on."""
    after: dict[str, set[str]] = {}
    for each in stack.resources:
        after.setdefault(each.name, set()).update(each.dependencies, [each.parent])

    def reaches(name: str, target: str, seen: frozenset = frozenset()) -> bool:
        return target in after.get(name, ()) or any(
            reaches(each, target, seen | {each}) for each in after.get(name, ()) if each not in seen
        )

    order = [
        ("tuning-runs-local-queue", "tuning-runs-namespace"),
        ("tuning-runs-namespace", "tuning-runs-queue"),
        ("tuning-runs-queue", "tuning-runs-queue-g6e.12xlarge"),
        ("tuning-runs-queue-g6e.12xlarge", "tuning-runs-controllers-kueue"),
        ("tuning-runs-controllers-kueue", "tuning-runs-controllers-kubeflow-trainer"),
        ("tuning-runs-controllers-kubeflow-trainer", "tuning-cluster-karpenter-gpu"),
    ]
    assert [pair for pair in order if not reaches(*pair)] == []
    ended = stack.one("Invocation", "end-jobs")
    assert json.loads(ended.inputs["input"]) == {"action": "clean"}
    assert {"tuning-training-access", "tuning-training-cluster"} <= set(ended.dependencies)
    assert {"tuning-runs-local-queue", "tuning-runs-network"} <= set(stack.one("AccessEntry", "access").dependencies)


def test_who_runs_jobs_may_do_that_and_no_more(stack):
    access = stack.one("AccessEntry", "training-access").inputs
    assert access["principalArn"].startswith("arn:aws:iam::123456789012:role/tuning-training-cluster-role-")
    (subject,) = stack.one("RoleBinding").inputs["subjects"]
    assert access["kubernetesGroups"] == [subject["name"]] and "policyArn" not in access
    verbs = {
        resource: set(rule["verbs"])
        for rule in stack.one("Role", "access-jobs").inputs["rules"]
        for resource in rule["resources"]
    }
    assert {name for name, allowed in verbs.items() if allowed - {"get", "list", "watch"}} == {"trainjobs"}
    assert "secrets" not in verbs and "*" not in str(verbs)
    (rule,) = stack.one("ClusterRole", "usage").inputs["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == (["tandem-training"], ["get"])


def test_pods_have_the_buckets_and_nothing_else(stack):
    (identity,) = [each for each in stack.of("PodIdentityAssociation") if "runs" in each.name]
    assert (identity.inputs["namespace"], identity.inputs["serviceAccount"]) == ("tandem-training", "tandem-training")
    assert pod(stack)["spec"]["serviceAccountName"] == identity.inputs["serviceAccount"]
    artifacts = f"arn:aws:s3:::{stack.outputs['artifactBucket']}"
    allowed = json.loads(stack.one("RolePolicy", "runs-permissions").inputs["policy"])["Statement"]
    writing = [each["Resource"] for each in allowed if {"s3:PutObject", "s3:DeleteObject"} & set(each["Action"])]
    assert writing == [f"{artifacts}/runs/*"]
    # An upload that fails in a part leaves the others, which are billed until it is aborted.
    assert "s3:AbortMultipartUpload" in next(each["Action"] for each in allowed if "s3:PutObject" in each["Action"])
    policy = stack.one("NetworkPolicy").inputs["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert policy["egress"][0]["to"][0]["ipBlock"]["except"] == ["169.254.169.254/32"]


def test_policies_pass_the_linter(stack):
    for name in ("runs-permissions", "training-cluster-permissions"):
        text = stack.one("RolePolicy", name).inputs["policy"]
        found = [each for each in parliament.analyze_policy_string(text).findings]
        assert [each for each in found if "CallMlflowAppApi" not in each.detail] == [], name


@pytest.mark.parametrize("cluster", [{"endpointPublic": False}, {"publicCidrs": ["203.0.113.0/24"]}])
def test_the_function_runs_inside_where_only_that_reaches_the_cluster(cluster):
    inside = record_stack(CONFIG | {"tandem:cluster": json.dumps(cluster)})
    function = inside.one("aws:lambda/function:Function", "training-cluster")
    assert len(function.inputs["vpcConfig"]["subnetIds"]) > 1
    assert function.references["vpcConfig"].count("tuning-runs-function") == 1
    rule = inside.one("SecurityGroupIngressRule", "function")
    assert rule.references["referencedSecurityGroupId"] == ["tuning-runs-function"]
    assert rule.references["securityGroupId"] == ["tuning-cluster"]
    assert "ec2:CreateNetworkInterface" in inside.one("RolePolicy", "training-cluster-permissions").inputs["policy"]
    outside = record_stack(CONFIG).one("aws:lambda/function:Function", "training-cluster")
    assert "vpcConfig" not in outside.inputs


def test_controllers_that_are_there_are_leftalone():
    stack = record(lambda: alone({}, {"controllers": "existing"}))
    assert not [each for each in stack.of("Chart") if each.inputs["name"] in ("kueue", "kubeflow-trainer")]
    assert len(stack.of("ClusterQueue")) == 1
