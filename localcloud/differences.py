"""Every way in which the local cloud differs from AWS, one row each; the notice after `up` and the docs come from it.

A row about Pulumi has a type token as its subject (`aws:sqs/queue:Queue`, `*` standing for anything), or properties of
a type after a `#`. The stand-in for the aws provider acts on those rows: a `recorded` type or property is kept in the
state and nothing else, and an `emulated` property that didn't change is no difference, whatever the emulator answers.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal


@dataclass(frozen=True)
class Difference:
    """One deviation: what AWS does, and what happens here and why."""

    subject: str
    on_aws: str
    here: Literal["real", "emulated", "recorded", "refused"]
    locally: str
    why: str


DIFFERENCES = [
    # Resource types and properties of the aws provider
    Difference(
        "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup",
        "makes a collection group, which decides the generation and the scaling to zero of its collections",
        "recorded",
        "kept in the state with an id and an ARN; the collection is served by one local OpenSearch",
        "the Terraform provider 5.100 has no such type",
    ),
    Difference(
        "aws:opensearch/serverlessCollection:ServerlessCollection#collectionGroupName",
        "puts the collection into a group",
        "recorded",
        "kept in the state, not sent",
        "the Terraform provider 5.100 has no such property",
    ),
    Difference(
        "aws:opensearch/serverless*#description,policyVersion",
        "answers no description where none was given",
        "emulated",
        "unchanged in the program is taken as unchanged",
        "the emulator answers an empty text, which would be an update in every preview",
    ),
    Difference(
        "aws:sqs/queue:Queue#redrivePolicy",
        "is compared as JSON",
        "emulated",
        "unchanged in the program is taken as unchanged",
        "the stand-in's state holds the text as written, the Terraform provider compares it with its own spelling",
    ),
    Difference(
        "aws:cloudwatch/metricAlarm:MetricAlarm#actionsEnabled,alarmActions,alarmDescription,datapointsToAlarm,"
        "dimensions,extendedStatistic,insufficientDataActions,okActions,period,statistic,treatMissingData,unit",
        "answers every setting of the alarm",
        "emulated",
        "unchanged in the program is taken as unchanged",
        "the emulator keeps these settings and doesn't tell the Terraform provider",
    ),
    Difference(
        "aws:apigateway/*#tags,tagsAll",
        "changes the tags of an API and of its stages",
        "emulated",
        "the first tags stay; unchanged in the program is taken as unchanged",
        "the emulator forgets changed tags of these",
    ),
    Difference(
        "aws:apigateway/stage:Stage#invokeUrl",
        "is a host name below amazonaws.com",
        "emulated",
        "a path of the emulator on loopback",
        "such host names don't resolve everywhere",
    ),
    Difference(
        "aws:apigateway/stage:Stage#accessLogSettings",
        "answers no access log settings where none were given",
        "emulated",
        "unchanged in the program is taken as unchanged",
        "the emulator answers empty settings, which would be an update in every preview",
    ),
    # services
    Difference(
        "search",
        "a serverless collection keeps its own store and wakes from zero in 10-30 s",
        "real",
        "one OpenSearch 2.19.1 node without standby; each collection sees only the indices with its id as prefix",
        "k-NN needs a real engine; scaling is AWS's own",
    ),
    Difference(
        "search engine of vectors",
        "faiss with HNSW",
        "emulated",
        "faiss in the mapping is served by Lucene's HNSW; other engines are refused, as AWS does",
        "faiss's native library is not in the Maven artifacts",
    ),
    Difference(
        "search refresh",
        "documents are found 10-60 s after they were written",
        "emulated",
        "after 1 s",
        "OpenSearch's default; waiting a minute would teach nothing",
    ),
    Difference(
        "collection endpoint and query URL",
        "a host name of their own",
        "emulated",
        "a path of the emulator: /_aoss/ID and /_aws/execute-api/ID/STAGE",
        "names below localhost don't resolve everywhere",
    ),
    Difference(
        "aliases, templates, pipelines, points in time and multi-search of a collection",
        "served",
        "refused",
        "404",
        "no stack uses them",
    ),
    Difference(
        "embeddings",
        "Titan and Cohere models",
        "real",
        "MiniLM-L6 (384 dimensions) padded with zeros, which keeps cosines; 256 dimensions are cut; 256 tokens a text",
        "a model that fits a laptop and a package",
    ),
    Difference(
        "generation",
        "the model that the stack names, with a context of 100,000 tokens or more",
        "real",
        "SmolLM2-135M for every model id, 8,192 tokens; it reads some 250 tokens a second and can't refuse",
        "a model that fits a laptop and a package",
    ),
    Difference(
        "Bedrock permissions",
        "need bedrock:InvokeModel on the model",
        "emulated",
        "a request must be signed; signature and role are not checked",
        "the model server knows no IAM",
    ),
    Difference(
        "functions",
        "Amazon Linux, arm64, python3.12, limited memory, a read-only file system, egress by its network",
        "real",
        "the same zip as a process of this machine: its Python, its architecture, no limits but the timeout",
        "no containers needed; imports see boto3 and the zip only, as on AWS",
    ),
    Difference(
        "IAM",
        "checks every call",
        "emulated",
        "checks signature, identity policies, boundaries and bucket policies; the deployer is the root user, whose "
        "signature is not checked",
        "the emulator's rules",
    ),
    Difference(
        "TLS",
        "every endpoint has it, and policies refuse requests without",
        "emulated",
        "plain HTTP on loopback, which counts as TLS (aws:SecureTransport)",
        "no certificates to trust",
    ),
    Difference(
        "permissions between services",
        "EventBridge to a queue, API Gateway to a function, polling a queue, writing logs need a policy",
        "emulated",
        "always allowed; a missing queue policy or Lambda permission shows on AWS only",
        "the emulator doesn't check them",
    ),
    Difference(
        "S3 events",
        "name the object's version",
        "emulated",
        "carry no version-id",
        "the emulator leaves it out; ingest reads the object's present state anyway",
    ),
]


def recorded_types() -> set[str]:
    """The type tokens that are kept in the state only."""
    return {row.subject for row in DIFFERENCES if row.here == "recorded" and _is_type(row.subject)}


def recorded_properties(token: str) -> set[str]:
    """The properties of a type that are kept in the state only."""
    return _properties(token, "recorded")


def emulated_properties(token: str) -> set[str]:
    """The properties of a type whose value the emulator answers differently, so that only a changed input counts."""
    return _properties(token, "emulated")


def _is_type(subject: str) -> bool:
    return subject.startswith("aws:") and "#" not in subject


def _properties(token: str, here: str) -> set[str]:
    subjects = (row.subject.partition("#") for row in DIFFERENCES if row.here == here)
    return {name for subject, _, names in subjects if fnmatchcase(token, subject) for name in names.split(",") if name}
