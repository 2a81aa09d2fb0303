"""Containers of Pods as processes: what a kubelet would do with them."""

import signal
import sys
import time
from pathlib import Path

import pytest
from tandem_contract.cluster import ROOT, Label

from localcloud import paths
from localcloud.kubernetes.api import Api
from localcloud.kubernetes.containers import end_all
from localcloud.kubernetes.pods import Kubelet
from tests.support import kubernetes_process_api as kubernetes_api

PODS = "/api/v1/namespaces/training/pods"
LOOP = "while :; do sleep 0.1; done"


class NoIdentities:
    """A cluster whose service accounts have no roles."""

    def variables(self, uid, namespace, account):
        return {}

    def drop(self, uid):
        pass


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A Kubernetes API, and a kubelet that is told of what the test puts there."""
    monkeypatch.setattr(paths, "HOME", tmp_path)
    for name in ("LOGS", "RUN"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    paths.RUN.mkdir()
    python = tmp_path / "training" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    token = tmp_path / "token"
    token.write_text("secret")
    with kubernetes_api.serve() as (url, held):
        held.kubelet = Kubelet(Api(url, tmp_path / "ca", token), NoIdentities())
        yield held
        for pod in list(held.kubelet.pods.values()):
            pod.lose()
        until(lambda: not held.kubelet.pods)


def sh(script: str, name: str = "main", **more) -> dict:
    mount = [{"name": "work", "mountPath": "/data"}]
    return {"name": name, "image": "x", "command": ["sh", "-c", script], "volumeMounts": mount, **more}


def start(cluster, spec: dict, name: str = "pod", **meta) -> None:
    spec = {"nodeName": "node", "restartPolicy": "Never", "volumes": [{"name": "work", "emptyDir": {}}], **spec}
    labels = {Label.POD: Label.PROCESS, **meta.pop("labels", {})}
    about = {"name": name, "namespace": "training", "uid": f"{name}-{time.time_ns()}", "labels": labels, **meta}
    cluster.kubelet.see("ADDED", cluster.put(f"{PODS}/{name}", {"metadata": about, "spec": spec, "status": {}}))


def until(true, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def status(cluster, name: str = "pod") -> dict:
    return cluster.objects[f"{PODS}/{name}"]["status"]


def ended(cluster, name: str = "pod") -> dict:
    """The status of a Pod at its end."""
    until(lambda: status(cluster, name).get("phase") in ("Succeeded", "Failed"))
    return status(cluster, name)


def delete(cluster, grace: int, name: str = "pod") -> None:
    """Ask as the API does."""
    change = {"deletionTimestamp": "now", "deletionGracePeriodSeconds": grace}
    cluster.patch(f"{PODS}/{name}", {"metadata": change})
    cluster.kubelet.see("MODIFIED", cluster.objects[f"{PODS}/{name}"])


def text(name: str = "pod", container: str = "main", start: int = 0) -> str:
    return (paths.LOGS / "pods" / f"training_{name}" / f"{container}.{start}.log").read_text()


def code(status: dict, container: str = "main") -> int:
    found = {each["name"]: each for each in status["containerStatuses"] + status.get("initContainerStatuses", [])}
    return found[container]["state"]["terminated"]["exitCode"]


def living(words: str) -> list[str]:
    """Processes of this test by their command lines."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in (line := file.read_bytes().replace(b"\0", b" ").decode()):
                found.append(line)
        except OSError:
            continue
    return found


def test_containers_run_in_order_and_sidecars_end_last_in_reverse(cluster):
    waits = f"trap 'echo %s ends >> /data/log; exit 7' TERM; echo %s >> /data/log; {LOOP}"
    sidecars = [sh(waits.replace("%s", name), name, restartPolicy="Always") for name in ("one", "two")]
    spec = {
        "initContainers": [sh("echo fetch > /data/log", "fetch"), *sidecars],
        "containers": [sh("sleep 0.5; echo main >> /data/log; (trap '' HUP; sleep 3) & cat /data/log")],
    }
    start(cluster, spec)
    until(lambda: status(cluster).get("phase") == "Running")
    ready = {each["name"]: each["ready"] for each in status(cluster)["initContainerStatuses"]}
    assert ready == {"fetch": True, "one": True, "two": True}
    found = ended(cluster)
    assert found["phase"] == "Succeeded"  # whatever a sidecar's exit code
    assert (code(found), code(found, "fetch"), code(found, "one")) == (0, 0, 7)
    first, *others, last = text().splitlines()
    assert (first, sorted(others), last) == ("fetch", ["one", "two"], "main")
    log = next((paths.HOME / "pods").glob("*/volumes/work/log")).read_text()
    assert log.endswith("main\ntwo ends\none ends\n")
    assert {each["type"]: each["status"] for each in found["conditions"]}["Initialized"] == "True"


@pytest.mark.parametrize(("script", "exit_code"), [("exit 2", 2), ("exit 143", 143), ("kill -9 $$$$", 137)])
def test_exit_codes_are_the_processes(cluster, script, exit_code):
    start(cluster, {"containers": [sh(script)]})
    assert ended(cluster)["phase"] == "Failed"
    assert code(status(cluster)) == exit_code


def test_a_container_is_started_again_as_its_policy_says(cluster):
    start(cluster, {"restartPolicy": "OnFailure", "containers": [sh("echo x >> /data/n; [ $(wc -l < /data/n) = 2 ]")]})
    found = ended(cluster)["containerStatuses"][0]
    assert status(cluster)["phase"] == "Succeeded"
    assert (found["restartCount"], found["lastState"]["terminated"]["exitCode"]) == (1, 1)


def test_a_sidecar_that_ends_is_started_again(cluster):
    sidecar = sh("echo x >> /data/n; [ $(wc -l < /data/n) = 2 ] && sleep 60; exit 1", "side", restartPolicy="Always")
    main = sh("until [ $(wc -l < /data/n) = 2 ]; do sleep 0.1; done")
    start(cluster, {"initContainers": [sidecar], "containers": [main]})
    assert ended(cluster)["phase"] == "Succeeded"
    assert status(cluster)["initContainerStatuses"][0]["restartCount"] == 1


@pytest.mark.faults
def test_a_failed_init_container_ends_the_pod(cluster):
    start(cluster, {"initContainers": [sh("exit 3", "fetch")], "containers": [sh("echo never > /data/log")]})
    found = ended(cluster)
    assert (found["phase"], code(found, "fetch")) == ("Failed", 3)
    assert found["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


@pytest.mark.faults
def test_no_such_program_is_a_start_error(cluster):
    start(cluster, {"containers": [{"name": "main", "image": "x", "command": ["/no/such/file"]}]})
    state = ended(cluster)["containerStatuses"][0]["state"]["terminated"]
    assert (state["exitCode"], state["reason"]) == (128, "StartError")
    assert "/no/such/file" in state["message"]


@pytest.mark.faults
def test_what_a_container_leaves_behind_ends_with_it(cluster):
    start(cluster, {"containers": [sh("setsid sleep 31416 & sleep 0.3; exit 4")]})
    assert code(ended(cluster)) == 4
    assert not living("sleep 31416")


@pytest.mark.faults
def test_a_deadline_ends_the_pod(cluster):
    start(cluster, {"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 1, "containers": [sh("sleep 60")]})
    found = ended(cluster)
    assert (found["phase"], found["reason"]) == ("Failed", "DeadlineExceeded")


@pytest.mark.faults
def test_a_deleted_pod_is_asked_first_and_its_sidecar_after_it(cluster):
    main = f"trap 'echo saved >> /data/log; exit 143' TERM; touch /data/up; {LOOP}"
    side = f"trap 'cat /data/log; exit 0' TERM; {LOOP}"
    start(cluster, {"initContainers": [sh(side, "mirror", restartPolicy="Always")], "containers": [sh(main)]})
    until(lambda: list((paths.HOME / "pods").glob("*/volumes/work/up")))
    delete(cluster, 10)
    until(lambda: f"{PODS}/pod" not in cluster.objects)
    last = [body["status"] for body in cluster.sent("PATCH", "/pod/status")][-1]
    assert (last["phase"], code(last)) == ("Failed", 143)
    assert text(container="mirror") == "saved\n"
    deletion = cluster.sent("DELETE")[-1]
    assert deletion["gracePeriodSeconds"] == 0
    assert deletion["preconditions"]["uid"].startswith("pod-")
    assert not list((paths.HOME / "pods").glob("*"))
    assert not list(paths.RUN.glob("kubernetes-*"))


@pytest.mark.faults
def test_who_ignores_the_grace_is_killed(cluster):
    start(cluster, {"containers": [sh(f"trap '' TERM; touch /data/up; {LOOP}")]})
    until(lambda: list((paths.HOME / "pods").glob("*/volumes/work/up")))
    delete(cluster, 1)
    until(lambda: f"{PODS}/pod" not in cluster.objects)
    assert code(cluster.sent("PATCH", "/pod/status")[-1]["status"]) == 137


@pytest.mark.faults
def test_a_node_that_vanishes_takes_its_processes_and_says_nothing(cluster):
    start(cluster, {"containers": [sh("trap '' TERM; sleep 27183")]})
    until(lambda: living("sleep 27183"))
    until(lambda: any(sent["status"]["phase"] == "Running" for sent in cluster.sent("PATCH", "/status")))
    told = len(cluster.asked)
    cluster.kubelet.lose_node("another")
    assert living("sleep 27183")
    cluster.kubelet.lose_node("node")
    until(lambda: not cluster.kubelet.pods)
    assert not living("sleep 27183")
    cluster.kubelet.see("MODIFIED", cluster.objects[f"{PODS}/pod"])
    assert not cluster.kubelet.pods
    assert [ask for ask in cluster.asked[told:] if ask[0] != "GET"] == []


@pytest.mark.faults
def test_what_is_not_done_here_is_refused_by_the_field(cluster):
    probe = {"exec": {"command": ["true"]}}
    source = {"resourceFieldRef": {"resource": "limits.cpu"}}
    container = sh("true", livenessProbe=probe, env=[{"name": "CPUS", "valueFrom": source}])
    volumes = [{"name": "work", "hostPath": {"path": "/etc"}}]
    start(cluster, {"hostNetwork": True, "volumes": volumes, "containers": [container]})
    assert ended(cluster)["reason"] == "Unsupported"
    (event,) = cluster.sent("POST", "/events")
    assert event["involvedObject"]["name"] == "pod"
    for field in (
        "spec.hostNetwork",
        "spec.volumes[work].hostPath",
        "spec.containers[main].livenessProbe",
        "spec.containers[main].env[CPUS].valueFrom.resourceFieldRef",
    ):
        assert field in event["message"]


@pytest.mark.faults
def test_a_secret_that_is_missing_is_waited_for(cluster):
    source = {"secretKeyRef": {"name": "hub", "key": "token"}}
    start(cluster, {"containers": [sh("echo $TOKEN", env=[{"name": "TOKEN", "valueFrom": source}])]})
    until(lambda: status(cluster).get("containerStatuses"))
    waiting = status(cluster)["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": "secret 'hub' not found"}
    cluster.put("/api/v1/namespaces/training/secrets/hub", {"data": {"token": "aGZfMQ=="}})
    assert ended(cluster)["phase"] == "Succeeded"
    assert text() == "hf_1\n"
    assert len(cluster.sent("POST", "/events")) == 1


@pytest.mark.faults
def test_an_image_that_cannot_be_pulled_is_told(cluster):
    start(cluster, {"containers": [sh("true", image="registry.invalid/train:1")]})
    until(lambda: status(cluster).get("containerStatuses"))
    waiting = status(cluster)["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert "registry.invalid: no such host" in waiting["message"]
    assert status(cluster)["phase"] == "Pending"


@pytest.mark.faults
def test_a_status_waits_for_an_api_server_that_is_away(cluster):
    start(cluster, {"containers": [sh("touch /data/up; until [ -f /data/go ]; do sleep 0.1; done; exit 5")]})
    until(lambda: list((paths.HOME / "pods").glob("*/volumes/work/up")))
    cluster.away = True
    (next((paths.HOME / "pods").glob("*/volumes/work")) / "go").touch()
    time.sleep(0.7)
    cluster.away = False
    assert code(ended(cluster)) == 5


@pytest.mark.faults
def test_a_new_kubelet_ends_what_the_one_before_it_ran(cluster):
    start(cluster, {"containers": [sh("trap '' TERM; touch /data/up; sleep 16180")]})
    until(lambda: status(cluster).get("phase") == "Running" and living("sleep 16180"))
    pod = cluster.objects[f"{PODS}/pod"]
    old, cluster.kubelet = cluster.kubelet, Kubelet(cluster.kubelet.api, NoIdentities())
    old.pods[pod["metadata"]["uid"]].gone.set()  # it writes nothing any more, as if it had been killed
    cluster.kubelet.see("MODIFIED", pod)
    found = ended(cluster)["containerStatuses"][0]["state"]["terminated"]
    assert (found["exitCode"], found["reason"]) == (137, "ContainerStatusUnknown")
    assert not living("sleep 16180")
    old.lose_node("node")
    until(lambda: not old.pods)


@pytest.mark.faults
def test_a_pod_of_which_nobody_knows_leaves_nothing_to_end(cluster):
    end_all("never-seen")
    pod = {"metadata": {"name": "pod", "namespace": "training", "uid": "u", "deletionTimestamp": "now"}}
    cluster.kubelet.see("MODIFIED", pod | {"spec": {"nodeName": "node"}, "status": {"phase": "Failed"}})
    assert [path for how, path, _ in cluster.asked if how == "DELETE"] == [f"{PODS}/pod"]


def test_paths_names_ports_and_variables_are_what_stands_for_them_here(cluster):
    cluster.put("/api/v1/namespaces/training/configmaps/all", {"data": {"K": "from-config"}})
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)b $$(A) $(NONE)"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "INDEX", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['index']"}}},
        {"name": "PET_MASTER_ADDR", "value": "run-node-0-0.run"},
        {"name": "PET_MASTER_PORT", "value": "29500"},
        {"name": "MASTER", "value": "run-node-0-0.run:29500"},
        {"name": "DATA", "value": f"{ROOT}/input s3://bucket{ROOT}/input"},
    ]
    names = [*(each["name"] for each in env), "K", "TANDEM_ML_ROOT", "HOSTNAME"]
    show = "import os, sys; print(*(os.environ[name] for name in sys.argv[2:]), sys.argv[1], sep='|')"
    container = {
        "name": "main", "image": "x", "command": ["python3", "-c", show, f"{ROOT}/model", *names],
        "env": env, "envFrom": [{"configMapRef": {"name": "all"}}],
        "ports": [{"containerPort": 29500}], "volumeMounts": [{"name": "work", "mountPath": ROOT}],
    }  # fmt: skip
    gang = {"jobset.sigs.k8s.io/jobset-uid": "j", "jobset.sigs.k8s.io/restart-attempt": "0"}
    spec = {"subdomain": "run", "hostname": "run-node-0-1", "containers": [container]}
    (paths.HOME / "training" / "bin" / "python3").symlink_to(sys.executable)
    for name, attempt in (("one", "0"), ("two", "0"), ("three", "1")):
        labels = gang | {"jobset.sigs.k8s.io/restart-attempt": attempt}
        start(cluster, spec, name, labels=labels, annotations={"index": "1"})
    said = {name: ended(cluster, name) and text(name).strip().split("|") for name in ("one", "two", "three")}
    a, b, node, index, address, port, master, data, k, root, host, argument = said["one"]
    assert (a, b, node, index, k) == ("a", "ab $(A) $(NONE)", "node", "1", "from-config")
    assert (address, master, host) == ("127.0.0.1", f"127.0.0.1:{port}", "run-node-0-1")
    assert data == f"{root}/input s3://bucket{ROOT}/input"
    assert (Path(root).name, argument) == ("work", f"{root}/model")
    assert port != "29500"
    assert said["two"][5] == port  # the gang's
    assert said["three"][5] != port  # another attempt's
    assert said["two"][9] != root


def test_credentials_of_the_account_reach_no_pod(cluster, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAROOT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "root")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    start(cluster, {"containers": [sh("env | grep ^AWS_ | sort")]})
    ended(cluster)
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:1" in text()
    assert "AKIAROOT" not in text() and "SECRET" not in text()


def test_a_sidecar_is_not_waited_for_longer_than_the_grace(cluster):
    stubborn = sh(f"trap '' TERM; {LOOP}", "mirror", restartPolicy="Always")
    spec = {"terminationGracePeriodSeconds": 1, "initContainers": [stubborn], "containers": [sh("exit 0")]}
    began = time.monotonic()
    start(cluster, spec)
    found = ended(cluster)
    assert (found["phase"], code(found, "mirror")) == ("Succeeded", 128 + signal.SIGKILL)
    assert time.monotonic() - began < 8
