"""Nodes of EKS node groups: as many simulated ones as a group desires, with its labels and taints."""

import secrets
import string
import time
from typing import Any

from tandem_contract.cluster import INSTANCE_TYPE_LABEL
from tandem_contract.instance_types import INSTANCE_TYPES

from localcloud.kubernetes.api import MANAGER, Api, Json
from localcloud.kubernetes.capacity import ZONES, architecture, resources
from localcloud.kubernetes.identity import Clusters, client

NODES = "/api/v1/nodes"
GROUP = "eks.amazonaws.com/nodegroup"
EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
LETTERS = string.ascii_lowercase + string.digits
EVERY_SECONDS = 3.0


class NodeGroups:
    """Keeps the nodes of the cluster's node groups."""

    def __init__(self, api: Api, clusters: Clusters) -> None:
        self.api, self.clusters = api, clusters

    def keep(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            self.settle(self._groups())
            time.sleep(EVERY_SECONDS)

    def settle(self, groups: dict[str, Json]) -> None:
        """Make the nodes that are missing and delete what is too much, the newest first; and those of no group."""
        found: dict[str, list[Json]] = {}
        for node in self.api.items(NODES, labelSelector=GROUP):
            if not node["metadata"].get("deletionTimestamp"):
                found.setdefault(node["metadata"]["labels"][GROUP], []).append(node)
        for name in found.keys() | groups.keys():
            nodes = sorted(found.get(name, []), key=lambda each: each["metadata"]["creationTimestamp"])
            desired = groups[name]["scalingConfig"]["desiredSize"] if name in groups else 0
            for number in range(len(nodes), desired):
                self.api.call("POST", NODES, node_of(groups[name], number), fieldManager=MANAGER)
            for node in nodes[desired:]:
                self.api.call("DELETE", f"{NODES}/{node['metadata']['name']}")

    def _groups(self) -> dict[str, Json]:
        if not (cluster := self.clusters.name()):
            return {}
        eks: Any = client("eks")
        names = eks.list_nodegroups(clusterName=cluster)["nodegroups"]
        return {name: eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"] for name in names}


def node_of(group: Json, number: int) -> Json:
    """A node as EKS labels it; of the first type that we know, since EC2 decides which of several it gives."""
    known = [each for each in group.get("instanceTypes", []) if each in INSTANCE_TYPES]
    kind, zone = (known or ["m7i.large"])[0], ZONES[number % len(ZONES)]
    name = f"{group['nodegroupName']}-{''.join(secrets.choice(LETTERS) for _ in range(5))}"
    labels = {
        GROUP: group["nodegroupName"],
        "eks.amazonaws.com/capacityType": group.get("capacityType", "ON_DEMAND"),
        INSTANCE_TYPE_LABEL: kind,
        "kubernetes.io/arch": architecture(kind),
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": zone[:-1],
        "topology.kubernetes.io/zone": zone,
    }
    taints = [
        {"key": each["key"], "value": each.get("value", ""), "effect": EFFECTS[each["effect"]]}
        for each in group.get("taints", [])
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels | group.get("labels", {}),
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"providerID": f"aws:///{zone}/i-{secrets.token_hex(8)}1", "taints": taints},
        "status": {"capacity": resources(kind), "allocatable": resources(kind)},
    }
