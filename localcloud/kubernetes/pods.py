"""A stand-in for the kubelet: containers of Pods with our label run as processes of this machine, and their real exit
codes go to the API server. Nodes and all other Pods are kwok's.

One thread a Pod. A node that vanishes takes its processes with it (SIGKILL) and says nothing; a Pod that is deleted
ends as by a kubelet: SIGTERM, the time of grace, SIGKILL, its status, and then its object.
"""

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tandem_contract.cluster import Label

from localcloud import paths
from localcloud.kubernetes.api import MANAGER, STRATEGIC, Api, Json, begin
from localcloud.kubernetes.containers import KILLED, Container, Waits, end_all, now
from localcloud.kubernetes.identity import Identities
from localcloud.kubernetes.sandbox import Ports, Sandbox, unsupported

PODS = "/api/v1/pods"
SELECTOR = f"{Label.POD}={Label.PROCESS}"
TICK_SECONDS = 0.1
LOGS_KEPT = 40  # Pods


class Pod:
    """One Pod from the node that it was given to its end."""

    def __init__(self, content: Json, api: Api, ports: Ports, identities: Identities) -> None:
        self.meta, self.spec, self.api = content["metadata"], content["spec"], api
        self.uid, self.node = self.meta["uid"], self.spec["nodeName"]
        self.url = f"/api/v1/namespaces/{self.meta['namespace']}/pods/{self.meta['name']}"
        self.phase_before = content.get("status", {}).get("phase")
        self.sandbox = Sandbox(content, api, ports, identities)
        logs = paths.LOGS / "pods" / f"{self.meta['namespace']}_{self.meta['name']}"
        self.inits = [Container(c, self.uid, logs, _role(c)) for c in self.spec.get("initContainers", [])]
        self.mains = [Container(c, self.uid, logs, "main") for c in self.spec["containers"]]
        self.grace: float = self.spec.get("terminationGracePeriodSeconds", 30)
        self.asked, self.gone = threading.Event(), threading.Event()  # to end with grace; node or object is gone
        self.started, self.message, self._since, self._sent = now(), {}, {}, ""

    def run(self) -> None:
        """Live, and stay until the object may go."""
        try:
            phase = self._live() if self.phase_before in (None, "Pending") else self._lost()
        except Exception as error:
            logging.exception("%s", self.url)
            self.event("LocalCloudFailed", f"{type(error).__name__}: {error}")
            phase = "Failed"
        if not self.gone.is_set():
            self._report(phase)
            self.asked.wait()
        for container in (*self.inits, *self.mains):
            container.kill()
        self.sandbox.remove()
        if not self.gone.is_set():
            at_once = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
            self.api.call("DELETE", self.url, at_once)

    def ask(self, grace: float) -> None:
        """End with that many seconds of grace."""
        self.grace = grace
        self.asked.set()

    def lose(self) -> None:
        """Nobody is left to tell: end now."""
        self.gone.set()
        self.asked.set()

    def event(self, reason: str, message: str) -> None:
        """Tell the user what `kubectl describe` shows."""
        about = {"kind": "Pod", "apiVersion": "v1", "name": self.meta["name"], "namespace": self.meta["namespace"]}
        content = {
            "metadata": {"generateName": f"{self.meta['name']}."},
            "involvedObject": about | {"uid": self.uid},
            "type": "Warning",
            "reason": reason,
            "message": message[:900],
            "source": {"component": MANAGER},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
        }
        self.api.call("POST", f"/api/v1/namespaces/{self.meta['namespace']}/events", content)

    def _live(self) -> str:
        """Run the containers in a kubelet's order; the phase at the end."""
        end_all(self.uid)
        if fields := unsupported(self.spec):
            said = f"the local cloud can't do what this Pod asks for: {', '.join(fields)}"
            self.event("Unsupported", said)
            self.message = {"reason": "Unsupported", "message": said}
            return "Failed"
        limit = self.spec.get("activeDeadlineSeconds", float("inf"))
        overdue = time.monotonic() + limit
        again = self.spec.get("restartPolicy", "Always")

        def over() -> bool:
            return self.asked.is_set() or time.monotonic() > overdue

        healthy = self._initialise(over, "Never" if again == "Never" else "OnFailure")
        while healthy and not over() and not self._ended(again):
            self._tend()
            self._report("Running" if any(c.running or c.restarts for c in self.mains) else "Pending")
            time.sleep(TICK_SECONDS)
        if time.monotonic() > overdue:
            self.message = {"reason": "DeadlineExceeded", "message": f"Pod was active longer than {limit} s"}
        self._finish()
        done = healthy and not self.message and all(container.code == 0 for container in self.mains)
        return "Succeeded" if done else "Failed"

    def _initialise(self, over: Callable[[], bool], again: str) -> bool:
        """Init containers one after the other, sidecars as they come; whether the others may start."""
        for container in self.inits:
            while not over():
                self._advance(container, "Always" if container.role == "sidecar" else again)
                self._tend()
                self._report("Pending")
                if (container.running and container.role == "sidecar") or container.code == 0:
                    break
                if container.code is not None and container.role == "init" and again == "Never":
                    return False
                time.sleep(TICK_SECONDS)
        return not over()

    def _ended(self, again: str) -> bool:
        """Go on with the main containers; whether all have ended for good."""
        for container in self.mains:
            self._advance(container, again)
        return all(container.code is not None for container in self.mains)

    def _tend(self) -> None:
        """Sidecars that have started are started again, whatever the Pod's policy."""
        for container in self.inits:
            if container.role == "sidecar" and (container.restarts or container.state != "waiting"):
                self._advance(container, "Always")

    def _advance(self, container: Container, again: str) -> None:
        """Start a container that waits, or that has ended and is to run again."""
        container.look()
        code = container.code
        if code is not None and (again == "Always" or (again == "OnFailure" and code)):
            container.restart()
        if container.state != "waiting" or time.monotonic() < container.not_before:
            return
        try:
            host = container.spec["image"].partition("/")[0].partition(":")[0]
            if host.endswith(".invalid"):  # by RFC 6761 no such name resolves
                raise Waits("ErrImagePull", f"failed to pull {container.spec['image']}: {host}: no such host")
            container.start(*self.sandbox.prepare(container.spec))
        except Waits as problem:
            if container.about.get("message") != str(problem):
                self.event("Failed", f"{container.name}: {problem}")
            container.wait(1, problem.reason, str(problem))

    def _finish(self) -> None:
        """End what runs: main containers, then sidecars, the last one first, all within one grace."""
        until = time.monotonic() + self.grace
        sidecars = [container for container in reversed(self.inits) if container.role == "sidecar"]
        others = [container for container in (*self.inits, *self.mains) if container.role != "sidecar"]
        for group in (others, *([container] for container in sidecars)):
            for container in group if not self.gone.is_set() else ():
                container.ask()
            while any(c.running for c in group) and time.monotonic() < until and not self.gone.is_set():
                time.sleep(TICK_SECONDS / 2)
            for container in group:
                container.kill()

    def _lost(self) -> str:
        """It ran when this process was another: what is left of it is ended, not adopted."""
        end_all(self.uid)
        for container in (*self.inits, *self.mains):
            container.terminate(KILLED, "ContainerStatusUnknown", "the local cloud was started again")
        return "Failed"

    def _report(self, phase: str) -> None:
        """Write the status, if it is another one."""
        done = phase in ("Succeeded", "Failed")
        ready = phase == "Running" and all(container.running for container in self.mains)
        initialised = (
            all(c.code == 0 or (c.role == "sidecar" and c.running) for c in self.inits) or phase == "Succeeded"
        )
        held = {
            "PodReadyToStartContainers": not done,
            "Initialized": initialised,
            "ContainersReady": ready,
            "Ready": ready,
        }
        status = {
            "phase": phase,
            **self.message,
            "startTime": self.started,
            "podIP": self.sandbox.ip,
            "podIPs": [{"ip": self.sandbox.ip}],
            "hostIP": self.sandbox.ip,
            "conditions": [
                self._condition(kind, true, "PodCompleted" if done else None) for kind, true in held.items()
            ],
            "containerStatuses": [container.status() for container in self.mains],
            **({"initContainerStatuses": [container.status() for container in self.inits]} if self.inits else {}),
        }
        text = json.dumps(status)
        if text == self._sent or self.gone.is_set():
            return
        content = {"metadata": {"uid": self.uid}, "status": status}
        code, said = self.api.call("PATCH", f"{self.url}/status", content, STRATEGIC, fieldManager=MANAGER)
        if code in (404, 409):  # the name belongs to nobody, or to another Pod
            self.lose()
        elif code != 200:
            logging.error("%s: status refused: %s", self.url, said.get("message"))
        self._sent = text

    def _condition(self, kind: str, true: bool, reason: str | None) -> Json:
        before, since = self._since.get(kind, (None, ""))
        if before != true:
            since = now()
            self._since[kind] = (true, since)
        return {"type": kind, "status": str(true), "lastTransitionTime": since, "reason": None if true else reason}


class Kubelet:
    """Runs the Pods of all nodes."""

    def __init__(self, api: Api, identities: Identities) -> None:
        self.api, self.identities, self.ports = api, identities, Ports()
        self.pods: dict[str, Pod] = {}
        self._lost: set[str] = set()

    def begin(self) -> None:
        begin("nodes of Pods", self._watch_nodes)
        begin("Pods", self._watch_pods)

    def _watch_pods(self) -> None:
        for kind, content in self.api.watch(PODS, labelSelector=SELECTOR):
            self.see(kind, content)

    def _watch_nodes(self) -> None:
        for kind, content in self.api.watch("/api/v1/nodes"):
            if kind == "DELETED":
                self.lose_node(content["metadata"]["name"])

    def lose_node(self, name: str) -> None:
        """All of its Pods are gone with it."""
        for pod in [pod for pod in self.pods.values() if pod.node == name]:
            logging.warning("%s: its node %s is gone", pod.url, name)
            self._lost.add(pod.uid)
            pod.lose()

    def see(self, kind: str, content: Json) -> None:
        """A Pod as it is now."""
        meta, phase = content["metadata"], content.get("status", {}).get("phase")
        pod = self.pods.get(meta["uid"])
        if pod:
            if kind == "DELETED":
                pod.lose()
            elif meta.get("deletionTimestamp") and not pod.asked.is_set():
                pod.ask(meta.get("deletionGracePeriodSeconds", pod.grace))
        elif kind == "DELETED":
            self._lost.discard(meta["uid"])
        elif meta["uid"] in self._lost or not content["spec"].get("nodeName"):
            return
        elif meta.get("deletionTimestamp") and phase != "Running":
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
            self.api.call("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        elif phase in (None, "Pending", "Running"):
            _thin_out(paths.LOGS / "pods")
            self.pods[meta["uid"]] = pod = Pod(content, self.api, self.ports, self.identities)
            if meta.get("deletionTimestamp"):
                pod.ask(0)
            threading.Thread(target=self._run, args=(pod,), name=pod.url, daemon=True).start()

    def _run(self, pod: Pod) -> None:
        pod.run()
        self.pods.pop(pod.uid, None)


def _role(container: Json) -> str:
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


def _thin_out(folder: Path) -> None:
    """Leave the newest Pods' logs."""
    found = sorted(folder.glob("*"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in itertools.islice(found, LOGS_KEPT, None):
        _remove(old.iterdir())
        old.rmdir()


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
