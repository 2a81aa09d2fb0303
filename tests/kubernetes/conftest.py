"""The Kubernetes tier: for each worker a local cloud with a control plane."""

import json
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localcloud.kubernetes import control_plane
from localcloud.services import supervisor
from tests.local.conftest import ROOT, WORKER, Cloud, local_cloud
from tests.support.deployer import check_calls

HOME = ROOT / ".tandem" / "test" / f"kubernetes-{WORKER}"
PROGRAM = Path(__file__).with_name("charts")
CONTROLLERS = {
    "karpenter": "kube-system:karpenter",
    "kueue": "kueue-system:kueue-controller-manager",
    "trainer": "kubeflow-system:kubeflow-trainer-controller-manager",
    "jobset": "kubeflow-system:jobset-controller",
}
"""Program -> namespace and name of its service account."""
PARTS = (*supervisor.PARTS, *control_plane.PARTS)


@dataclass
class Kubernetes:
    """The API server, asked as the deployer unless another token is given."""

    cloud: Cloud

    def ask(self, path: str, body: Any = None, method: str = "", token: str = "") -> tuple[int, Any]:
        """HTTP status and answer."""
        folder = self.cloud.home / "kubernetes"
        url = json.loads((folder / "cluster.json").read_text())["endpoint"] + path
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {token or (folder / 'token').read_text()}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method or ("POST" if data else "GET"))
        trusted = ssl.create_default_context(cafile=folder / "ca.crt")
        try:
            with urllib.request.urlopen(request, timeout=30, context=trusted) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = error.read()
            return error.code, json.loads(said) if said.startswith(b"{") else said.decode()

    def who(self, token: str) -> dict[str, Any]:
        """The user that a token stands for; empty where it opens nothing."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        status, answer = self.ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", review, token=token)
        return answer["status"]["userInfo"] if status == 201 else {}

    def items(self, path: str) -> list[dict]:
        status, answer = self.ask(path)
        return answer["items"] if status == 200 else []


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A local cloud with Kubernetes, empty at first, whose calls are checked at the end."""
    with local_cloud(HOME, PARTS, "--kubernetes") as started:
        yield started
        check_calls(HOME / "logs" / "calls.log")


@pytest.fixture(scope="session")
def kubernetes(cloud) -> Kubernetes:
    return Kubernetes(cloud)


def pulumi(cloud: Cloud, *arguments: str, **variables: str):
    """The engine on the charts' program."""
    return cloud.pulumi(*arguments, "--stack", "charts", cwd=cloud.home / "charts", env=variables, timeout=600)


@pytest.fixture(scope="session")
def charts(cloud) -> Cloud:
    """The charts of all controllers, installed; the last of these files destroys them."""
    folder = shutil.copytree(PROGRAM, cloud.home / "charts", dirs_exist_ok=True)
    cloud.pulumi("stack", "init", "charts", "--no-select", cwd=folder, check=False)  # a kept cloud has it
    pulumi(cloud, "up", "--yes", "--skip-preview")
    return cloud


def controller(cloud: Cloud, name: str) -> dict:
    """What is noted of the process of a controller; empty where none is."""
    record = cloud.home / "run" / f"controllers-{name}.json"
    return json.loads(record.read_text()) if record.exists() else {}
