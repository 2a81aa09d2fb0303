"""Arguments of the components. Written by `make schema` from the tables of fields: change those."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import pulumi

from .choices import Auth, EndpointMode, Retention, StoreKind, TrainingBackend


class QueryUsage(TypedDict):
    """What a RAG environment is assumed to hold, and a question to take; for its cost alone."""

    documents_gigabytes: NotRequired[float]
    """Documents in the bucket. 1 by default."""
    index_gigabytes: NotRequired[float]
    """The index in a store that is serverless; a domain bills the disks that it has. 1 by default."""
    ledger_gigabytes: NotRequired[float]
    """The table of what is indexed, and its backup. 0.1 by default."""
    log_gigabytes: NotRequired[float]
    """Logs that are kept. 1 by default."""
    question_tokens: NotRequired[float]
    """Tokens of a question. 30 by default."""
    prompt_tokens: NotRequired[float]
    """Tokens of instructions and passages beside it: five chunks of 200 and what is around them. 1,300 by default."""
    answer_tokens: NotRequired[float]
    """Tokens of an answer. 150 by default."""
    query_seconds: NotRequired[float]
    """Time that the query function runs for an answer. 2 by default."""


class RoleRules(TypedDict):
    """What every IAM role has that is made here."""

    permissions_boundary: NotRequired[pulumi.Input[str]]
    """Managed policy that bounds what they may do, whatever their own policies say. It has to leave them what those
    need (docs/bring-your-own.md)."""
    path: NotRequired[str]
    """Their path, and the instance profile's of a cluster's nodes. A change makes new ones. `/` by default. No output:
    it is read before anything is made."""


class RagEnvironmentArgs(TypedDict):
    """Arguments of `RagEnvironment`; every one has a default."""

    embedder: NotRequired[str]
    """Bedrock embedding model, or `https://host/v1#MODEL` for a model of your own behind an OpenAI-compatible API. A
    change of this, `dimensions` or a chunk's length makes a new index, which stays empty: the active one goes on
    answering, since nothing moves a stack to another one yet. `amazon.titan-embed-text-v2:0` by default. Titan v2 costs
    $0.02 per million tokens; what a URL costs isn't known here. No output: it is read before anything is made."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. Keep it
    as long as an index of that embedder answers. A secret costs $0.40 a month."""
    dimensions: NotRequired[int]
    """Length of an embedding: 256 or 512 or 1024 with amazon.titan-embed-text-v2:0; 1024 with cohere.embed-english-v3;
    1024 with cohere.embed-multilingual-v3; its own with a model behind a URL. 1 to 4,096; 512 by default. Storage and
    search cost grow with it."""
    chunk_tokens: NotRequired[int]
    """Length of a chunk; 512 at most with cohere.embed-english-v3; 512 at most with cohere.embed-multilingual-v3. 50 to
    2,000 tokens; 200 by default."""
    chunk_overlap: NotRequired[int]
    """What a chunk repeats of the one before, under half of `chunk_tokens`. 0 to 999 tokens; 40 by default."""
    generator: NotRequired[str]
    """Bedrock model id, inference profile id or ARN that writes the answers; in a hybrid, while the tuned model can't.
    By default amazon.nova-lite-v1:0, or where that isn't served on demand its profile of the region's geography. No
    output: it is read before anything is made."""
    endpoint_name: NotRequired[pulumi.Input[str]]
    """SageMaker endpoint of a tuned model that writes the answers; while it can't, `generator` does."""
    inference_component: NotRequired[pulumi.Input[str]]
    """The endpoint's inference component, where it has one: where it scales to zero."""
    reranker: NotRequired[str]
    """Bedrock model that puts the best 20 passages of a search into an order of its own. Without one the search's
    stands. `cohere.rerank-v3-5:0` in us-east-1, us-west-2, ca-central-1, eu-central-1, ap-northeast-1 (gain not
    measured); `amazon.rerank-v1:0` in us-west-2, ca-central-1, eu-central-1, ap-northeast-1 (gain not measured).
    Cohere's costs $2 per 1,000 questions, Amazon's $1."""
    min_score: NotRequired[float]
    """Cosine similarity below which a question is refused as not in the documents. Without it, that of the embedder of
    the index that answers: 0.4, not measured, with amazon.titan-embed-text-v2:0, cohere.embed-english-v3,
    cohere.embed-multilingual-v3 or a URL. 0 to 1."""
    max_document_megabytes: NotRequired[int]
    """Larger documents are rejected. 1 to 100 MB; 25 by default."""
    ingest_concurrency: NotRequired[int]
    """How many functions index documents at once, each with up to eight calls to the embedder. 2 to 50 functions; 5 by
    default."""
    sweep_minutes: NotRequired[int]
    """How often bucket, ledger and index are compared. Under 10, a comparison has no longer than this. 5 to 1,440
    minutes; 15 by default. The ledger is read each time: of 100,000 documents of 2 KB about 25,000 read units."""
    existing_documents_bucket: NotRequired[pulumi.Input[str]]
    """Name of a bucket of your own with the documents, in place of one that is made. All of it is indexed; nothing of
    it is changed, at destroy neither. Its notifications to EventBridge have to be on (docs/bring-your-own.md)."""
    store: NotRequired[StoreKind]
    """Where chunks and embeddings are kept: `serverless` (OpenSearch Serverless) scales to zero, and wakes in 10 to 30
    seconds; `domain` (OpenSearch instances) bills all month, and is never asleep. A change makes the other store,
    empty, and lets the sweep fill it: until then questions are refused. `serverless` by default."""
    max_search_ocu: NotRequired[int]
    """Ceiling of store `serverless` for search and for indexing each: 1, 2, 4, 8, 16 or a multiple of 16. 1 to 96
    OpenSearch compute units; 2 by default. One costs about $0.24 an hour while it runs; idle, none runs."""
    existing_collection: NotRequired[pulumi.Input[str]]
    """Name of a collection of your own for store `serverless`, of type VECTORSEARCH and reachable from the internet, in
    place of one that is made. Indices that begin with the ledger's name are made in it, and no others touched
    (docs/bring-your-own.md)."""
    store_readers: NotRequired[Sequence[pulumi.Input[str]]]
    """Further principals that may search and read the indices in store `serverless`: its data policies name them; they
    need `aoss:APIAccessAll` besides. In a domain an IAM policy of their own is enough."""
    store_instance: NotRequired[str]
    """OpenSearch instance type of store `domain`. The default has room for some 900,000 chunks of 512 dimensions in its
    memory. `r7g.medium.search` by default. The default costs $65 a month. No output: it is read before anything is
    made."""
    store_instances: NotRequired[int]
    """How many instances store `domain` has, spread over zones; from three on it stays up when a zone fails. 1 to 9
    instances; 1 by default."""
    store_gigabytes: NotRequired[int]
    """Disk of each instance of store `domain`; small instances take less than the most. 10 to 1,024 GB; 20 by default.
    The default costs $2.44 a month."""
    existing_domain: NotRequired[pulumi.Input[str]]
    """Name of a domain of your own for store `domain`, reachable from the internet, in place of one that is made.
    Indices that begin with the ledger's name are made in it, and no others touched (docs/bring-your-own.md)."""
    auth: NotRequired[Auth]
    """Who may ask: `iam` (SigV4) or `jwt` (tokens of a Cognito user pool). `iam` by default."""
    user_pool_arn: NotRequired[pulumi.Input[str]]
    """The Cognito user pool whose ID tokens are accepted, of any app client; needed with `jwt`."""
    user_pool_scopes: NotRequired[Sequence[pulumi.Input[str]]]
    """With `jwt`: an access token that has one of these scopes is accepted, in place of an ID token. Machine clients
    (client credentials) have access tokens alone."""
    retention: NotRequired[Retention]
    """What destroy does to documents, ledger and index: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    query_usage: NotRequired[QueryUsage]
    """Assumptions that `tandem cost` counts with."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify; without it they are only visible in CloudWatch."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class ClusterVersions(TypedDict):
    """Versions of a cluster's parts; each has a default that fits the others."""

    kubernetes: NotRequired[str]
    """Minor version of Kubernetes. EKS upgrades one at a time, and never back. `1.36` by default. Beyond standard
    support the control plane costs $0.60 an hour instead of $0.10. No output: it is read before anything is made."""
    karpenter: NotRequired[str]
    """Release of Karpenter and of its CRDs. `1.14.1` by default. No output: it is read before anything is made."""
    node_image: NotRequired[str]
    """Release of EKS's AL2023 images that Karpenter starts. A change replaces nodes once they are empty. `v20261023` by
    default. No output: it is read before anything is made."""
    nvidia_device_plugin: NotRequired[str]
    """Release of NVIDIA's device plugin. `0.18.0` by default. No output: it is read before anything is made."""
    addons: NotRequired[Mapping[str, str]]
    """Versions of EKS add-ons by name, e.g. `vpc-cni: v1.21.1-eksbuild.1`; the others follow EKS's default for the
    cluster's Kubernetes at each `pulumi up`."""


class NodeTaint(TypedDict):
    """What keeps Pods away that don't tolerate it."""

    key: NotRequired[str]
    """Its key. No output: it is read before anything is made."""
    value: NotRequired[str]
    """Its value. No output: it is read before anything is made."""
    effect: NotRequired[str]
    """What it does. `NoSchedule` by default."""


class GpuNodePool(TypedDict):
    """A pool of Karpenter's: nodes come when Pods wait for them, go when they are empty, and are tainted as groups'."""

    name: NotRequired[str]
    """Its name, one of its own among groups and pools. `gpu` by default. No output: it is read before anything is
    made."""
    instance_types: NotRequired[Sequence[str]]
    """EC2 instance types with GPUs that Karpenter may start. No output: it is read before anything is made."""
    gpus: NotRequired[int]
    """GPUs at most, on all of its nodes together. 1 to 8,192 GPUs; 8 by default. The ceiling of what the pool can cost
    in an hour."""
    spot: NotRequired[bool]
    """Whether to take spot capacity; an interrupted run goes on from its last checkpoint, on a new node. false by
    default."""
    efa: NotRequired[bool]
    """Whether Pods may ask for `vpc.amazonaws.com/efa`: its nodes are in one zone then. false by default."""
    zones: NotRequired[Sequence[str]]
    """Availability zones, of those that the cluster has subnets in; all of them by default. No output: it is read
    before anything is made."""
    one_zone: NotRequired[bool]
    """Whether all its nodes are in the first of its zones that offers its types: for runs of several instances, which
    talk all the time. false by default. Between zones EC2 bills $0.01 a GB each way."""
    volume_gigabytes: NotRequired[int]
    """Root volume of a node (gp3, encrypted): images, and where it has no instance store the data set, base model,
    checkpoints and the merged model. 30 to 16,384 GB; 200 by default. $0.08 a GB and month while the node runs; without
    an instance store $15 a month more, for 500 MB/s."""
    instance_store: NotRequired[bool]
    """Whether images and Pods get the instance's own disks (as RAID 0) in place of the volume. They are faster, and
    cost nothing besides; some are smaller: g6e.xlarge has 250 GB. true by default."""
    labels: NotRequired[Mapping[str, str]]
    """Labels of its nodes besides; jobs choose nodes by them."""
    taints: NotRequired[Sequence[NodeTaint]]
    """Taints besides that of GPUs."""


class GpuNodeGroup(TypedDict):
    """An EKS managed node group. Nodes with GPUs are tainted `nvidia.com/gpu`, so that nothing else runs there."""

    name: NotRequired[str]
    """Its name, one of its own among groups and pools. No output: it is read before anything is made."""
    instance_types: NotRequired[Sequence[str]]
    """EC2 instance types, all alike; spot takes what there is. No output: it is read before anything is made."""
    ami_type: NotRequired[str]
    """EKS's image; by default AL2023 for the types' architecture, NVIDIA's where they have GPUs. No output: it is read
    before anything is made."""
    minimum: NotRequired[int]
    """Nodes at least. 0 to 450 nodes; 0 by default."""
    desired: NotRequired[int]
    """Nodes now. Only an autoscaler of your own changes it: Karpenter starts nodes of pools alone. A capacity block's
    group has 0 until the block begins. 0 to 450 nodes; 1 by default. Each bills by the hour, used or not."""
    maximum: NotRequired[int]
    """Nodes at most. 1 to 450 nodes; 1 by default."""
    capacity: NotRequired[str]
    """How they are bought: `on-demand`, `spot`, or `capacity-block` with the block's `reservation`. `on-demand` by
    default."""
    reservation: NotRequired[pulumi.Input[str]]
    """Capacity reservation or capacity block that the nodes use."""
    efa: NotRequired[bool]
    """Whether nodes talk to each other by the Elastic Fabric Adapter, all in one zone and placement group. false by
    default."""
    zones: NotRequired[Sequence[str]]
    """Availability zones, of those that the cluster has subnets in; all of them by default. No output: it is read
    before anything is made."""
    volume_gigabytes: NotRequired[int]
    """Root volume of a node (gp3, encrypted): images, and where it has no instance store the data set, base model,
    checkpoints and the merged model. 30 to 16,384 GB; 200 by default. $0.08 a GB and month while the node runs; without
    an instance store $15 a month more, for 500 MB/s."""
    instance_store: NotRequired[bool]
    """Whether images and Pods get the instance's own disks (as RAID 0) in place of the volume. They are faster, and
    cost nothing besides; some are smaller: g6e.xlarge has 250 GB. true by default."""
    repair: NotRequired[bool]
    """Whether EKS replaces a node whose health, of GPUs too, the monitoring agent finds bad. true by default."""
    labels: NotRequired[Mapping[str, str]]
    """Labels of its nodes besides; jobs choose nodes by them."""
    taints: NotRequired[Sequence[NodeTaint]]
    """Taints besides that of GPUs."""


class GpuClusterArgs(TypedDict):
    """Arguments of `GpuCluster`; every one has a default."""

    existing_cluster: NotRequired[str]
    """Name of an EKS cluster that is there, instead of a new one. Its network, nodes and add-ons stay as they are;
    `node_groups` and `node_pools` are put into it. It takes access entries, has the add-on eks-pod-identity-agent, and
    should enforce network policies. No output: it is read before anything is made."""
    existing_kubeconfig: NotRequired[pulumi.Input[str]]
    """Kubeconfig, as a text, of a cluster that is there and that EKS's API doesn't describe. Nothing is made, and runs
    can't train there: they find a cluster by EKS's API."""
    subnet_ids: NotRequired[Sequence[pulumi.Input[str]]]
    """Private subnets with a way out, in two zones or more, instead of a network of its own. With `existing_cluster`
    where nodes and functions are put, by default in its control plane's, which are often public."""
    cidr: NotRequired[str]
    """Addresses of the network, where one is made. `10.60.0.0/16` by default. The network's NAT gateway costs $36.50 a
    month with its address, and $0.045 a GB. No output: it is read before anything is made."""
    zones: NotRequired[Sequence[str]]
    """Availability zones of the network, two or three; by default the first three in which EKS has control planes. No
    output: it is read before anything is made."""
    endpoint_public: NotRequired[bool]
    """Whether the API is reachable from outside the network too, from `public_cidrs`; inside it always is. true by
    default."""
    public_cidrs: NotRequired[Sequence[str]]
    """Addresses from which the public endpoint answers; who asks needs IAM credentials in any case. No output: it is
    read before anything is made."""
    admins: NotRequired[Sequence[pulumi.Input[str]]]
    """IAM roles and users that administer the cluster, beside the one that creates it."""
    extended_support: NotRequired[bool]
    """Whether the cluster keeps its version once standard support ends; else EKS upgrades it then. false by default.
    $0.60 an hour instead of $0.10, from that day."""
    versions: NotRequired[ClusterVersions]
    """Versions of its parts."""
    system_instance_type: NotRequired[str]
    """EC2 instance type of the two nodes that the cluster's own Pods run on. `m7i.large` by default. Two of the default
    cost $147 a month. No output: it is read before anything is made."""
    autoscaler: NotRequired[str]
    """What starts nodes of the pools, which are always made by us: `karpenter` is installed, with `present` Karpenter
    itself is the existing cluster's, `none` makes no pools. `karpenter` by default."""
    node_pools: NotRequired[Sequence[GpuNodePool]]
    """Karpenter's pools of GPU nodes, by default one pool `gpu`, g6e.2xlarge, 8 GPUs, also beside `node_groups`; `[]`
    or `autoscaler: none` for none."""
    node_groups: NotRequired[Sequence[GpuNodeGroup]]
    """Managed groups of GPU nodes."""
    group_autoscaler: NotRequired[bool]
    """Whether an autoscaler of your own, e.g. Cluster Autoscaler, changes the size of node groups. false by default."""
    device_plugins: NotRequired[str]
    """NVIDIA's device plugin and, with `efa`, the adapter's: `install`, or `present` where the cluster has its own,
    also by the GPU Operator. By default a new cluster gets them and an existing one has them; without them no Pod gets
    a GPU, and Karpenter's nodes stay for ever."""
    metrics: NotRequired[str]
    """Where metrics of nodes, Pods and GPUs go: `cloudwatch` (add-on with the DCGM exporter), or `none`. `cloudwatch`
    by default. CloudWatch bills each observation and GB of logs."""
    node_tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Tags of the nodes that Karpenter starts, beside environment and stack. Apart from `tags`, since these stand in an
    object of the cluster, which a change of tags elsewhere leaves alone."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts the cluster's secrets, in place of one that is made. A change replaces the
    cluster. One that is made costs $1 a month."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class GpuQuota(TypedDict):
    """GPUs of one instance type."""

    instance_type: NotRequired[str]
    """EC2 instance type with GPUs. `g6e.2xlarge` by default. No output: it is read before anything is made."""
    gpus: NotRequired[int]
    """How many of its GPUs runs may have at once. 1 to 10,000 GPUs; 8 by default."""


class ClusterTrainingSettings(TypedDict):
    """How runs share a cluster."""

    namespace: NotRequired[str]
    """Kubernetes namespace of the runs, made for them. Each stack of a cluster needs one of its own. `tandem-training`
    by default. No output: it is read before anything is made."""
    quotas: NotRequired[Sequence[GpuQuota]]
    """What all runs together may have at once; what doesn't fit waits. By default what one run takes."""
    controllers: NotRequired[str]
    """Whether to `install` Kueue and Kubeflow Trainer (with JobSet), or they are there already: `existing`. `install`
    by default."""
    ready_minutes: NotRequired[int]
    """How long a job's nodes, images and data may take before it gives its quota back and waits anew. 5 to 240 minutes;
    30 by default."""
    poll_seconds: NotRequired[int]
    """How often a run looks after its job; after 400 looks less often. 1 to 300 seconds; 15 by default."""
    kueue_version: NotRequired[str]
    """Release of Kueue. `0.19.0` by default. No output: it is read before anything is made."""
    trainer_version: NotRequired[str]
    """Release of Kubeflow Trainer, which brings JobSet. `2.3.0` by default. No output: it is read before anything is
    made."""


class RunUsage(TypedDict):
    """What a fine-tuning environment is assumed to hold, and a run to take; for its cost alone."""

    datasets_gigabytes: NotRequired[float]
    """Data sets in the bucket. 1 by default."""
    artifacts_gigabytes: NotRequired[float]
    """Runs, checkpoints, models and base models in the bucket. 20 by default."""
    images_gigabytes: NotRequired[float]
    """Images of your own in the repository. 0 by default."""
    log_gigabytes: NotRequired[float]
    """Logs that are kept. 0.1 by default."""
    training_hours: NotRequired[float]
    """Time that a run trains. 1 by default."""
    evaluation_hours: NotRequired[float]
    """Time that its evaluation takes. 0.25 by default."""


class FineTuningEnvironmentArgs(TypedDict):
    """Arguments of `FineTuningEnvironment`; every one has a default."""

    training_backend: NotRequired[TrainingBackend]
    """Where runs train: `sagemaker`, as its training jobs, or `eks`, on a cluster of GPU nodes. `sagemaker` by default.
    A cluster bills its control plane, system nodes and network by the hour."""
    cluster: NotRequired[GpuClusterArgs]
    """The cluster, for `eks`; without pools and groups of its own it has a pool with what the quotas let go."""
    cluster_training: NotRequired[ClusterTrainingSettings]
    """How runs share the cluster, for `eks`."""
    training_instance: NotRequired[str]
    """Instance that trains: SageMaker's, or for `eks` EC2's name, without `ml.`. The default has 48 GB of GPU memory:
    24 GB are too few for QLoRA of an 8B model once it saves a checkpoint. `ml.g6e.2xlarge` by default. The default
    costs $2.80 an hour while it trains. No output: it is read before anything is made."""
    training_instances: NotRequired[int]
    """How many of them share each run, by all their GPUs. 1 to 16 instances; 1 by default."""
    max_training_hours: NotRequired[float]
    """Longest that one attempt may train. With the attempts, the ceiling of a run's price. 0.2 to 120 hours; 4 by
    default."""
    attempts: NotRequired[int]
    """How often a run may start training; each goes on from the last checkpoint. 1 to 5 attempts; 2 by default."""
    spot: NotRequired[bool]
    """Whether to train on spot capacity; with SageMaker an interruption uses up an attempt. false by default."""
    volume_gigabytes: NotRequired[int]
    """Disk of each instance. 30 to 16,384 GB; 200 by default. Billed while jobs run."""
    evaluation_instance: NotRequired[str]
    """Instance that evaluates, on one GPU; the training instance by default. No output: it is read before anything is
    made."""
    max_evaluation_hours: NotRequired[float]
    """Longest that the evaluation may take. 0.2 to 120 hours; 1 by default."""
    training_image: NotRequired[str]
    """Image of the training job: a Deep Learning Container's `repository:tag`, or a full URI (docs/training-image.md).
    `huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04` by default. No output: it is read
    before anything is made."""
    serving_image: NotRequired[str]
    """Image that evaluates and serves: a Deep Learning Container's `repository:tag`, or a full URI. TGI is refused.
    `djl-inference:0.36.0-lmi28.0.0-cu130` by default. No output: it is read before anything is made."""
    host_ami: NotRequired[str]
    """SageMaker host image of the endpoint; by default the one that has the serving image's CUDA. No output: it is read
    before anything is made."""
    hub_token_secret: NotRequired[pulumi.Input[str]]
    """ARN of the secret (Secrets Manager) with the Hugging Face token that gated base models need."""
    tracking: NotRequired[str]
    """Experiment tracking: `app` (serverless MLflow), `server`, `none`, or the URL of an MLflow of your own. `app` by
    default. An app has no hourly charge, a server costs about $470 a month. No output: it is read before anything is
    made."""
    model: NotRequired[str]
    """ARN of the approved model package to serve; `tandem finetune promote` writes it. Empty for no endpoint, which is
    what costs. No output: it is read before anything is made."""
    endpoint_instance: NotRequired[str]
    """SageMaker instance that serves. `ml.g6e.xlarge` by default. The default costs $2.61 an hour while the endpoint
    exists. No output: it is read before anything is made."""
    endpoint_mode: NotRequired[EndpointMode]
    """Whether the endpoint keeps its instances: `steady`, or `zero` for none, and no bill, while nobody asks; the first
    request then fails and wakes one within minutes. `steady` by default."""
    endpoint_instances: NotRequired[int]
    """How many instances serve, with `zero` at most; with two or more, a new model first answers on one of them. 1 to
    16 instances; 1 by default."""
    endpoint_gpus: NotRequired[int]
    """What a copy of the model takes when the endpoint scales to zero. 0 to 8 GPUs; 1 by default."""
    endpoint_hours: NotRequired[int]
    """When the cost guard deletes the endpoint; 0 for never. With `zero` it is never, since its instances end by
    themselves. 0 to 8,760 hours; 8 by default."""
    monthly_budget: NotRequired[int]
    """What a month may cost before alerts go out; 0 for no budget. It counts nothing until the tag `tandem:stack` is
    activated for cost allocation, in the billing console of the account that pays. 0 to 10,000,000 dollars; 100 by
    default."""
    alert_email: NotRequired[str]
    """Who gets the budget's alerts; without it only the alarm topic does. No output: it is read before anything is
    made."""
    retention: NotRequired[Retention]
    """What destroy does to data sets, models and images: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    existing_dataset_bucket: NotRequired[pulumi.Input[str]]
    """Name of a bucket of your own for data sets, which are below `datasets/` in it, in place of one that is made.
    Nothing else of it is read, and nothing changed, at destroy neither (docs/bring-your-own.md)."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    run_usage: NotRequired[RunUsage]
    """Assumptions of fine-tuning that `tandem cost` counts with."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms, approvals and the budget notify; without it alarms are only visible in CloudWatch."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class HybridEnvironmentArgs(TypedDict):
    """Arguments of `HybridEnvironment`; every one has a default."""

    rag: NotRequired[RagEnvironmentArgs]
    """Arguments of its `RagEnvironment`; `generator` is who answers while the tuned model can't."""
    finetuning: NotRequired[FineTuningEnvironmentArgs]
    """Arguments of its `FineTuningEnvironment`; `model` names the package that writes the answers."""
    dashboard: NotRequired[bool]
    """Whether to make a CloudWatch dashboard. false by default. One costs $3 a month beyond an account's three free
    ones."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that the alarms of both parts, approvals and the budget notify; a part's own goes before."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """For both parts; a part's own goes before. KMS key of your own that encrypts what is made here and holds data; its
    policy has to let services in (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain
    and cluster, and a collection keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """For both parts; a part's own goes before. What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """For both parts; a part's own goes before. How long logs are kept: a number of days that CloudWatch takes. 1 to
    3,653 days; 14 by default. A GB of logs costs $0.03 a month."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags of both parts; a part's own go before."""


class DataBucketArgs(TypedDict):
    """Arguments of `DataBucket`; every one has a default."""

    existing_bucket: NotRequired[pulumi.Input[str]]
    """Name of a bucket that is there, in place of one that is made: nothing of it is set or deleted."""
    rewritten: NotRequired[Sequence[str]]
    """Prefixes whose objects are replaced all the time, such as checkpoints: what is superseded or abandoned below them
    expires after a day. No output: it is read before anything is made."""
    retention: NotRequired[Retention]
    """What destroy does to the bucket and what is in it: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class LedgerArgs(TypedDict):
    """Arguments of `Ledger`; every one has a default."""

    retention: NotRequired[Retention]
    """What destroy does to the table and what it records: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class ServerlessVectorStoreArgs(TypedDict):
    """Arguments of `ServerlessVectorStore`."""

    ledger_table: pulumi.Input[str]
    """Name of the table that records what is indexed: the output `table_name` of a `Ledger`."""
    embedder: NotRequired[str]
    """Bedrock embedding model, or `https://host/v1#MODEL` for a model of your own behind an OpenAI-compatible API. A
    change of this, `dimensions` or a chunk's length makes a new index, which stays empty: the active one goes on
    answering, since nothing moves a stack to another one yet. `amazon.titan-embed-text-v2:0` by default. Titan v2 costs
    $0.02 per million tokens; what a URL costs isn't known here. No output: it is read before anything is made."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. Keep it
    as long as an index of that embedder answers. A secret costs $0.40 a month."""
    dimensions: NotRequired[int]
    """Length of an embedding: 256 or 512 or 1024 with amazon.titan-embed-text-v2:0; 1024 with cohere.embed-english-v3;
    1024 with cohere.embed-multilingual-v3; its own with a model behind a URL. 1 to 4,096; 512 by default. Storage and
    search cost grow with it."""
    chunk_tokens: NotRequired[int]
    """Length of a chunk; 512 at most with cohere.embed-english-v3; 512 at most with cohere.embed-multilingual-v3. 50 to
    2,000 tokens; 200 by default."""
    chunk_overlap: NotRequired[int]
    """What a chunk repeats of the one before, under half of `chunk_tokens`. 0 to 999 tokens; 40 by default."""
    max_search_ocu: NotRequired[int]
    """Ceiling of store `serverless` for search and for indexing each: 1, 2, 4, 8, 16 or a multiple of 16. 1 to 96
    OpenSearch compute units; 2 by default. One costs about $0.24 an hour while it runs; idle, none runs."""
    existing_collection: NotRequired[pulumi.Input[str]]
    """Name of a collection of your own for store `serverless`, of type VECTORSEARCH and reachable from the internet, in
    place of one that is made. Indices that begin with the ledger's name are made in it, and no others touched
    (docs/bring-your-own.md)."""
    store_readers: NotRequired[Sequence[pulumi.Input[str]]]
    """Further principals that may search and read the indices in store `serverless`: its data policies name them; they
    need `aoss:APIAccessAll` besides. In a domain an IAM policy of their own is enough."""
    retention: NotRequired[Retention]
    """What destroy does to the store with its indices: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class DomainVectorStoreArgs(TypedDict):
    """Arguments of `DomainVectorStore`."""

    ledger_table: pulumi.Input[str]
    """Name of the table that records what is indexed: the output `table_name` of a `Ledger`."""
    embedder: NotRequired[str]
    """Bedrock embedding model, or `https://host/v1#MODEL` for a model of your own behind an OpenAI-compatible API. A
    change of this, `dimensions` or a chunk's length makes a new index, which stays empty: the active one goes on
    answering, since nothing moves a stack to another one yet. `amazon.titan-embed-text-v2:0` by default. Titan v2 costs
    $0.02 per million tokens; what a URL costs isn't known here. No output: it is read before anything is made."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. Keep it
    as long as an index of that embedder answers. A secret costs $0.40 a month."""
    dimensions: NotRequired[int]
    """Length of an embedding: 256 or 512 or 1024 with amazon.titan-embed-text-v2:0; 1024 with cohere.embed-english-v3;
    1024 with cohere.embed-multilingual-v3; its own with a model behind a URL. 1 to 4,096; 512 by default. Storage and
    search cost grow with it."""
    chunk_tokens: NotRequired[int]
    """Length of a chunk; 512 at most with cohere.embed-english-v3; 512 at most with cohere.embed-multilingual-v3. 50 to
    2,000 tokens; 200 by default."""
    chunk_overlap: NotRequired[int]
    """What a chunk repeats of the one before, under half of `chunk_tokens`. 0 to 999 tokens; 40 by default."""
    store_instance: NotRequired[str]
    """OpenSearch instance type of store `domain`. The default has room for some 900,000 chunks of 512 dimensions in its
    memory. `r7g.medium.search` by default. The default costs $65 a month. No output: it is read before anything is
    made."""
    store_instances: NotRequired[int]
    """How many instances store `domain` has, spread over zones; from three on it stays up when a zone fails. 1 to 9
    instances; 1 by default."""
    store_gigabytes: NotRequired[int]
    """Disk of each instance of store `domain`; small instances take less than the most. 10 to 1,024 GB; 20 by default.
    The default costs $2.44 a month."""
    existing_domain: NotRequired[pulumi.Input[str]]
    """Name of a domain of your own for store `domain`, reachable from the internet, in place of one that is made.
    Indices that begin with the ledger's name are made in it, and no others touched (docs/bring-your-own.md)."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify; without it they are only visible in CloudWatch."""
    retention: NotRequired[Retention]
    """What destroy does to the store with its indices: `keep` refuses (protect), `erase` deletes them. `keep` by
    default."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class IngestionPipelineArgs(TypedDict):
    """Arguments of `IngestionPipeline`."""

    documents_bucket: pulumi.Input[str]
    """Name of the bucket whose documents are indexed, all of them; it tells EventBridge of its changes, as a
    `DataBucket` does."""
    ledger_table: pulumi.Input[str]
    """Name of the table that records what is indexed: the output `table_name` of a `Ledger`."""
    store: NotRequired[StoreKind]
    """What kind of store it is. `serverless` by default."""
    store_name: pulumi.Input[str]
    """Name of the collection or domain: the output `store_name` of the part that made it."""
    store_arn: pulumi.Input[str]
    """Its ARN: the output `store_arn`."""
    store_indices: NotRequired[pulumi.Input[str]]
    """What the names of the indices match that may be touched in it: the output `store_indices`, without which a store
    that others use too is open to these functions as a whole. `*` by default."""
    index_name: NotRequired[pulumi.Input[str]]
    """The output `index_name` of a store that is made in the same program: no document is taken before that index is
    there, and none any more once it is to be dropped."""
    max_document_megabytes: NotRequired[int]
    """Larger documents are rejected. 1 to 100 MB; 25 by default."""
    ingest_concurrency: NotRequired[int]
    """How many functions index documents at once, each with up to eight calls to the embedder. 2 to 50 functions; 5 by
    default."""
    sweep_minutes: NotRequired[int]
    """How often bucket, ledger and index are compared. Under 10, a comparison has no longer than this. 5 to 1,440
    minutes; 15 by default. The ledger is read each time: of 100,000 documents of 2 KB about 25,000 read units."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. Keep it
    as long as an index of that embedder answers. A secret costs $0.40 a month."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify; without it they are only visible in CloudWatch."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""


class QueryApiArgs(TypedDict):
    """Arguments of `QueryApi`."""

    ledger_table: pulumi.Input[str]
    """Name of the table that records what is indexed: the output `table_name` of a `Ledger`."""
    store: NotRequired[StoreKind]
    """What kind of store it is. `serverless` by default."""
    store_name: pulumi.Input[str]
    """Name of the collection or domain: the output `store_name` of the part that made it."""
    store_arn: pulumi.Input[str]
    """Its ARN: the output `store_arn`."""
    store_indices: NotRequired[pulumi.Input[str]]
    """What the names of the indices match that may be touched in it: the output `store_indices`, without which a store
    that others use too is open to these functions as a whole. `*` by default."""
    generator: NotRequired[str]
    """Bedrock model id, inference profile id or ARN that writes the answers; in a hybrid, while the tuned model can't.
    By default amazon.nova-lite-v1:0, or where that isn't served on demand its profile of the region's geography. No
    output: it is read before anything is made."""
    endpoint_name: NotRequired[pulumi.Input[str]]
    """SageMaker endpoint of a tuned model that writes the answers; while it can't, `generator` does."""
    inference_component: NotRequired[pulumi.Input[str]]
    """The endpoint's inference component, where it has one: where it scales to zero."""
    reranker: NotRequired[str]
    """Bedrock model that puts the best 20 passages of a search into an order of its own. Without one the search's
    stands. `cohere.rerank-v3-5:0` in us-east-1, us-west-2, ca-central-1, eu-central-1, ap-northeast-1 (gain not
    measured); `amazon.rerank-v1:0` in us-west-2, ca-central-1, eu-central-1, ap-northeast-1 (gain not measured).
    Cohere's costs $2 per 1,000 questions, Amazon's $1."""
    min_score: NotRequired[float]
    """Cosine similarity below which a question is refused as not in the documents. Without it, that of the embedder of
    the index that answers: 0.4, not measured, with amazon.titan-embed-text-v2:0, cohere.embed-english-v3,
    cohere.embed-multilingual-v3 or a URL. 0 to 1."""
    embedder_secret_arn: NotRequired[pulumi.Input[str]]
    """Secrets Manager secret with the key of an embedder behind a URL: the key itself, or JSON with `api_key`. Keep it
    as long as an index of that embedder answers. A secret costs $0.40 a month."""
    auth: NotRequired[Auth]
    """Who may ask: `iam` (SigV4) or `jwt` (tokens of a Cognito user pool). `iam` by default."""
    user_pool_arn: NotRequired[pulumi.Input[str]]
    """The Cognito user pool whose ID tokens are accepted, of any app client; needed with `jwt`."""
    user_pool_scopes: NotRequired[Sequence[pulumi.Input[str]]]
    """With `jwt`: an access token that has one of these scopes is accepted, in place of an ID token. Machine clients
    (client credentials) have access tokens alone."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key of your own that encrypts what is made here and holds data; its policy has to let services in
    (docs/bring-your-own.md). Give it at first: a change replaces image repository, domain and cluster, and a collection
    keeps the key that it was made with. KMS bills requests; the key is yours."""
    roles: NotRequired[RoleRules]
    """What every IAM role has that is made here: boundary and path."""
    log_days: NotRequired[int]
    """How long logs are kept: a number of days that CloudWatch takes. 1 to 3,653 days; 14 by default. A GB of logs
    costs $0.03 a month."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify; without it they are only visible in CloudWatch."""
    tags: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` and `tandem:stack` are set in any
    case."""
