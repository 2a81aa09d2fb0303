"""Arguments of how runs share a cluster: their fields."""

from tandem_contract.cluster import NAMESPACE
from tandem_contract.fields import Field, Table

from .versions import CHARTS

INSTALL, EXISTING = "install", "existing"
RELEASE = r"\d+\.\d+\.\d+"
QUOTA = Table(
    "GpuQuota",
    "GPUs of one instance type.",
    {
        "instance_type": Field("g6e.2xlarge", "EC2 instance type with GPUs."),
        "gpus": Field(
            8,
            "How many of its GPUs runs may have at once.",
            low=1,
            high=10_000,
            unit="GPUs",
            remedy="8 are one host of the largest types.",
        ),
    },
)
CLUSTER_TRAINING = Table(
    "ClusterTrainingSettings",
    "How runs share a cluster.",
    {
        "namespace": Field(
            NAMESPACE,
            "Kubernetes namespace of the runs, made for them. Each stack of a cluster needs one of its own.",
            pattern=r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
            allowed="at most 40 lower-case letters, digits and hyphens, neither first nor last a hyphen",
            remedy=f"For example {NAMESPACE}.",
        ),
        "quotas": Field(
            [],
            "What all runs together may have at once; what doesn't fit waits. By default what one run takes.",
            items=QUOTA,
        ),
        "controllers": Field(
            "install",
            "Whether to `install` Kueue and Kubeflow Trainer (with JobSet), or they are there already: `existing`.",
            choices=(INSTALL, EXISTING),
        ),
        "ready_minutes": Field(
            30,
            "How long a job's nodes, images and data may take before it gives its quota back and waits anew.",
            low=5,
            high=240,
            unit="minutes",
            remedy="Large images and base models take 10 to 20.",
        ),
        "poll_seconds": Field(
            15,
            "How often a run looks after its job; after 400 looks less often.",
            low=1,
            high=300,
            unit="seconds",
            remedy="15 is often enough.",
        ),
        "kueue_version": Field(
            CHARTS["kueue"].version, "Release of Kueue.", pattern=RELEASE, allowed="a release", remedy="E.g. 0.19.0."
        ),
        "trainer_version": Field(
            CHARTS["kubeflow-trainer"].version,
            "Release of Kubeflow Trainer, which brings JobSet.",
            pattern=RELEASE,
            allowed="a release",
            remedy="E.g. 2.3.0.",
        ),
    },
)
