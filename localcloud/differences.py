"""Every way in which the local cloud differs from AWS, one row each; the notice after `up` comes from it, and the page:
`python -m localcloud.differences > docs/local-cloud.md`.

A row about Pulumi has a type token as its subject (`aws:sqs/queue:Queue`, `*` standing for anything), or properties of
a type after a `#`, with a dot before what is inside of one. The stand-in for the aws provider acts on those rows: a
`recorded` type or property is kept in the state and nothing else, and an `emulated` property that didn't change is no
difference, whatever the emulator answers.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

MEANINGS = {
    "real": "The thing itself, of another size or make.",
    "emulated": "Something else answers as AWS does, as far as it goes.",
    "recorded": "Kept in Pulumi's state, and nothing happens; tests look at what was registered.",
    "refused": "Works on AWS and fails here.",
}

MIN_SCORE = 0.49
"""What refuses best with MiniLM-L6, by the twenty questions about the sample documents (samples/questions.jsonl)."""
NO_MODEL = "none"
"""Sent as the model of an endpoint that inference components would bring one to: the older provider demands one."""


class Difference(NamedTuple):
    """One deviation: what it is about, a key of MEANINGS, what AWS does, what happens here, and why."""

    subject: str
    here: str
    on_aws: str
    locally: str
    why: str


# fmt: off
UNCHANGED = "unchanged in the program is taken as unchanged"
DIFFERENCES = [Difference(*row) for row in [
    # Resource types and properties of the aws provider
    ("aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup", "recorded",
     "decides the generation and the scaling to zero of its collections",
     "kept in the state with an id and an ARN", "the Terraform provider 5.100 has no such type"),
    ("aws:opensearch/serverlessCollection:ServerlessCollection#collectionGroupName", "recorded",
     "puts the collection into a group", "kept in the state, not sent", "the Terraform provider 5.100 lacks it"),
    ("aws:opensearch/domain:Domain", "recorded", "has the version, instances, disks and settings that it asks for",
     "its settings are kept in the state; a domain of its name is made and deleted",
     "the Terraform provider waits ten minutes before it looks whether a domain is there, or gone"),
    ("aws:opensearch/serverless*#description,policyVersion", "emulated", "answers no description where none was given",
     UNCHANGED, "the emulator answers an empty text, which would be an update in every preview"),
    ("aws:sqs/queue:Queue#redrivePolicy", "emulated", "is compared as JSON", UNCHANGED,
     "the stand-in's state holds the text as written, the Terraform provider compares it with its own spelling"),
    ("aws:cloudwatch/metricAlarm:MetricAlarm#actionsEnabled,alarmActions,alarmDescription,datapointsToAlarm,dimensions,"
     "extendedStatistic,insufficientDataActions,okActions,period,statistic,treatMissingData,unit", "emulated",
     "answers every setting of the alarm", UNCHANGED, "the emulator doesn't tell these to the Terraform provider"),
    ("aws:apigateway/*#tags,tagsAll", "emulated", "changes the tags of an API and of its stages",
     "the first tags stay; " + UNCHANGED, "the emulator forgets changed tags of these"),
    ("aws:apigateway/stage:Stage#invokeUrl", "emulated", "is a host name below amazonaws.com",
     "a path of the emulator: /_aws/execute-api/ID/STAGE", "names below localhost don't resolve everywhere"),
    ("aws:apigateway/stage:Stage#accessLogSettings", "emulated", "answers no access log settings where none were given",
     UNCHANGED, "the emulator answers empty settings, which would be an update in every preview"),
    ("aws:cloudcontrol/resource:Resource", "recorded", "makes what CloudFormation knows: inference components",
     "kept in the state with an id; an endpoint that scales to zero has no instance, and refuses every request",
     "the emulator knows no such types; callers show what they do when nobody answers"),
    *((f"aws:appautoscaling/{kind}", "recorded", "scales copies of a model", "kept in the state with an id and an ARN",
       "the emulator knows no inference components") for kind in ("target:Target", "policy:Policy")),
    ("aws:sagemaker/mlflowApp:MlflowApp", "recorded", "keeps experiments and models",
     "kept in the state with an id and an ARN", "the Terraform provider 5.100 lacks it, and MLflow is not here"),
    ("aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer", "recorded", "runs MLflow, by the hour",
     "kept in the state with an id and an ARN", "MLflow is not here"),
    # Services
    ("search", "real", "a collection keeps its own store and wakes from zero in 10-30 s; a domain has instances, which "
     "take 15-30 minutes to start", "one OpenSearch 2.19.1 node without standby; a collection or domain sees only the "
     "indices with its id as prefix", "k-NN needs a real engine; scaling is AWS's own"),
    ("search engine of vectors", "emulated", "faiss with HNSW",
     "Lucene's HNSW in the name of faiss; other engines are refused, as on AWS", "faiss's library is not in Maven"),
    ("search refresh", "emulated", "a collection finds documents 10-60 s after they were written", "after 1 s",
     "OpenSearch's default; waiting a minute would teach nothing"),
    ("endpoints of collections and domains", "emulated", "a host name of its own",
     "a path of the emulator: /_aoss/ID, /_es/NAME", "names below localhost don't resolve everywhere"),
    ("search across indices, index patterns, aliases, templates, pipelines, points in time, multi-search", "refused",
     "served by collections and domains", "404; calls on one index are served", "no stack uses them"),
    ("looking at a bucket of one's own", "refused", "tells its notifications, encryption, tags and account",
     "it is there or not; a warning says what isn't told", "the Terraform provider 5.100 has no such calls"),
    ("access policies of domains", "refused", "let principals in, or keep them out",
     "nobody is let in by one; the identity's own policies count", "no stack has one"),
    ("embeddings", "real", "Titan and Cohere models", "MiniLM-L6 (384 dimensions, 256 tokens a text), padded with "
     "zeros, which keeps cosines, or cut to 256; always of length 1; a token is counted as four characters",
     "a model that fits a laptop and a package"),
    ("the least score of an answer", "emulated", "belongs to the embedder; what isn't measured is 0.4",
     f"is MiniLM-L6's for a stack that gives none: {MIN_SCORE}", "it answers in the place of the models on AWS"),
    ("reranking", "emulated", "Cohere's and Amazon's rerank models, in some regions",
     "late interaction over MiniLM-L6's vectors of tokens, in every region: the mean, over the question's tokens, of "
     "the best cosine with one of the passage's; what it gains says nothing of the models on AWS",
     "it needs no other model than the one that embeds"),
    ("generation", "real", "the model that the stack names, with a context of 100,000 tokens or more",
     "SmolLM2-135M for every model id, 8,192 tokens; it reads some 250 tokens a second and can't refuse",
     "a model that fits a laptop and a package"),
    ("calls of a model whose caller gives up", "real", "are of no account to others",
     "end, so that others don't wait for them; the same request, sent again, goes on where it was, in its prompt "
     "or its answer", "a caller has 20 seconds, as on AWS: on a slow or busy machine it asks several times"),
    ("Bedrock permissions", "emulated", "need bedrock:InvokeModel on the model, of a profile on its models too; "
     "the model is served in the region, and open to the account", "a request must be signed; signature and role are "
     "not checked, and every id of a generator is the small LLM", "the model server knows no IAM nor regions"),
    ("SageMaker training jobs", "real", "run the image on the instances that the request names, several at once",
     "the request's entry point as a process of this machine for each instance, in the environment .tandem/training, "
     "`python3` and paths below /opt/ml replaced, one job at a time; image, instance type, disk, spot and network are "
     "recorded", "no containers and no GPU needed; the code, its files and their copies in S3 are the same"),
    ("hosts of a SageMaker job", "emulated", "find each other by the names in resourceconfig.json; a channel may be "
     "sharded, and instances of several types; which file stays where several hosts write one name to /opt/ml/model is "
     "not documented, nor whose failure is told", "names like algo-2 don't resolve: MASTER_ADDR is 127.0.0.1 and "
     "MASTER_PORT a free port; current_instance_type isn't told; one type, and all of a channel for each; the first "
     "host's file stays, and who fails first is told", "names take root; no stack needs the rest"),
    ("SageMaker jobs that are stopped", "emulated", "get SIGTERM, and 120 s later SIGKILL",
     "15 s later; a job that runs while the local cloud stops fails as one whose instance was lost; without a "
     "/proc, as on macOS, what had left the process group of a killed job goes on", "nobody should wait longer"),
    ("aws:sagemaker/endpointConfiguration:EndpointConfiguration#productionVariants.inferenceAmiVersion", "recorded",
     "chooses the host image, with the CUDA of its driver", "kept in the state, not sent; a change of it alone isn't "
     "noticed", "the Terraform provider 5.100 knows no host image with CUDA 13"),
    ("aws:sagemaker/endpointConfiguration:EndpointConfiguration#executionRoleArn", "recorded",
     "is the role of inference components", "kept in the state, not sent", "the Terraform provider 5.100 lacks it"),
    ("SageMaker endpoints", "real", "run the container, with the instances, rollout and scaling of the configuration",
     "Transformers on the files of the first variant's model, one process; a new "
     "model takes over when it answers; instances, rollout, alarms and scaling are recorded",
     "no containers and no GPU needed; the protocol is the same"),
    ("SageMaker's other calls, response streams, packages without a group", "refused",
     "are served", "an error that names what is served", "no stack uses them"),
    ("SageMaker metrics", "emulated", "are in CloudWatch, so alarms see them",
     "no data points; log lines of jobs are in CloudWatch Logs, those of endpoints in .tandem/logs",
     "an alarm would watch this machine"),
    ("SageMaker permissions", "emulated", "need an action on the resource; jobs and models act with their role",
     "a request must be signed; signature and role are not checked, and jobs act as the root user",
     "the runner knows no IAM"),
    ("Step Functions' SageMaker tasks", "emulated", "createTrainingJob and 20 more, with .sync",
     "createTrainingJob, with .sync or without, and aws-sdk:sagemaker", "the emulator has none"),
    ("Kubernetes", "real", "a control plane for each EKS cluster, of the version that it asks for, in three zones",
     "API server, etcd, controller manager and scheduler 1.35.4 as processes of this machine, one for all "
     "clusters, there before them and after them, with `tandem local up --kubernetes`; on Linux only",
     "the newest set of Kubernetes, Kueue 0.17.0, Trainer 2.2.0, JobSet 0.11.1 and Karpenter 1.14.1 that was built and "
     "seen to work together from Go modules; the stack's own versions are recorded"),
    ("EKS's endpoint access, secrets encryption and logs", "emulated", "are as the cluster asks for",
     "are told as asked; the endpoint is on loopback, etcd's data are plain files of who started it, logs are files",
     "no key, no network and no CloudWatch stand behind it"),
    ("charts of controllers", "real", "come from the registries that the program names, in the version that it names",
     "come from the Go modules of the controllers that run here, whatever version is asked for",
     "those modules are pinned by hashes, and need no registry"),
    ("controllers of charts", "real", "run in the Pods of their Deployments, chosen among replicas by election",
     "one process of this machine for each Deployment, ready when it is; with the chart's settings, arguments, service "
     "account, webhook certificate; other addresses, no election, no metrics; two paths in JobSet and Trainer changed",
     "no containers needed; the paths are constants there, of folders that only a container has"),
    ("Karpenter's rights", "emulated", "are those of its chart's service account, and its role's in AWS",
     "that account may make and change nodes, and classes of simulated ones, too", "its kwok provider makes the nodes"),
    ("who asks Kubernetes", "emulated", "who deploys shows a token by `aws eks get-token`, which an access entry maps",
     "who deploys has an administrator's token, in a file; IAM tokens of others are checked as on AWS, access entries "
     "and their groups too", "the provider would need the AWS CLI, and the local deployer is root, which has no entry"),
    ("training Pods", "real", "run in containers of their image, as their user, within their limits",
     "processes of this machine, in their order, with their exit codes, signals and grace; `python3` is the training "
     "environment's, `/opt/ml` a folder of the Pod's own; every other Pod runs without a process, by kwok",
     "no containers needed; the controllers see what they would see"),
    ("images of Pods", "emulated", "are pulled, or the Pod says why not",
     "none is pulled; of a registry whose name ends in .invalid the Pod says that it can't be", "no containers here"),
    ("names and ports of Pods", "emulated", "are resolved by the cluster's DNS; each Pod has all ports",
     "names of a job's Pods are replaced by 127.0.0.1 in arguments and environment, and each declared port by a free "
     "one of this attempt of the job; paths of volumes by those of folders", "all Pods share this machine's loopback"),
    ("Pods with probes, hooks, host namespaces, claims, tokens or paths of the host", "refused", "have them",
     "fail, with an event that names the field; `kubectl logs` and `exec` find nothing: logs/pods has what they print",
     "training Pods use none of these"),
    ("Pod Identity", "emulated", "its agent answers at a link-local address, with session tags",
     "answers on loopback, without tags, with credentials of the role that the association names",
     "no link-local address here; no policy asks for the tags"),
    ("type of a training Pod's node", "emulated", "its containers are told, and refuse a processor at a GPU's price",
     "they aren't told: it is this machine", "no GPU needed here"),
    ("instances of node groups", "emulated", "start in minutes; a group that shrinks drains them first",
     "simulated nodes, by kwok, there in seconds; what ran on one that goes is killed; Auto Scaling has no group; a "
     "capacity block, whose type is in its launch template, has m7i.large", "no instances here"),
    ("NodePools of an EC2NodeClass", "emulated", "buy EC2 instances that fit, by price",
     "have a twin, NAME-twin, that buys simulated nodes, whose label karpenter.sh/nodepool names the twin; asking for "
     "karpenter.k8s.aws/* of an instance is refused; the class is ready whatever it names, and fewer GPUs come first",
     "Karpenter's kwok provider knows its own node class alone"),
    ("access policies of EKS", "emulated", "are judged by an authorizer of their own",
     "roles and bindings in the cluster, a few seconds later", "the API server has RBAC alone"),
    ("EKS's versions of Kubernetes", "emulated", "are told with the dates of their support",
     "none is told: programs go by what they know themselves", "the emulator knows none"),
    ("EKS's versions of add-ons", "emulated", "are many for each version of Kubernetes, one of them its default",
     "each add-on has one, the default of every Kubernetes", "the emulator runs no add-on"),
    ("EKS's changes of clusters and node groups", "emulated", "take minutes; AMI types, instance types, sizes, roles "
     "and subnets are checked", "are done at once, and nothing is checked", "the emulator's rules"),
    ("functions", "real", "Amazon Linux, arm64, python3.12, limited memory, a read-only file system, its own network",
     "the same zip as a process of this machine: its Python, its architecture, Python only; the limits are the timeout "
     "and, on Linux, the memory, of each of a function's processes by itself; too much is a MemoryError, not a kill",
     "no containers needed; imports see boto3 and the zip only, as on AWS"),
    ("packages of functions", "real", "have native code, which the zip brings: for arm64, CPython 3.12, glibc 2.34",
     "those that the zip brings, as this machine has them installed: the same versions where that is by the lock",
     "code for another processor can't run"),
    ("IAM", "emulated", "checks every call",
     "checks signature, identity policies, boundaries and bucket policies; the deployer is the root user, whose "
     "signature is not checked", "the emulator's rules"),
    ("access keys", "emulated", "are made by IAM and STS",
     "any key of twelve digits is the root user of the account that it names", "the emulator's rules"),
    ("TLS", "emulated", "every endpoint has it, and policies refuse requests without",
     "plain HTTP on loopback, which counts as TLS (aws:SecureTransport)", "no certificates to trust"),
    ("permissions between services", "emulated",
     "EventBridge to a queue, API Gateway to a function, polling a queue, writing logs need a policy",
     "always allowed; a missing queue policy or Lambda permission shows on AWS only", "the emulator checks none"),
    ("KMS keys of buckets, tables, queues and logs", "emulated", "encrypt, and are asked in the name of who "
     "reads and writes", "are told as they were given; nothing is encrypted and nobody's permission asked",
     "the emulator's rules"),
    ("S3 events", "emulated", "name the object's version", "carry no version-id",
     "the emulator leaves it out; ingest reads the object's present state anyway"),
    ("repeated calls", "emulated", "are carried out again, unless the operation is idempotent",
     "one that succeeded is answered as before when an SDK sends it again, with its id",
     "Go's SDK now and then loses an answer that comes within a millisecond (aws/aws-sdk-go-v2#2737)"),
    ("durability", "emulated", "an acknowledged write is kept", "after kill -9 the last two seconds may be lost",
     "the emulator's state is saved every two seconds"),
]]
# fmt: on


def recorded_types() -> set[str]:
    """The type tokens that are kept in the state only."""
    return {row.subject for row in DIFFERENCES if row.here == "recorded" and "#" not in row.subject}


def recorded_properties(token: str) -> set[str]:
    """The properties of a type that are kept in the state only."""
    return _properties(token, "recorded")


def emulated_properties(token: str) -> set[str]:
    """The properties of a type whose value the emulator answers differently, so that only a changed input counts."""
    return _properties(token, "emulated")


def _properties(token: str, here: str) -> set[str]:
    subjects = [row.subject.split("#") for row in DIFFERENCES if row.here == here and "#" in row.subject]
    return {name for pattern, names in subjects if fnmatchcase(token, pattern) for name in names.split(",")}


def page() -> str:
    """Return the page docs/local-cloud.md."""
    text = "# The local cloud and AWS\n\nEvery way in which they differ; made by `python -m localcloud.differences`.\n"
    text += "Where its engine and its AWS provider come from: [tools](local-cloud-tools.md).\n"
    for here, meaning in MEANINGS.items():
        text += f"\n## {here.capitalize()}\n\n{meaning}\n\n| what | on AWS | here | why |\n|---|---|---|---|\n"
        for row in (row for row in DIFFERENCES if row.here == here):
            subject = f"`{row.subject.replace(',', ', ')}`" if ":" in row.subject else row.subject
            text += f"| {subject} | {row.on_aws} | {row.locally} | {row.why} |\n"
    return text


if __name__ == "__main__":
    print(page(), end="")
