"""Names that both halves use for training on a cluster: Kubernetes objects, labels, containers, folders, variables."""

import re

NAMESPACE = "tandem-training"
"""Of all training of a cluster, unless `ClusterTraining` is told another."""
SERVICE_ACCOUNT = "tandem-training"
"""What training Pods run as; Pod Identity gives it its role."""
QUEUE = "tandem"
"""The LocalQueue that every TrainJob names."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""Kueue's label by which a job names its queue."""
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"
"""Kueue's label by which a job names its WorkloadPriorityClass."""
GPU = "nvidia.com/gpu"
"""The resource that the device plugin offers, that Pods ask for and that the queue counts."""
EFA = "vpc.amazonaws.com/efa"
"""The resource that EFA's device plugin offers: one an interface."""
INSTANCE_TYPE_LABEL = "node.kubernetes.io/instance-type"


class Label:
    """Labels of ours."""

    RUN = "tandem.dev/run"
    """The run's name, on its TrainJobs and their Pods."""
    STEP = "tandem.dev/step"
    """`train` or `evaluate`."""
    STACK = "tandem.dev/stack"
    """The stack whose run it is, as `label_value` writes it."""
    POD = "tandem.dev/pod"
    PROCESS = "process"
    """Value of `POD` on training Pods: the local cloud runs their containers as processes."""


class Container:
    """Containers of a training Pod, in the order in which they start."""

    FETCH = "fetch"
    """Init container: brings data set, recipe, base model and checkpoint from S3."""
    MIRROR = "mirror"
    """Native sidecar: copies checkpoints, metrics, logs and the model to S3."""
    NODE = "node"
    """Trains or evaluates. Trainer knows the container of a runtime by this name."""


RUNTIME_KIND = "TrainingRuntime"
"""Trainer's kind of a namespace, which goes with it."""
REPLICATED_JOB = "node"
"""The JobSet's replicated job, by which Trainer knows the one that trains."""
ROOT = "/opt/ml"
"""Where the Pod's volume is, laid out as in a SageMaker job."""
CODE = "/opt/ml/input/data/code/tandem.pyz"
"""Where `fetch` puts the code, from which all three containers run."""
LOGS = "/opt/ml/output/logs"

GRACE_SECONDS = 120
"""Between SIGTERM and SIGKILL: a checkpoint is saved and mirrored in it."""
EMPTY_SECONDS = 60
"""That a node on which nothing runs any more waits, and bills, until Karpenter ends it (`consolidateAfter`)."""
REFUSED = 2
"""Exit code of a trainer that refuses its input: no attempt more would change that."""


class PodVariable:
    """Environment variables of a training Pod's containers, beside `names.Variable.RUN`."""

    CODE = "TANDEM_CODE"
    """`s3://` address of tandem.pyz."""
    CHANNELS = "TANDEM_CHANNELS"
    """JSON: name of a channel to the `s3://` address of its folder."""
    OUTPUT = "TANDEM_OUTPUT"
    """`s3://BUCKET/runs/RUN/jobs/JOB/output/`."""
    CHECKPOINTS = "TANDEM_CHECKPOINTS"
    """`s3://BUCKET/runs/RUN/checkpoints/`."""
    LOGS = "TANDEM_LOGS"
    """Folder of the log files of hosts and ranks."""
    ROOT = "TANDEM_ML_ROOT"
    """`ROOT`, or where the local cloud has it."""


def flavor_name(namespace: str, instance_type: str) -> str:
    """The ResourceFlavor of an instance type, by which the queue counts its GPUs."""
    return f"{namespace}-{instance_type.replace('.', '-')}"


def urgent_class(namespace: str) -> str:
    """The WorkloadPriorityClass of jobs that go first; one a namespace, since its name is the whole cluster's."""
    return f"{namespace}-urgent"


def label_value(text: str) -> str:
    """`text` as the value of a label: at most 63 letters, digits, `-`, `_` and `.`; ends are letters or digits."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:63].strip("-_.")
