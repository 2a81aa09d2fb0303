"""What AL2023's nodeadm is told of a node, beside what EKS or Karpenter tell it: both are merged."""

RAID = """\
  instance:
    localStorage:
      strategy: RAID0
"""
# A container has what systemd gives containerd, 8 MiB, and the adapter registers gigabytes; IPC_LOCK would be nothing
# to a container that isn't root's (NVIDIA/nvidia-container-toolkit#2037). The list replaces nodeadm's, which is the
# first row (amazon-eks-ami, nodeadm/doc/examples.md, "Modifying container RLIMITs"). Numbers pass through 64-bit floats
# there, which have no place for "unlimited": it is a PiB.
LOCKED = """\
  containerd:
    baseRuntimeSpec:
      process:
        rlimits:
          - {type: RLIMIT_NOFILE, soft: 65536, hard: 1048576}
          - {type: RLIMIT_MEMLOCK, soft: 1125899906842624, hard: 1125899906842624}
"""


def node_config(*, raid: bool = False, efa: bool = False) -> str:
    """A NodeConfig as YAML: whether the node's own disks are one, and whether containers may lock memory as the Elastic
    Fabric Adapter needs; empty if neither."""
    said = (RAID if raid else "") + (LOCKED if efa else "")
    return said and f"apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n{said}"
