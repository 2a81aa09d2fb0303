"""Karpenter's kwok provider knows its own node class alone: each NodePool of an EC2NodeClass gets a twin that buys
simulated nodes for it, and both tell what the twin has.

Objects are kept by what is wanted of them, again after every change: nothing is remembered here.
"""

import threading

from localcloud.kubernetes.api import MANAGER, MERGE, Api, Json, begin
from localcloud.kubernetes.containers import now

POOLS = "/apis/karpenter.sh/v1/nodepools"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
CLASSES = "/apis/karpenter.k8s.aws/v1/ec2nodeclasses"
TWIN_CLASSES = "/apis/karpenter.kwok.sh/v1alpha1/kwoknodeclasses"
TWIN_OF = "tandem.dev/twin-of"
FINALIZER = "karpenter.k8s.aws/termination"
OF_AWS = "karpenter.k8s.aws/"
CHECKS = ("AMIsReady", "SubnetsReady", "SecurityGroupsReady", "InstanceProfileReady", "ValidationSucceeded", "Ready")
WAIT_SECONDS = 15


class Twins:
    """Keeps the twins of NodePools, and the status of what they are twins of."""

    def __init__(self, api: Api) -> None:
        self.api, self._changed = api, threading.Event()

    def begin(self) -> None:
        for path in (POOLS, CLASSES, CLAIMS):
            begin(f"watch of {path.rpartition('/')[2]}", lambda path=path: self._watch(path))
        begin("twins of NodePools", self._keep)

    def _watch(self, path: str) -> None:
        for _ in self.api.watch(path):
            self._changed.set()

    def _keep(self) -> None:
        while True:
            self._changed.wait(WAIT_SECONDS)
            self._changed.clear()
            self.settle()

    def settle(self) -> None:
        """Bring twins and statuses to what pools and classes are now."""
        classes = {each["metadata"]["name"]: each for each in self.api.items(CLASSES)}
        pools = self.api.items(POOLS)
        twins = {each["metadata"]["labels"][TWIN_OF]: each for each in pools if TWIN_OF in _labels(each)}
        for name, node_class in classes.items():
            self._settle_class(name, node_class)
        for pool in pools:
            if _class_of(pool) and not pool["metadata"].get("deletionTimestamp"):
                self._settle_pool(pool, classes, twins.get(pool["metadata"]["name"], {}))

    def _settle_class(self, name: str, node_class: Json) -> None:
        """Ready at once; as on AWS it stays until its last node has gone."""
        meta = node_class["metadata"]
        finalizers = meta.get("finalizers", [])
        if not meta.get("deletionTimestamp"):
            if FINALIZER not in finalizers:
                self._patch(f"{CLASSES}/{name}", {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
            self.api.apply(f"{TWIN_CLASSES}/{name}", _object("karpenter.kwok.sh/v1alpha1", "KWOKNodeClass", name))
            ready = {kind: ("True", kind, "") for kind in CHECKS}
            self._tell(f"{CLASSES}/{name}", node_class, ready, {})
        elif not any(each["spec"]["nodeClassRef"]["name"] == name for each in self.api.items(CLAIMS)):
            self.api.call("DELETE", f"{TWIN_CLASSES}/{name}")
            left = [each for each in finalizers if each != FINALIZER]
            self._patch(f"{CLASSES}/{name}", {"metadata": {"finalizers": left}})

    def _settle_pool(self, pool: Json, classes: dict[str, Json], twin: Json) -> None:
        name, node_class = pool["metadata"]["name"], _class_of(pool)
        if node_class not in classes:
            missing = {kind: ("False", "NodeClassNotFound", f"EC2NodeClass {node_class!r} not found") for kind in
                       ("NodeClassReady", "Ready")}  # fmt: skip
            return self._tell(f"{POOLS}/{name}", pool, missing, {})
        if keys := unknown(pool):
            said = f"the local cloud knows no {', '.join(keys)}: name instance types"
            refused = {kind: ("False", "Unsupported", said) for kind in ("ValidationSucceeded", "Ready")}
            return self._tell(f"{POOLS}/{name}", pool, refused, {})
        self.api.apply(f"{POOLS}/{name}-twin", twin_of(pool))
        status = twin.get("status", {})
        states = {
            each["type"]: (each["status"], each.get("reason", ""), each.get("message", ""))
            for each in status.get("conditions", [])
        }
        told = {key: status[key] for key in ("resources", "nodes") if key in status}
        return self._tell(f"{POOLS}/{name}", pool, states, told)

    def _tell(self, path: str, content: Json, states: dict[str, tuple[str, str, str]], told: Json) -> None:
        """Write conditions (type -> status, reason, message) and more of a status, if they are other ones."""
        before = {each["type"]: each for each in content.get("status", {}).get("conditions", [])}
        conditions = [_condition(kind, *state, before.get(kind, {})) for kind, state in states.items()]
        wanted = told | ({"conditions": conditions} if conditions else {})
        if any(content.get("status", {}).get(key) != value for key, value in wanted.items()):
            self._patch(f"{path}/status", {"status": wanted})

    def _patch(self, path: str, content: Json) -> None:
        self.api.call("PATCH", path, content, MERGE, fieldManager=MANAGER)


def unknown(pool: Json) -> list[str]:
    """What a NodePool asks of instance types that AWS alone has labels for."""
    wanted = pool["spec"]["template"]["spec"].get("requirements", [])
    return [each["key"] for each in wanted if each["key"].startswith(OF_AWS)]


def twin_of(pool: Json) -> Json:
    """The NodePool that buys for this one; it goes with it."""
    meta, spec = pool["metadata"], pool["spec"]
    template = spec["template"]
    ours = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": _class_of(pool)}
    owner = {"apiVersion": pool.get("apiVersion", "karpenter.sh/v1"), "kind": "NodePool", "controller": True}
    twin = _object("karpenter.sh/v1", "NodePool", f"{meta['name']}-twin")
    twin["metadata"] |= {
        "labels": {TWIN_OF: meta["name"]},
        "ownerReferences": [owner | {"name": meta["name"], "uid": meta["uid"]}],
    }
    twin["spec"] = spec | {"template": template | {"spec": template["spec"] | {"nodeClassRef": ours}}}
    return twin


def _object(version: str, kind: str, name: str) -> Json:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {}}


def _labels(content: Json) -> Json:
    return content["metadata"].get("labels", {})


def _class_of(pool: Json) -> str:
    """The name of a pool's EC2NodeClass; empty where it has another class."""
    about = pool["spec"]["template"]["spec"]["nodeClassRef"]
    return about["name"] if about["kind"] == "EC2NodeClass" else ""


def _condition(kind: str, status: str, reason: str, message: str, before: Json) -> Json:
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    about = {"type": kind, "status": status, "reason": reason or kind, "message": message}
    return about | {"lastTransitionTime": since or now()}
