"""Training Pods as Kueue, Trainer and JobSet make them, run as processes on nodes that Karpenter buys.

What they run is a script: ranks that really train come with the stack `finetune-eks-dev`.
"""

import json
import os
import signal
from pathlib import Path

import pytest
from tandem_contract.cluster import GPU, NAMESPACE, QUEUE, QUEUE_LABEL, ROOT, SERVICE_ACCOUNT, Label

from tests.kubernetes.conftest import Kubernetes
from tests.local.conftest import Cloud, until

pytestmark = pytest.mark.kubernetes

TRAINER, KUEUE = "/apis/trainer.kubeflow.org/v1alpha1", "/apis/kueue.x-k8s.io/v1beta2"
JOBSETS = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NAMESPACE}/jobsets"
TRAINJOBS, PODS = f"{TRAINER}/namespaces/{NAMESPACE}/trainjobs", f"/api/v1/namespaces/{NAMESPACE}/pods"
POOLS, CLASSES = "/apis/karpenter.sh/v1/nodepools", "/apis/karpenter.k8s.aws/v1/ec2nodeclasses"
TIGHT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
USER = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
WAIT = f"trap 'echo saved >> {ROOT}/log; exit 143' TERM; echo up; until [ -f {ROOT}/go ]; do sleep 0.1; done"
MIRROR = f"trap 'cat {ROOT}/log; exit 0' TERM; touch {ROOT}/log; while :; do sleep 0.1; done"
KEYS = "curl -s -H Authorization:\\ $AWS_CONTAINER_AUTHORIZATION_TOKEN $AWS_CONTAINER_CREDENTIALS_FULL_URI"


def runtime(name: str, script: str) -> dict:
    """What a run needs of its runtime: the gang's restart, a mirror beside the trainer, what `restricted` asks for."""
    mount = {"volumeMounts": [{"name": "work", "mountPath": ROOT}], "securityContext": TIGHT, "image": "train:1"}
    pod = {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 20, "securityContext": USER,
        "serviceAccountName": SERVICE_ACCOUNT, "automountServiceAccountToken": False,
        "volumes": [{"name": "work", "emptyDir": {}}],
        "initContainers": [{"name": "mirror", "restartPolicy": "Always", "command": ["sh", "-c", MIRROR], **mount}],
        "containers": [{"name": "node", "command": ["sh", "-c", script], **mount}],
    }  # fmt: skip
    codes = [
        {"action": "FailJob", "onExitCodes": {"containerName": "node", "operator": "In", "values": [2]}},
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]},
    ]
    evicted = {"name": "evicted", "action": "RestartJobSetAndIgnoreMaxRestarts"}
    rules = [
        evicted | _matching("DisruptionTarget"),
        {"name": "refused", "action": "FailJobSet"} | _matching("exit code 2 "),
    ]
    labels = {Label.POD: Label.PROCESS}
    job = {"backoffLimit": 0, "podFailurePolicy": {"rules": codes}}
    job["template"] = {"metadata": {"labels": labels}, "spec": pod}
    node = {"metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}, "spec": job}
    restart = {"maxRestarts": 2, "restartStrategy": "BlockingRecreate", "rules": rules}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "ClusterTrainingRuntime",
        "metadata": {"name": name, "labels": {"trainer.kubeflow.org/framework": "torch"}},
        "spec": {
            "mlPolicy": {"numNodes": 2, "torch": {}},
            "template": {"spec": {"failurePolicy": restart, "replicatedJobs": [{"name": "node", "template": node}]}},
        },
    }  # fmt: skip


def _matching(words: str) -> dict:
    return {"onJobFailureReasons": ["PodFailurePolicy"], "onJobFailureMessagePatterns": [words]}


def objects() -> dict[str, dict]:
    """Path -> what the tests begin with: a namespace, a pool from zero, a quota of two nodes."""
    reference = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"}
    held = {"karpenter.sh/capacity-type": "on-demand", "node.kubernetes.io/instance-type": "g6e.12xlarge"}
    requirements = [{"key": key, "operator": "In", "values": [value]} for key, value in held.items()]
    spec = {"nodeClassRef": reference, "requirements": requirements, "taints": [{"key": GPU, "effect": "NoSchedule"}]}
    disruption = {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "2s", "budgets": [{"nodes": "100%"}]}
    pool = {"disruption": disruption, "template": {"metadata": {"labels": {"pool": "gpu"}}, "spec": spec}}
    terms = {"subnetSelectorTerms": [{"id": "subnet-01234567"}], "securityGroupSelectorTerms": [{"id": "sg-01234567"}]}
    quota = [{"name": "cpu", "nominalQuota": "96"}, {"name": GPU, "nominalQuota": "8"}]
    group = {"coveredResources": ["cpu", GPU], "flavors": [{"name": "l40s", "resources": quota}]}
    tolerated = {"nodeLabels": {"pool": "gpu"}, "tolerations": [{"key": GPU, "operator": "Exists"}]}
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {
        f"/api/v1/namespaces/{NAMESPACE}": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": enforced}},
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{SERVICE_ACCOUNT}": _of("v1", "ServiceAccount"),
        f"{CLASSES}/gpu": _of("karpenter.k8s.aws/v1", "EC2NodeClass",
                              {"role": "node", "amiSelectorTerms": [{"alias": "al2023@latest"}], **terms}),
        f"{POOLS}/gpu": _of("karpenter.sh/v1", "NodePool", pool),
        f"{KUEUE}/resourceflavors/l40s": _of("kueue.x-k8s.io/v1beta2", "ResourceFlavor", tolerated),
        f"{KUEUE}/clusterqueues/training": _of("kueue.x-k8s.io/v1beta2", "ClusterQueue",
                                               {"namespaceSelector": {}, "resourceGroups": [group]}),
        f"{KUEUE}/namespaces/{NAMESPACE}/localqueues/{QUEUE}": _of("kueue.x-k8s.io/v1beta2", "LocalQueue",
                                                                   {"clusterQueue": "training"}),
        f"{TRAINER}/clustertrainingruntimes/waits": runtime("waits", WAIT),
        f"{TRAINER}/clustertrainingruntimes/refuses": runtime("refuses", "exit 2"),
        f"{TRAINER}/clustertrainingruntimes/asks": runtime("asks", KEYS),
    }  # fmt: skip


def _of(version: str, kind: str, spec: dict | None = None) -> dict:
    return {"apiVersion": version, "kind": kind} | ({"spec": spec} if spec else {})


class Training(Kubernetes):
    """The API, with what training asks of it."""

    def apply(self, path: str, content: dict) -> tuple[int, dict]:
        content.setdefault("metadata", {})["name"] = path.rpartition("/")[2]
        return self.ask(f"{path}?fieldManager=test&force=true", content, "PATCH")

    def start(self, name: str, of: str) -> None:
        """A TrainJob of two hosts that takes the whole quota."""
        held = {"cpu": "8", GPU: "4"}
        hosts = {"numNodes": 2, "numProcPerNode": 1, "resourcesPerNode": {"requests": held, "limits": held}}
        job = _of("trainer.kubeflow.org/v1alpha1", "TrainJob", {"runtimeRef": {"name": of}, "trainer": hosts})
        status, answer = self.apply(f"{TRAINJOBS}/{name}", job | {"metadata": {"labels": {QUEUE_LABEL: QUEUE}}})
        assert status == 201, answer

    def pods(self, job: str) -> dict[str, dict]:
        return {
            pod["metadata"]["name"]: pod
            for pod in self.items(PODS)
            if pod["metadata"].get("labels", {}).get("jobset.sigs.k8s.io/jobset-name") == job
        }

    def running(self, job: str, attempt: int = 0) -> dict[str, dict]:
        """Both Pods of an attempt, as soon as they run."""

        def both() -> dict[str, dict]:
            found = {}
            for name, pod in self.pods(job).items():
                of_attempt = pod["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] == str(attempt)
                if of_attempt and pod["status"].get("phase") == "Running":
                    found[name] = pod
            return found if len(found) == 2 else {}

        return until(both, 90, f"both Pods of attempt {attempt} of {job} run")

    def restarts(self, job: str) -> tuple[int, int]:
        """All of a JobSet's, and those that count."""
        status = self.ask(f"{JOBSETS}/{job}")[1].get("status", {})
        return status.get("restarts", 0), status.get("restartsCountTowardsMax", 0)

    def end(self, job: str) -> str:
        """How a job ended."""

        def ended() -> list[str]:
            conditions = self.ask(f"{TRAINJOBS}/{job}")[1].get("status", {}).get("conditions", [])
            return [each["type"] for each in conditions if each["status"] == "True" and each["type"] != "Suspended"]

        return until(ended, 60, f"{job} has ended")[0]

    def nodes(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.items("/api/v1/nodes?labelSelector=pool=gpu")]

    def process(self, pod: dict) -> int:
        """The id of a Pod's trainer."""
        name = f"kubernetes-{pod['metadata']['uid']}-node-0.json"
        return json.loads((self.cloud.home / "run" / name).read_text())["pid"]

    def printed(self, pod: dict, container: str = "node") -> str:
        folder = self.cloud.home / "logs" / "pods" / f"{NAMESPACE}_{pod['metadata']['name']}"
        return (folder / f"{container}.0.log").read_text()

    def let_go(self, pods: dict[str, dict]) -> None:
        """Have trainers that wait end well."""
        for pod in pods.values():
            volume: Path = self.cloud.home / "pods" / pod["metadata"]["uid"] / "volumes" / "work"
            (volume / "go").touch()


@pytest.fixture(scope="module")
def training(charts: Cloud) -> Training:
    """An association of Pod Identity, a pool and a queue."""
    cloud, started = charts, Training(charts)
    trust = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = cloud.client("iam").create_role(RoleName="training", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    who = {"clusterName": "charts", "namespace": NAMESPACE, "serviceAccount": SERVICE_ACCOUNT}
    made = cloud.client("eks").create_pod_identity_association(**who, roleArn=role)["association"]
    for path, content in objects().items():
        until(lambda path=path, content=content: started.apply(path, content)[0] in (200, 201), 60, f"{path} is taken")
    yield started
    for path in reversed(objects()):  # before their controllers, which let go of them
        started.ask(path, method="DELETE")
        until(lambda path=path: started.ask(path)[0] == 404, 90, f"{path} has gone")
    cloud.client("eks").delete_pod_identity_association(clusterName="charts", associationId=made["associationId"])
    cloud.client("iam").delete_role(RoleName="training")


def test_node_groups_have_their_nodes(training):
    found = training.items("/api/v1/nodes?labelSelector=eks.amazonaws.com/nodegroup=system")
    assert len(found) == 2 and {each["metadata"]["labels"]["pool"] for each in found} == {"system"}


def test_two_gangs_share_a_quota_and_nodes_that_come_and_go(training):
    assert training.nodes() == []
    training.start("first", "waits")
    training.start("second", "waits")
    first = training.running("first")
    assert len(training.nodes()) == 2
    assert training.pods("second") == {}
    assert {pod["spec"]["nodeName"] for pod in first.values()} == set(training.nodes())
    managers = {each["manager"] for pod in first.values() for each in pod["metadata"]["managedFields"]}
    assert "kwok" not in managers and "tandem-local-cloud" in managers
    for pod in first.values():
        os.kill(training.process(pod), 0)
    training.let_go(first)
    assert training.end("first") == "Complete"
    second = training.running("second")
    training.let_go(second)
    assert training.end("second") == "Complete"
    assert training.restarts("first") == training.restarts("second") == (0, 0)
    until(lambda: not training.nodes(), 90, "the nodes are returned")


@pytest.mark.faults
def test_a_killed_rank_an_eviction_and_a_lost_node_restart_the_gang(training):
    training.start("faults", "waits")
    pods = training.running("faults")
    os.kill(training.process(next(iter(pods.values()))), signal.SIGKILL)
    pods = training.running("faults", attempt=1)
    assert training.restarts("faults") == (1, 1)
    name, pod = next(iter(pods.items()))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    assert training.ask(f"{PODS}/{name}/eviction", eviction)[0] == 201
    pods = training.running("faults", attempt=2)
    assert training.restarts("faults") == (2, 1)  # an eviction isn't counted
    assert training.printed(pod, "mirror") == "saved\n"  # after the trainer's end, within the grace
    lost = next(iter(pods.values()))
    node, pid = f"/api/v1/nodes/{lost['spec']['nodeName']}", training.process(lost)
    patch = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": lost["spec"]["nodeName"], "finalizers": []}}
    assert training.ask(f"{node}?fieldManager=test&force=true", patch, "PATCH")[0] == 200
    training.ask(node, method="DELETE")
    until(lambda: not Path(f"/proc/{pid}").exists(), 20, "its process has gone with it")
    until(lambda: training.restarts("faults")[0] == 3, 120, "Kubernetes finds that the node is gone")
    training.let_go(training.running("faults", attempt=3))
    assert training.end("faults") == "Complete"


@pytest.mark.faults
def test_a_trainer_that_refuses_is_not_started_again(training):
    training.start("refuses", "refuses")
    assert training.end("refuses") == "Failed"
    assert training.restarts("refuses") == (0, 0)


def test_a_pod_has_the_credentials_of_its_service_account(training):
    training.start("asks", "asks")
    assert training.end("asks") == "Complete"
    for pod in training.pods("asks").values():
        assert json.loads(training.printed(pod))["AccessKeyId"].startswith("ASIA")


@pytest.mark.faults
def test_a_privileged_pod_is_refused_by_the_namespace(training):
    container = {"name": "main", "image": "x", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": {"containers": [container]}}
    status, answer = training.ask(PODS, pod)
    assert (status, "violates PodSecurity" in answer["message"]) == (403, True)


def test_a_pool_and_its_class_go_with_their_nodes(training):
    for job in ("first", "second", "faults", "refuses", "asks"):
        training.ask(f"{TRAINJOBS}/{job}", method="DELETE")
    for path in (f"{POOLS}/gpu", f"{CLASSES}/gpu"):
        assert training.ask(path, method="DELETE")[0] == 200
    until(lambda: training.ask(f"{CLASSES}/gpu")[0] == 404, 90, "the class has gone")
    assert training.nodes() == [] and training.items(POOLS) == []
