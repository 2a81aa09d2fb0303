"""Runs the controllers of the charts that are installed: `python -m localcloud.kubernetes.controller_runner`.

It does for their Deployments what kubelets do: a controller runs as long as its Deployment is there, with the settings
of its ConfigMap, the token of its service account and the certificate of its Secret; its Pods are ready when it is.
"""

import base64
import hashlib
import json
import logging
import os
import socket
import threading
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from localcloud import files, paths
from localcloud.kubernetes import builds, capacity, control_plane
from localcloud.kubernetes.api import STRATEGIC, Api, Json
from localcloud.kubernetes.controllers import CONTROLLERS, HEALTH, NAME, SETTINGS, record, settings
from localcloud.services import supervisor

APPS = f"{NAME} in ({','.join(controller.app for controller in CONTROLLERS.values())})"
POLL_SECONDS = 0.5
SILENT_SECONDS = 60.0
LONGEST_PAUSE = 10.0  # before a controller that ended is started again
TOKEN_SECONDS = 365 * 24 * 3600


class Runner:
    """Keeps controllers and Deployments in step."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.seen = time.monotonic()
        self._ended: dict[str, tuple[int, float]] = {}
        """By controller, how often it ended by itself, and when it was started last."""

    def run(self) -> None:
        """Do it for ever."""
        while True:
            deployments = {
                each["spec"]["template"]["metadata"]["labels"].get(NAME): each
                for each in self.api.items("/apis/apps/v1/deployments", labelSelector=APPS)
                if each["spec"]["replicas"] and "deletionTimestamp" not in each["metadata"]
            }
            pods = self.api.items("/api/v1/pods", labelSelector=APPS)
            for name, controller in CONTROLLERS.items():
                mine = [pod for pod in pods if pod["metadata"]["labels"][NAME] == controller.app]
                try:
                    self._round(name, deployments.get(controller.app), mine)
                except Exception:  # of a chart with other settings, say: the other controllers go on
                    logging.exception("%s", name)
            self.seen = time.monotonic()
            time.sleep(POLL_SECONDS)

    def _round(self, name: str, deployment: Json | None, pods: list[Json]) -> None:
        ready = self._keep(name, deployment)
        for pod in pods:
            self._tell(pod, ready)

    def _keep(self, name: str, deployment: Json | None) -> bool:
        """Let the controller run or not, as it should; return whether it is ready."""
        about = supervisor.running(record(name))
        if not deployment:
            if about:
                logging.info("%s ends: its Deployment is gone", name)
            supervisor.end([record(name)])
            return False
        namespace, spec = deployment["metadata"]["namespace"], deployment["spec"]["template"]["spec"]
        objects = {kind: self._mounted(namespace, spec, kind) for kind in ("configMap", "secret")}
        if None in objects.values():  # a kubelet waits too
            return False
        _write_certificate(paths.KUBERNETES / name, objects["secret"] or {})
        text = json.dumps([deployment["metadata"]["uid"], spec, objects["configMap"]], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if about.get("digest", digest) != digest:
            logging.info("%s is started again: its Deployment has changed", name)
            supervisor.end([record(name)])
            about = {}
        if not about and self._may_start(name):
            about = self._start(name, deployment, objects["configMap"] or {}, digest)
        return bool(about) and _answers(about[HEALTH])

    def _mounted(self, namespace: str, spec: Json, kind: str) -> dict[str, str] | None:
        """What the object that a Pod mounts as its one volume of this kind holds; empty where it mounts none."""
        key = {"configMap": "name", "secret": "secretName"}[kind]
        for volume in spec.get("volumes", []):
            if kind in volume:
                path = f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{volume[kind][key]}"
                status, found = self.api.call("GET", path)
                return (found.get("data") or {}) if status == 200 else None
        return {}

    def _may_start(self, name: str) -> bool:
        """Whether it isn't too soon after it ended last."""
        times, started = self._ended.get(name, (0, 0.0))
        if record(name).exists() and time.monotonic() - started < min(LONGEST_PAUSE, 0.5 * 2**times):
            return False
        self._ended[name] = (times + 1 if record(name).exists() else 0, time.monotonic())
        return True

    def _start(self, name: str, deployment: Json, given: dict[str, str], digest: str) -> dict[str, Any]:
        namespace, pod = deployment["metadata"]["namespace"], deployment["spec"]["template"]
        container = pod["spec"]["containers"][0]
        folder = paths.KUBERNETES / name
        folder.mkdir(exist_ok=True)
        wanted = CONTROLLERS[name].ports
        ports = dict(zip([HEALTH, *wanted.values()], _free_ports(len(wanted) + 1), strict=True))
        account = pod["spec"]["serviceAccountName"]
        if not (token := self._token(namespace, account)):
            return {}
        files.write(folder / "token", token, 0o600)
        files.write(folder / "kubeconfig", control_plane.kubeconfig(folder / "token"), 0o600)
        files.write(folder / "namespace", namespace)
        environment = {"HOME": str(folder), "TMPDIR": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
        command: list[str | Path] = [builds.folder() / name]
        if wanted:
            content = settings(name, yaml.safe_load(given[SETTINGS]), namespace, ports)
            files.write(folder / SETTINGS, yaml.safe_dump(content))
            # Their other arguments are as the chart has them.
            command += [argument for argument in container["args"] if not argument.startswith("--config=")]
            command += [f"--config={SETTINGS}", "--kubeconfig=kubeconfig"]
        else:
            environment |= self._karpenter(folder, container, namespace, account, ports[HEALTH])
        named = {each["name"]: str(each["containerPort"]) for each in container.get("ports", ())}
        local = {port: ports[what] for port, what in wanted.items()}
        targets = local | {named_as: local[port] for named_as, port in named.items() if port in local}
        about = {"namespace": namespace, "labels": pod["metadata"]["labels"], "targets": targets, "digest": digest}
        process = supervisor.spawn(
            record(name), paths.LOGS / f"{name}.log", command, environment, folder, **about, **{HEALTH: ports[HEALTH]}
        )
        threading.Thread(target=process.wait, daemon=True).start()
        logging.info("%s starts, process %d, as %s of %s", name, process.pid, account, namespace)
        return supervisor.running(record(name))

    def _token(self, namespace: str, account: str) -> str:
        """A token of the service account, as kubelets ask for one; empty while it isn't there."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        status, answer = self.api.call("POST", path, asked | {"spec": {"expirationSeconds": TOKEN_SECONDS}})
        return answer["status"]["token"] if status < 400 else ""

    def _karpenter(self, folder: Path, container: Json, namespace: str, account: str, health: int) -> dict[str, str]:
        """The environment of Karpenter, which here makes simulated nodes, and needs leave to."""
        files.write(folder / "instance-types.json", json.dumps(capacity.karpenter_types()))
        name = "tandem-local-karpenter"
        self.api.apply(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        })  # fmt: skip
        return {each["name"]: each["value"] for each in container["env"] if "value" in each} | {
            "SYSTEM_NAMESPACE": namespace,
            "DISABLE_LEADER_ELECTION": "true",
            "INSTANCE_TYPES_FILE_PATH": "instance-types.json",
            "METRICS_PORT": str(_free_ports(1)[0]),
            "HEALTH_PROBE_PORT": str(health),
        }

    def _tell(self, pod: Json, ready: bool) -> None:
        """Write a Pod's status: it runs from when it has a node, and is ready when the process is."""
        about, status = pod["metadata"], pod.get("status", {})
        if not pod["spec"].get("nodeName") or "deletionTimestamp" in about:
            return
        told = {each["type"]: each["status"] for each in status.get("conditions", ())}
        if status.get("podIP") and told.get("Ready") == str(ready):
            return
        now = datetime.now(UTC).strftime("%FT%TZ")
        conditions = {"Initialized": True, "ContainersReady": ready, "Ready": ready}
        number = int(hashlib.sha256(about["uid"].encode()).hexdigest(), 16)
        address = f"10.244.{number % 250 + 1}.{number // 250 % 250 + 1}"
        self.api.call("PATCH", f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/status", {
            "status": {
                "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
                "conditions": [
                    {"type": kind, "status": str(value), "lastTransitionTime": now}
                    for kind, value in conditions.items()
                ],
                "containerStatuses": [
                    {
                        "name": each["name"], "image": each["image"], "imageID": "", "restartCount": 0, "ready": ready,
                        "started": ready, "state": {"running": {"startedAt": now}},
                    }
                    for each in pod["spec"]["containers"]
                ],
            }
        }, STRATEGIC)  # fmt: skip


def _write_certificate(folder: Path, secret: dict[str, str]) -> None:
    """Bring the Secret, which its own controller fills, to where that one looks for it."""
    target = folder / "k8s-webhook-server" / "serving-certs"
    target.mkdir(parents=True, exist_ok=True)
    for name, value in secret.items():
        content = base64.b64decode(value).decode()
        if name.startswith("tls.") and not ((target / name).exists() and (target / name).read_text() == content):
            files.write(target / name, content, 0o600)


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
        return True
    return False


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def serve(runner: Runner) -> None:
    """Answer whether the runner still goes round."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if time.monotonic() - runner.seen < SILENT_SECONDS else 503)
            self.end_headers()
            self.wfile.write(b"ok")  # an answer without a body is none for the supervisor

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the health is asked for all the time."""

    address = ("127.0.0.1", int(os.environ[control_plane.CONTROLLER_RUNNER.variable]))
    threading.Thread(target=ThreadingHTTPServer(address, Health).serve_forever, daemon=True).start()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    runner = Runner(control_plane.api())
    serve(runner)
    runner.run()
