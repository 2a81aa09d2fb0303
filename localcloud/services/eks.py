"""EKS's calls that the emulator lacks, and what it forgets of those that it has."""

import json
import re
from typing import Any

from ministack.services import eks as service

from localcloud import paths

Json = dict[str, Any]

CLUSTER = paths.KUBERNETES / "cluster.json"
"""Endpoint and authority of the local Kubernetes, written before it starts."""
# Of a request, to be told of what it made.
CLUSTER_FIELDS = ("upgradePolicy", "zonalShiftConfig", "deletionProtection", "controlPlaneScalingConfig")
GROUP_FIELDS = ("launchTemplate", "nodeRepairConfig", "updateConfig")
# What a change may name, by the last part of its path.
CHANGES = {
    "update-config": ("resourcesVpcConfig", "logging", "accessConfig", *CLUSTER_FIELDS),
    "updates": ("version",),
}
GROUP_CHANGES = {
    "update-config": ("scalingConfig", "updateConfig", "nodeRepairConfig"),
    "update-version": ("version", "releaseVersion", "launchTemplate"),
}
_CLUSTER, _GROUP = r"/clusters/([\w-]+)", r"/node-groups/([\w-]+)"
_sanitize, _create_cluster, _create_nodegroup = service._sanitize, service._create_cluster, service._create_nodegroup
_handle = service._handle_request_sync


def install() -> None:
    """Replace the emulator's; call before it takes requests."""
    patched: Any = service
    patched._sanitize = sanitize
    patched._create_cluster = create_cluster
    patched._create_nodegroup = create_nodegroup
    patched._handle_request_sync = handle


def sanitize(cluster: Json) -> Json:
    """A cluster as it is told: its API server is the local Kubernetes, where that was started."""
    here = json.loads(CLUSTER.read_text()) if CLUSTER.exists() else {}
    return _sanitize(cluster) | here


def create_cluster(body: Json, creator: str | None = None) -> Any:
    """The emulator's; notes what it forgets."""
    answer = _create_cluster(body, creator)
    if answer[0] == 200:
        service._clusters[body["name"]].update({name: body[name] for name in CLUSTER_FIELDS if name in body})
    return answer


def create_nodegroup(cluster: str, body: Json) -> Any:
    """The emulator's; notes what it forgets, and asks for neither disk nor instance where the launch template says."""
    answer = _create_nodegroup(cluster, body)
    if answer[0] == 200:
        group = service._nodegroups[f"{cluster}/{body['nodegroupName']}"]
        group.update({name: body[name] for name in GROUP_FIELDS if name in body})
        if "launchTemplate" in body:
            for name in {"diskSize", "instanceTypes"} - body.keys():
                del group[name]
        return service._json_resp(200, {"nodegroup": group})
    return answer


def handle(method: str, path: str, headers: Json, body: bytes, query: Json) -> Any:
    """The emulator's dispatch, with ours before it."""
    if method == "POST" and (found := re.fullmatch(rf"{_CLUSTER}{_GROUP}/(update-config|update-version)", path)):
        group = service._nodegroups.get(f"{found[1]}/{found[2]}")
        return _missing("node group", found[2]) if group is None else _change_group(group, found[3], json.loads(body))
    if method == "POST" and (found := re.fullmatch(rf"{_CLUSTER}/(update-config|updates)", path)):
        cluster = service._clusters.get(found[1])
        if cluster is None:
            return _missing("cluster", found[1])
        asked = json.loads(body)
        for name in CHANGES[found[2]]:
            if name in asked:
                old = cluster.get(name, {})
                cluster[name] = old | asked[name] if isinstance(asked[name], dict) else asked[name]
        return _updated(asked)
    if (method, path) == ("GET", "/cluster-versions"):  # none that it knows anything of
        return service._json_resp(200, {"clusterVersions": []})
    if (method, path) == ("GET", "/addons/supported-versions"):
        return service._json_resp(200, {"addons": [addon_versions(query["addonName"], query["kubernetesVersion"])]})
    if method == "GET" and re.fullmatch(rf"{_CLUSTER}/updates/[\w-]+", path):
        return _updated({}, path.rpartition("/")[2])
    return _handle(method, path, headers, body, query)


def addon_versions(name: str, kubernetes: str) -> Json:
    """The versions of an add-on: one, EKS's default for every Kubernetes."""
    fits = [{"clusterVersion": kubernetes, "platformVersions": ["*"], "defaultVersion": True}]
    return {"addonName": name, "addonVersions": [{"addonVersion": "v1.0.0-eksbuild.1", "compatibilities": fits}]}


def _change_group(group: Json, kind: str, asked: Json) -> Any:
    for name in GROUP_CHANGES[kind]:
        if name in asked:
            group[name] = asked[name]
    labels = asked.get("labels") or {}
    gone = labels.get("removeLabels") or []
    kept = {key: value for key, value in group["labels"].items() if key not in gone}
    group["labels"] = kept | (labels.get("addOrUpdateLabels") or {})
    taints = asked.get("taints") or {}
    changed = [*(taints.get("removeTaints") or []), *(added := taints.get("addOrUpdateTaints") or [])]
    names = {(taint["key"], taint["effect"]) for taint in changed}
    group["taints"] = [taint for taint in group["taints"] if (taint["key"], taint["effect"]) not in names] + added
    return _updated(asked)


def _updated(asked: Json, identity: str = "") -> Any:
    """An update, which here has come to its end at once."""
    params = [
        {"type": name, "value": json.dumps(value)} for name, value in asked.items() if name != "clientRequestToken"
    ]
    about = {"id": identity or service.new_uuid(), "status": "Successful", "createdAt": service._now()}
    return service._json_resp(200, {"update": about | {"type": "ConfigUpdate", "params": params, "errors": []}})


def _missing(kind: str, name: str) -> Any:
    return service._error(404, "ResourceNotFoundException", f"No {kind} found for name: {name}.")
