"""Arguments of `GpuCluster`: their fields. What has to hold between them is in `cluster_checks`."""

from typing import Any

from tandem_contract.fields import Field, Table

from ..foundation.arns import PRINCIPALS
from ..foundation.house_rules import KMS_KEY
from ..foundation.tags import TAGS
from .cluster_checks import check_cluster
from .versions import VERSIONS

KARPENTER, PRESENT, NONE = "karpenter", "present", "none"
INSTALL = "install"
NAME: dict[str, Any] = {
    # EKS adds 26 characters to what a group's name begins with, and takes 63.
    "pattern": r"[a-z0-9]([-a-z0-9]{0,34}[a-z0-9])?",
    "allowed": "at most 36 small letters, digits and hyphens",
}
INSTANCE_TYPES: dict[str, Any] = {
    "pattern": r"[a-z][a-z0-9-]*\.[a-z0-9-]+",
    "allowed": "an EC2 instance type",
    "remedy": "For example g6e.12xlarge; SageMaker's names begin with ml., EC2's don't.",
}
ZONES = Field(
    [],
    "Availability zones, of those that the cluster has subnets in; all of them by default.",
    pattern=r"[a-z]{2}(-[a-z]+)+-\d[a-z]",
    allowed="an availability zone",
    remedy="For example us-east-1a.",
)
LABELS = Field({}, "Labels of its nodes besides; jobs choose nodes by them.")
VOLUME = Field(
    200,
    "Root volume of a node (gp3, encrypted): images, and where it has no instance store the data set, base model, "
    "checkpoints and the merged model.",
    low=30,
    high=16_384,
    unit="GB",
    remedy="200 has room for an 8B model, its checkpoints and the merged model.",
    cost="$0.08 a GB and month while the node runs; without an instance store $15 a month more, for 500 MB/s.",
)
INSTANCE_STORE = Field(
    True,
    "Whether images and Pods get the instance's own disks (as RAID 0) in place of the volume. They are faster, and "
    "cost nothing besides; some are smaller: g6e.xlarge has 250 GB.",
)

TAINT = Table(
    "NodeTaint",
    "What keeps Pods away that don't tolerate it.",
    {
        "key": Field("", "Its key."),
        "value": Field("", "Its value."),
        "effect": Field("NoSchedule", "What it does.", choices=("NoSchedule", "PreferNoSchedule", "NoExecute")),
    },
)
NODE_GROUP = Table(
    "GpuNodeGroup",
    "An EKS managed node group. Nodes with GPUs are tainted `nvidia.com/gpu`, so that nothing else runs there.",
    {
        "name": Field("", "Its name, one of its own among groups and pools.", **NAME, remedy="For example l40s."),
        "instance_types": Field(
            ["g6e.2xlarge"], "EC2 instance types, all alike; spot takes what there is.", **INSTANCE_TYPES
        ),
        "ami_type": Field(
            "",
            "EKS's image; by default AL2023 for the types' architecture, NVIDIA's where they have GPUs.",
            pattern=r"[A-Za-z0-9_]+",
        ),
        "minimum": Field(0, "Nodes at least.", low=0, high=450, unit="nodes", remedy="EKS's limit is 450 a group."),
        "desired": Field(
            1,
            "Nodes now. Only an autoscaler of your own changes it: Karpenter starts nodes of pools alone. A capacity "
            "block's group has 0 until the block begins.",
            low=0,
            high=450,
            unit="nodes",
            remedy="EKS's limit is 450 a group.",
            cost="Each bills by the hour, used or not.",
        ),
        "maximum": Field(1, "Nodes at most.", low=1, high=450, unit="nodes", remedy="EKS's limit is 450 a group."),
        "capacity": Field(
            "on-demand",
            "How they are bought: `on-demand`, `spot`, or `capacity-block` with the block's `reservation`.",
            choices=("on-demand", "spot", "capacity-block"),
        ),
        "reservation": Field(
            "",
            "Capacity reservation or capacity block that the nodes use.",
            pattern="cr-[0-9a-f]{17}",
            allowed="the id of a capacity reservation",
            remedy="For example cr-0123456789abcdef0.",
            output=True,
        ),
        "efa": Field(
            False,
            "Whether nodes talk to each other by the Elastic Fabric Adapter, all in one zone and placement group.",
        ),
        "zones": ZONES,
        "volume_gigabytes": VOLUME,
        "instance_store": INSTANCE_STORE,
        "repair": Field(True, "Whether EKS replaces a node whose health, of GPUs too, the monitoring agent finds bad."),
        "labels": LABELS,
        "taints": Field([], "Taints besides that of GPUs.", items=TAINT),
    },
)
NODE_POOL = Table(
    "GpuNodePool",
    "A pool of Karpenter's: nodes come when Pods wait for them, go when they are empty, and are tainted as groups'.",
    {
        "name": Field("gpu", "Its name, one of its own among groups and pools.", **NAME, remedy="For example gpu."),
        "instance_types": Field(
            ["g6e.2xlarge"], "EC2 instance types with GPUs that Karpenter may start.", **INSTANCE_TYPES
        ),
        "gpus": Field(
            8,
            "GPUs at most, on all of its nodes together.",
            low=1,
            high=8192,
            unit="GPUs",
            remedy="8 are one host of the largest types.",
            cost="The ceiling of what the pool can cost in an hour.",
        ),
        "spot": Field(
            False, "Whether to take spot capacity; an interrupted run goes on from its last checkpoint, on a new node."
        ),
        "efa": Field(False, "Whether Pods may ask for `vpc.amazonaws.com/efa`: its nodes are in one zone then."),
        "zones": ZONES,
        "one_zone": Field(
            False,
            "Whether all its nodes are in the first of its zones that offers its types: for runs of several instances, "
            "which talk all the time.",
            cost="Between zones EC2 bills $0.01 a GB each way.",
        ),
        "volume_gigabytes": VOLUME,
        "instance_store": INSTANCE_STORE,
        "labels": LABELS,
        "taints": Field([], "Taints besides that of GPUs.", items=TAINT),
    },
)
CLUSTER = Table(
    "GpuClusterArgs",
    "Arguments of `GpuCluster`; every one has a default.",
    {
        "existing_cluster": Field(
            "",
            "Name of an EKS cluster that is there, instead of a new one. Its network, nodes and add-ons stay as they "
            "are; `node_groups` and `node_pools` are put into it. It takes access entries, has the add-on "
            "eks-pod-identity-agent, and should enforce network policies.",
            pattern=r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}",
            allowed="the name of an EKS cluster: at most 100 letters, digits, hyphens and underscores",
            remedy="`aws eks list-clusters` has the names.",
        ),
        "existing_kubeconfig": Field(
            "",
            "Kubeconfig, as a text, of a cluster that is there and that EKS's API doesn't describe. Nothing is made, "
            "and runs can't train there: they find a cluster by EKS's API.",
            output=True,
        ),
        "subnet_ids": Field(
            [],
            "Private subnets with a way out, in two zones or more, instead of a network of its own. With "
            "`existing_cluster` where nodes and functions are put, by default in its control plane's, which are often "
            "public.",
            output=True,
            pattern=r"subnet-[0-9a-f]+",
            allowed="the id of a subnet",
            remedy="For example subnet-0123456789abcdef0.",
        ),
        "cidr": Field(
            "10.60.0.0/16",
            "Addresses of the network, where one is made.",
            pattern=r"(\d{1,3}\.){3}\d{1,3}/1[6-9]",
            allowed="an IPv4 block of /16 to /19",
            remedy="For example 10.60.0.0/16.",
            cost="The network's NAT gateway costs $36.50 a month with its address, and $0.045 a GB.",
        ),
        "zones": ZONES._replace(
            help="Availability zones of the network, two or three; by default the first three in which EKS has control "
            "planes."
        ),
        "endpoint_public": Field(
            True, "Whether the API is reachable from outside the network too, from `public_cidrs`; inside it always is."
        ),
        "public_cidrs": Field(
            ["0.0.0.0/0"],
            "Addresses from which the public endpoint answers; who asks needs IAM credentials in any case.",
            pattern=r"(\d{1,3}\.){3}\d{1,3}/\d{1,2}",
            allowed="an IPv4 block",
            remedy="For example 203.0.113.0/24.",
        ),
        "admins": Field(
            [],
            "IAM roles and users that administer the cluster, beside the one that creates it.",
            **PRINCIPALS,
        ),
        "extended_support": Field(
            False,
            "Whether the cluster keeps its version once standard support ends; else EKS upgrades it then.",
            cost="$0.60 an hour instead of $0.10, from that day.",
        ),
        "versions": Field({}, "Versions of its parts.", table=VERSIONS),
        "system_instance_type": Field(
            "m7i.large",
            "EC2 instance type of the two nodes that the cluster's own Pods run on.",
            **INSTANCE_TYPES,
            cost="Two of the default cost $147 a month.",
        ),
        "autoscaler": Field(
            KARPENTER,
            "What starts nodes of the pools, which are always made by us: `karpenter` is installed, with `present` "
            "Karpenter itself is the existing cluster's, `none` makes no pools.",
            choices=(KARPENTER, PRESENT, NONE),
        ),
        "node_pools": Field(
            [{}],
            "Karpenter's pools of GPU nodes, by default one pool `gpu`, g6e.2xlarge, 8 GPUs, also beside "
            "`node_groups`; `[]` or `autoscaler: none` for none.",
            items=NODE_POOL,
        ),
        "node_groups": Field([], "Managed groups of GPU nodes.", items=NODE_GROUP),
        "group_autoscaler": Field(
            False, "Whether an autoscaler of your own, e.g. Cluster Autoscaler, changes the size of node groups."
        ),
        "device_plugins": Field(
            "",
            "NVIDIA's device plugin and, with `efa`, the adapter's: `install`, or `present` where the cluster has its "
            "own, also by the GPU Operator. By default a new cluster gets them and an existing one has them; without "
            "them no Pod gets a GPU, and Karpenter's nodes stay for ever.",
            choices=(INSTALL, PRESENT),
        ),
        "metrics": Field(
            "cloudwatch",
            "Where metrics of nodes, Pods and GPUs go: `cloudwatch` (add-on with the DCGM exporter), or `none`.",
            choices=("cloudwatch", "none"),
            cost="CloudWatch bills each observation and GB of logs.",
        ),
        "node_tags": Field(
            {},
            "Tags of the nodes that Karpenter starts, beside environment and stack. Apart from `tags`, since these "
            "stand in an object of the cluster, which a change of tags elsewhere leaves alone.",
            output=True,
        ),
        "kms_key_arn": KMS_KEY._replace(
            help="KMS key of your own that encrypts the cluster's secrets, in place of one that is made. A change "
            "replaces the cluster.",
            cost="One that is made costs $1 a month.",
        ),
        "tags": TAGS,
    },
    check_cluster,
)
