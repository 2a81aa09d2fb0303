"""EC2's instance types on which models are trained, and those that carry a cluster's own Pods: what each has."""

from typing import NamedTuple


class InstanceType(NamedTuple):
    """What one instance has."""

    vcpus: int
    memory_gib: int
    arch: str = "x86_64"
    """Of its processor: `x86_64` or `arm64`."""
    gpu: str = ""
    """Kind of its GPUs; empty where it has none."""
    gpus: int = 0
    gpu_gb: int = 0
    """Memory of each GPU in GB as NVIDIA names it. The driver keeps less than the GiB give over that."""
    efa: int = 0
    """Most interfaces of the Elastic Fabric Adapter; 0 where it has none."""
    local_gb: int = 0
    """Instance store (NVMe), all disks together; 0 where it has none."""


# DescribeInstanceTypes as in moto 5.2.5; memory of GPUs from NVIDIA's data sheets. T4 and V100 (g4dn, p3) have no
# bfloat16, which the entry point trains in: left out.
INSTANCE_TYPES = {
    "g5.xlarge": InstanceType(4, 16, gpu="A10G", gpus=1, gpu_gb=24, local_gb=250),
    "g5.2xlarge": InstanceType(8, 32, gpu="A10G", gpus=1, gpu_gb=24, local_gb=450),
    "g5.4xlarge": InstanceType(16, 64, gpu="A10G", gpus=1, gpu_gb=24, local_gb=600),
    "g5.8xlarge": InstanceType(32, 128, gpu="A10G", gpus=1, gpu_gb=24, efa=1, local_gb=900),
    "g5.12xlarge": InstanceType(48, 192, gpu="A10G", gpus=4, gpu_gb=24, efa=1, local_gb=3800),
    "g5.16xlarge": InstanceType(64, 256, gpu="A10G", gpus=1, gpu_gb=24, efa=1, local_gb=1900),
    "g5.24xlarge": InstanceType(96, 384, gpu="A10G", gpus=4, gpu_gb=24, efa=1, local_gb=3800),
    "g5.48xlarge": InstanceType(192, 768, gpu="A10G", gpus=8, gpu_gb=24, efa=1, local_gb=7600),
    "g6.xlarge": InstanceType(4, 16, gpu="L4", gpus=1, gpu_gb=24, local_gb=250),
    "g6.2xlarge": InstanceType(8, 32, gpu="L4", gpus=1, gpu_gb=24, local_gb=450),
    "g6.4xlarge": InstanceType(16, 64, gpu="L4", gpus=1, gpu_gb=24, local_gb=600),
    "g6.8xlarge": InstanceType(32, 128, gpu="L4", gpus=1, gpu_gb=24, efa=1, local_gb=900),
    "g6.12xlarge": InstanceType(48, 192, gpu="L4", gpus=4, gpu_gb=24, efa=1, local_gb=3760),
    "g6.16xlarge": InstanceType(64, 256, gpu="L4", gpus=1, gpu_gb=24, efa=1, local_gb=1880),
    "g6.24xlarge": InstanceType(96, 384, gpu="L4", gpus=4, gpu_gb=24, efa=1, local_gb=3760),
    "g6.48xlarge": InstanceType(192, 768, gpu="L4", gpus=8, gpu_gb=24, efa=1, local_gb=7520),
    "g6e.xlarge": InstanceType(4, 32, gpu="L40S", gpus=1, gpu_gb=48, local_gb=250),
    "g6e.2xlarge": InstanceType(8, 64, gpu="L40S", gpus=1, gpu_gb=48, local_gb=450),
    "g6e.4xlarge": InstanceType(16, 128, gpu="L40S", gpus=1, gpu_gb=48, local_gb=600),
    "g6e.8xlarge": InstanceType(32, 256, gpu="L40S", gpus=1, gpu_gb=48, efa=1, local_gb=900),
    "g6e.12xlarge": InstanceType(48, 384, gpu="L40S", gpus=4, gpu_gb=48, efa=1, local_gb=3800),
    "g6e.16xlarge": InstanceType(64, 512, gpu="L40S", gpus=1, gpu_gb=48, efa=1, local_gb=1900),
    "g6e.24xlarge": InstanceType(96, 768, gpu="L40S", gpus=4, gpu_gb=48, efa=2, local_gb=3800),
    "g6e.48xlarge": InstanceType(192, 1536, gpu="L40S", gpus=8, gpu_gb=48, efa=4, local_gb=7600),
    "p4d.24xlarge": InstanceType(96, 1152, gpu="A100", gpus=8, gpu_gb=40, efa=4, local_gb=8000),
    "p4de.24xlarge": InstanceType(96, 1152, gpu="A100", gpus=8, gpu_gb=80, efa=4, local_gb=8000),
    "p5.4xlarge": InstanceType(16, 256, gpu="H100", gpus=1, gpu_gb=80, efa=1, local_gb=3800),
    "p5.48xlarge": InstanceType(192, 2048, gpu="H100", gpus=8, gpu_gb=80, efa=32, local_gb=30400),
    "p5e.48xlarge": InstanceType(192, 2048, gpu="H200", gpus=8, gpu_gb=141, efa=32, local_gb=30400),
    "p5en.48xlarge": InstanceType(192, 2048, gpu="H200", gpus=8, gpu_gb=141, efa=16, local_gb=30400),
    "m6i.large": InstanceType(2, 8),
    "m6i.xlarge": InstanceType(4, 16),
    "m6i.2xlarge": InstanceType(8, 32),
    "m7i.large": InstanceType(2, 8),
    "m7i.xlarge": InstanceType(4, 16),
    "m7i.2xlarge": InstanceType(8, 32),
    "m7g.large": InstanceType(2, 8, arch="arm64"),
    "m7g.xlarge": InstanceType(4, 16, arch="arm64"),
    "m7g.2xlarge": InstanceType(8, 32, arch="arm64"),
    "t3.large": InstanceType(2, 8),
}
"""By name as EC2 has it; SageMaker writes `ml.` before it."""


RDMA = ("p4", "p5", "p6")
"""How the families begin whose GPUs the adapter reaches (EC2 user guide, "Elastic Fabric Adapter")."""


def efa_variables(instance_type: str) -> dict[str, str]:
    """What libfabric has to be told to use the adapter of an instance.

    AWS's guide "Get started with EFA and NCCL for ML workloads on Amazon EC2".
    """
    told = {"FI_PROVIDER": "efa", "FI_EFA_FORK_SAFE": "1"}
    return told | ({"FI_EFA_USE_DEVICE_RDMA": "1"} if instance_type.startswith(RDMA) else {})
