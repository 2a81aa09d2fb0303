"""What simulated nodes have of each instance type of EC2, and Karpenter's list of them.

`python -m localcloud.kubernetes.capacity` prints the list that its kwok provider reads.
"""

import json
from typing import Any

from tandem_contract.cluster import EFA, GPU
from tandem_contract.instance_types import INSTANCE_TYPES

from localcloud.services.supervisor import REGION

ZONES = tuple(f"{REGION}{letter}" for letter in "abc")
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
PODS = 110
DISK_GB = 500  # of a node without disks of its own; in AWS the launch template says
# Karpenter's default of what the hypervisor and the system keep: vm-memory-overhead-percent, 7.5 % (karpenter.sh/docs).
MEMORY_LEFT = 1 - 0.075


def resources(name: str) -> dict[str, str]:
    """Capacity of a node of that type, as quantities."""
    kind = INSTANCE_TYPES[name]
    found = {
        "cpu": str(kind.vcpus),
        "memory": f"{int(kind.memory_gib * 1024 * MEMORY_LEFT)}Mi",
        "ephemeral-storage": f"{max(kind.local_gb, DISK_GB)}G",
        "pods": str(PODS),
    }
    counted = {GPU: kind.gpus, EFA: kind.efa}
    return found | {resource: str(count) for resource, count in counted.items() if count}


def architecture(name: str) -> str:
    """Of that type, as Kubernetes has it."""
    return ARCHITECTURES[INSTANCE_TYPES[name].arch]


def karpenter_types() -> list[dict[str, Any]]:
    """All types in all zones, on demand and spot, as Karpenter's kwok provider reads them."""
    return [
        {
            "name": name,
            "architecture": architecture(name),
            "operatingSystems": ["linux"],
            "resources": resources(name),
            "offerings": [_offering(name, capacity, zone) for capacity in ("on-demand", "spot") for zone in ZONES],
        }
        for name in INSTANCE_TYPES
    ]


def _offering(name: str, capacity: str, zone: str) -> dict[str, Any]:
    """The price puts types into an order and is none: memory of GPUs, then processors; spot before on demand."""
    kind = INSTANCE_TYPES[name]
    order = kind.gpus * kind.gpu_gb + kind.vcpus / 1000
    held = {"karpenter.sh/capacity-type": capacity, "topology.kubernetes.io/zone": zone}
    return {
        "Price": order / 2 if capacity == "spot" else order,
        "Available": True,
        "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in held.items()],
    }


if __name__ == "__main__":
    print(json.dumps(karpenter_types()))
