"""EC2's quotas of processors, by Service Quotas' names."""

from tandem_contract.envelope import RunEnvelope
from tandem_contract.instance_types import INSTANCE_TYPES

from tandem.runtime.quotas import Quotas

STANDARD = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
ON_DEMAND = {"g": "Running On-Demand G and VT instances", "p": "Running On-Demand P instances"}
SPOT = {
    "g": "All G and VT Spot Instance Requests",
    "p4": "All P4, P3 and P2 Spot Instance Requests",
    "p5": "All P5 Spot Instance Requests",
}
"""By how a family begins."""


def quotas(envelope: RunEnvelope) -> Quotas:
    """What a run takes: a quota is for several families. An evaluation comes after the training, on the same pools."""
    wanted: dict[str, int] = {}
    names = SPOT if envelope.spot else ON_DEMAND
    steps = {envelope.evaluation_instance_type: 1} | {envelope.instance_type: envelope.instance_count}
    for name, count in steps.items():
        if has := INSTANCE_TYPES.get(name):
            quota = next((quota for start, quota in names.items() if name.startswith(start)), STANDARD)
            wanted[quota] = max(wanted.get(quota, 0), has.vcpus * count)
    return Quotas("ec2", "EC2", wanted, unit="vCPUs")
