"""The process beside the local control plane: the way to webhooks, Pod Identity, and all of it started as it is."""

import datetime
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from types import SimpleNamespace

import pytest
from tandem_contract.cluster import Label

from localcloud.kubernetes import egress, identity
from localcloud.kubernetes.api import Api
from localcloud.kubernetes.egress import Proxy
from localcloud.kubernetes.identity import Clusters, Identities
from scripts.recorder import ROOT
from tests.support import kubernetes_process_api as kubernetes_api

SERVICE = "/api/v1/namespaces/kueue-system/services/kueue-webhook-service"
ROLE = "arn:aws:iam::000000000000:role/training"


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "token").write_text("secret")
    with kubernetes_api.serve() as (url, held):
        held.url, held.api = url, Api(url, tmp_path / "ca", tmp_path / "token")
        yield held


def echo() -> int:
    """The port of a server that answers one connection with what it is sent."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as peer:
            while piece := peer.recv(100):
                peer.sendall(piece)

    threading.Thread(target=answer, daemon=True).start()
    return server.getsockname()[1]


def ask(name: str, head: bytes, body: bytes = b"") -> bytes:
    """What comes back by the socket, until it is closed."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect("\0" + name.removeprefix("@"))
        peer.sendall(head)
        said = peer.recv(1000)
        if said.startswith(b"HTTP/1.1 200"):
            peer.sendall(body)
            peer.shutdown(socket.SHUT_WR)
        while piece := peer.recv(1000):
            said += piece
        return said


@pytest.fixture
def proxy(cluster):
    """The proxy's name; its controllers listen where `cluster.ports` says, by namespace, selector and target port."""
    cluster.ports = {}
    spec = {"clusterIP": "10.100.0.7", "selector": {"app": "kueue"}, "ports": [{"port": 443, "targetPort": "webhook"}]}
    cluster.put(SERVICE, {"metadata": {"name": "kueue-webhook-service", "namespace": "kueue-system"}, "spec": spec})
    name = f"@test-{secrets.token_hex(8)}"

    def local_port(namespace, selector, target):
        return cluster.ports.get((namespace, *selector.values(), target))

    with Proxy(name, cluster.api, local_port) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield name
        server.shutdown()


def test_a_webhook_is_reached_by_its_service(cluster, proxy):
    cluster.ports["kueue-system", "kueue", "webhook"] = echo()
    said = ask(proxy, b"CONNECT 10.100.0.7:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"hello")
    assert said == b"HTTP/1.1 200 OK\r\n\r\nhello"


@pytest.mark.faults
def test_a_controller_that_starts_is_waited_for(cluster, proxy):
    later = threading.Timer(0.5, lambda: cluster.ports.update({("kueue-system", "kueue", "webhook"): echo()}))
    later.start()
    said = ask(proxy, b"CONNECT 10.100.0.7:443 HTTP/1.1\r\n\r\n", b"hello")
    assert said.endswith(b"hello")


@pytest.mark.faults
def test_what_is_not_there_is_told(cluster, proxy, monkeypatch):
    monkeypatch.setattr(egress, "PATIENCE_SECONDS", 0.1)
    cluster.ports["kueue-system", "kueue", "webhook"] = 1  # nothing listens there
    here = b"nothing listens for port 443 of service kueue-system/kueue-webhook-service"
    assert here in ask(proxy, b"CONNECT 10.100.0.7:443 HTTP/1.1\r\n\r\n")
    cluster.remove(SERVICE)
    assert b"502 no service has the address 10.100.0.7" in ask(proxy, b"CONNECT 10.100.0.7:443 HTTP/1.1\r\n\r\n")
    assert b"502 only CONNECT is served" in ask(proxy, b"GET / HTTP/1.1\r\n\r\n")


class Account:
    """EKS and STS as a Pod's identity asks them."""

    def __init__(self, associations: dict) -> None:
        self.associations, self.assumed = associations, []

    def list_clusters(self):
        return {"clusters": ["foreign", "gpu"]}

    def describe_cluster(self, name):
        return {"cluster": {"endpoint": "https://here" if name == "gpu" else "https://there"}}

    def list_pod_identity_associations(self, clusterName, namespace, serviceAccount):
        found = self.associations.get((clusterName, namespace, serviceAccount))
        return {"associations": [{"associationId": found}] if found else []}

    def describe_pod_identity_association(self, clusterName, associationId):
        return {"association": {"roleArn": ROLE}}

    def assume_role(self, **asked):
        self.assumed.append(asked)
        until = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        keys = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until}
        return {"Credentials": keys}


def test_a_pod_has_the_credentials_of_its_service_account_alone(monkeypatch):
    account = Account({("gpu", "training", "trainer"): "a-1"})
    monkeypatch.setattr(identity, "client", lambda service: account)
    identities = Identities(Clusters("https://here"), 4711)
    assert identities.variables("uid", "training", "default") == {}
    told = identities.variables("uid", "training", "trainer")
    assert told["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:4711/v1/credentials"
    token = told["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    status, body = identities.answer(token)
    assert status == 200
    assert json.loads(body) == {
        "AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert account.assumed[0]["RoleArn"] == ROLE
    assert identities.answer("another")[0] == 403
    identities.drop("uid")
    assert identities.answer(token)[0] == 403


def test_without_a_cluster_there_is_no_role(monkeypatch):
    monkeypatch.setattr(identity, "client", lambda service: SimpleNamespace(list_clusters=lambda: {"clusters": []}))
    assert Identities(Clusters("https://here"), 4711).variables("uid", "training", "trainer") == {}


def until(true, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_process_does_all_of_it(cluster, tmp_path):
    """A Pod is found by the watch, runs, and ends with its node; the health answers."""
    cluster.put("/clusters", {"clusters": []})  # what the emulator says
    cluster.put("/api/v1/nodes/node", {})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"api": cluster.url, "ca": str(tmp_path / "ca"), "token": str(tmp_path / "token")}
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(settings | {"socket": f"@test-{port}", "port": port}))
    (tmp_path / "training" / "bin").mkdir(parents=True)
    (tmp_path / "training" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "run").mkdir()
    cloud = {
        "TANDEM_LOCAL_HOME": str(tmp_path), "TANDEM_LOCAL_EMULATOR_PORT": cluster.url.rpartition(":")[2],
        "AWS_ENDPOINT_URL": cluster.url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s",
    }  # fmt: skip
    command = [sys.executable, "-m", "localcloud.kubernetes", file]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | cloud, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port))
        about = {"name": "pod", "namespace": "a", "uid": "u", "labels": {Label.POD: Label.PROCESS}}
        container = {"name": "main", "image": "x", "command": ["sleep", "14142"]}
        spec = {"nodeName": "node", "restartPolicy": "Never", "containers": [container]}
        cluster.put("/api/v1/namespaces/a/pods/foreign", {"metadata": about | {"uid": "f", "labels": {}}, "spec": spec})
        cluster.put("/api/v1/namespaces/a/pods/pod", {"metadata": about, "spec": spec, "status": {}})
        until(lambda: cluster.objects["/api/v1/namespaces/a/pods/pod"]["status"].get("phase") == "Running")
        (record,) = (tmp_path / "run").glob("kubernetes-*.json")
        assert record.name == "kubernetes-u-main-0.json"
        pid = json.loads(record.read_text())["pid"]
        cluster.remove("/api/v1/nodes/node")
        until(lambda: not record.exists())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        process.kill()
        process.wait()
        print((tmp_path / "log").read_text())


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False
