"""Charts of controllers, unmodified, by the real Kubernetes provider; the controllers run for what is installed."""

import base64
import json
import os
import signal

import pytest

from tests.kubernetes.conftest import CONTROLLERS, Kubernetes, controller, pulumi
from tests.local.conftest import until

pytestmark = pytest.mark.kubernetes

QUEUE = {
    "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": "training"},
    "spec": {"namespaceSelector": {}, "resourceGroups": [{
        "coveredResources": ["nvidia.com/gpu"],
        "flavors": [{"name": "gpu", "resources": [{"name": "nvidia.com/gpu", "nominalQuota": "-1"}]}],
    }]},
}  # fmt: skip


def ready(kubernetes: Kubernetes, app: str) -> list[str]:
    """The readiness of each Pod of a chart, as the API server has it."""
    pods = kubernetes.items(f"/api/v1/pods?labelSelector=app.kubernetes.io/name={app}")
    conditions = [condition for pod in pods for condition in pod["status"].get("conditions", ())]
    return [condition["status"] for condition in conditions if condition["type"] == "Ready"]


def test_each_controller_runs_as_its_own_service_account(charts, kubernetes):
    for name, account in CONTROLLERS.items():
        os.kill(controller(charts, name)["pid"], 0)
        token = (charts.home / "kubernetes" / name / "token").read_text()
        assert kubernetes.who(token)["username"] == f"system:serviceaccount:{account}"


def test_webhooks_judge_and_aggregated_apis_answer(charts, kubernetes):
    """By the controllers' own certificates, which they made and wrote into their webhooks themselves."""
    status, answer = kubernetes.ask("/apis/kueue.x-k8s.io/v1beta2/clusterqueues", QUEUE)
    assert (status, "nominalQuota" in answer["message"]) == (403, True), answer
    job = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": {"name": "job"}}
    path = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs"
    status, answer = kubernetes.ask(path, job | {"spec": {"runtimeRef": {"name": "unknown"}}})
    assert (status, "unknown" in answer["message"]) == (403, True), answer
    services = kubernetes.items("/apis/apiregistration.k8s.io/v1/apiservices")
    assert {each["status"]["conditions"][0]["status"] for each in services} == {"True"}


def test_a_tag_of_the_cluster_is_all_that_a_second_preview_would_change(charts):
    steps = json.loads(pulumi(charts, "preview", "--json", TEAM="two").stdout)["steps"]
    changed = {step["urn"].split("::")[-2].split("$")[-1] for step in steps if step["op"] != "same"}
    assert changed == {"aws:eks/cluster:Cluster"}


@pytest.mark.faults
def test_a_controller_that_is_killed_is_not_ready_until_it_runs_again(charts, kubernetes):
    os.kill(killed := controller(charts, "kueue")["pid"], signal.SIGKILL)
    until(lambda: ready(kubernetes, "kueue") == ["False"], 20, "its Pod is told as not ready", every=0.1)
    until(lambda: ready(kubernetes, "kueue") == ["True"], 60, "it runs again")
    assert controller(charts, "kueue")["pid"] != killed
    assert kubernetes.ask("/apis/kueue.x-k8s.io/v1beta2/clusterqueues", QUEUE)[0] == 403


def test_a_changed_chart_starts_its_controller_again(charts, kubernetes):
    settings = "/api/v1/namespaces/kueue-system/configmaps/kueue-manager-config"
    data = kubernetes.ask(settings)[1]["data"]["controller_manager_config.yaml"]
    before = controller(charts, "kueue")["pid"]
    changed = {"controller_manager_config.yaml": f"{data}\nmanageJobsWithoutQueueName: true\n"}
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kueue-manager-config"}, "data": changed}
    assert kubernetes.ask(f"{settings}?fieldManager=test&force=true", patch, "PATCH")[0] == 200
    until(lambda: controller(charts, "kueue").get("pid", before) != before, 30, "it is started again")
    local = (charts.home / "kubernetes" / "kueue" / "controller_manager_config.yaml").read_text()
    assert "manageJobsWithoutQueueName: true" in local and "leaderElect: false" in local
    until(lambda: ready(kubernetes, "kueue") == ["True"], 60, "it is ready")


def test_certificates_are_those_of_the_controllers(charts, kubernetes):
    for name, secret in (
        ("kueue", "kueue-system/secrets/kueue-webhook-server-cert"),
        ("trainer", "kubeflow-system/secrets/kubeflow-trainer-webhook-cert"),
    ):
        data = kubernetes.ask(f"/api/v1/namespaces/{secret}")[1]["data"]
        folder = charts.home / "kubernetes" / name / "k8s-webhook-server" / "serving-certs"
        assert (folder / "tls.crt").read_bytes() == base64.b64decode(data["tls.crt"])
