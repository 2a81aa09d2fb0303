"""Made-up previews, as Pulumi 3.259 prints them: steps with the states it shows, as a digest or as events."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STACK, PROJECT, REGION = "rag-dev", "tandem", "us-east-1"
STACK_TYPE = "pulumi:pulumi:Stack"
BUCKET = "aws:s3/bucket:Bucket"
PROVIDER = "pulumi:providers:aws"
TRACE = [{"sourcePosition": f"project:///components/pulumi_tandem/foundation/storage.py#{line}"} for line in range(12)]
ENVELOPE = {
    "instance_type": "ml.g6e.2xlarge",
    "instance_count": 1,
    "max_runtime_seconds": 14_400,
    "attempts": 2,
    "spot": False,
    "volume_gb": 200,
    "checkpoint": True,
    "evaluation_instance_type": "ml.g6e.2xlarge",
    "evaluation_max_runtime_seconds": 3600,
}
USAGE = {
    "kind": "finetuning",
    "envelope": ENVELOPE,
    "assumed": {
        "datasets_gigabytes": 1,
        "artifacts_gigabytes": 20,
        "images_gigabytes": 0,
        "log_gigabytes": 0.1,
        "training_hours": 1,
        "evaluation_hours": 0.25,
    },
}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (  # most are in previews of the three stacks
    (BUCKET, {"forceDestroy": True}),
    ("aws:s3/bucketVersioning:BucketVersioning", {"bucket": UNKNOWN, "versioningConfiguration": {"status": "Enabled"}}),
    ("aws:iam/role:Role", {"assumeRolePolicy": '{"Version": "2012-10-17"}'}),
    ("aws:iam/rolePolicy:RolePolicy", {"policy": UNKNOWN, "role": UNKNOWN}),
    ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 14}),
    (
        "aws:lambda/function:Function",
        {
            "architectures": ["arm64"],
            "memorySize": 1024,
            "code": {"4dabf18193072939515e22adb298388d": "0def7320c3a5731c473e5ecbe6d01bc7", "hash": "dedc3d"},
            "environment": {"variables": {"TANDEM_GENERATOR": "amazon.nova-lite-v1:0", "TANDEM_BUCKET": UNKNOWN}},
        },
    ),
    ("aws:dynamodb/table:Table", {"billingMode": "PAY_PER_REQUEST", "pointInTimeRecovery": {"enabled": True}}),
    ("aws:sqs/queue:Queue", {"messageRetentionSeconds": 1_209_600}),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"metricName": "Errors", "namespace": "AWS/Lambda", "period": 300, "dimensions": {"Bucket": UNKNOWN}},
    ),
    (
        "aws:opensearch/serverlessCollectionGroup:ServerlessCollectionGroup",
        {"generation": "NEXTGEN", "capacityLimits": [{"minSearchCapacityInOcu": 0, "minIndexingCapacityInOcu": 0}]},
    ),
    ("aws:ecr/repository:Repository", {"imageTagMutability": "IMMUTABLE"}),
    ("aws:sagemaker/mlflowApp:MlflowApp", {"artifactStoreUri": UNKNOWN}),
    (
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        {"productionVariants": [{"instanceType": "ml.g6e.xlarge", "initialInstanceCount": 1}]},
    ),
    ("aws:ec2/natGateway:NatGateway", {"subnetId": UNKNOWN}),
    ("aws:kms/key:Key", {"description": "of the stack"}),
)
MIX = ("same",) * 14 + ("create",) * 3 + ("update", "delete", "replace")


def urn(type_: str = BUCKET, name: str = "documents", parent: str = "") -> str:
    """A child's URN has its parents' types in front of its own, but not the stack's."""
    types = parent.split("::")[2] + "$" if parent and STACK_TYPE not in parent else ""
    return f"urn:pulumi:{STACK}::{PROJECT}::{types}{type_}::{name}"


STACK_URN = urn(STACK_TYPE, f"{PROJECT}-{STACK}")


def state(type_: str = BUCKET, name: str = "documents", inputs: Mapping[str, Any] | None = None, **given: Any) -> dict:
    """A resource's state; `given` are further fields, as `parent`, `outputs` and `retainOnDelete`."""
    parent = given.pop("parent", STACK_URN)
    return {
        "urn": urn(type_, name, parent),
        "custom": True,
        "type": type_,
        "inputs": dict(inputs or {}),
        "parent": parent,
        "provider": f"{urn(PROVIDER, 'default_7_51_1')}::{UNKNOWN}",
        "stackTrace": TRACE,
    } | given


def step(op: str, old: Mapping[str, Any] | None = None, new: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A step of a digest; what exists has an id."""
    shown = {"op": op, "urn": (new or old or {})["urn"]}
    if old is not None:
        shown["oldState"] = {"id": "i-1"} | dict(old)
    if new is not None:
        shown["newState"] = dict(new)
    return shown | {"detailedDiff": None}


def component(type_: str, name: str, parent: str = STACK_URN, op: str = "same") -> dict[str, Any]:
    """The step of a component, or of the stack."""
    own = {"urn": urn(type_, name, parent), "custom": False, "type": type_, "stackTrace": TRACE}
    own |= {"parent": parent} if parent else {}
    return {"op": op, "urn": own["urn"], "newState": own} | ({} if op == "create" else {"oldState": own})


def stack_step(op: str = "same") -> dict[str, Any]:
    """The first step, which every preview has."""
    return component(STACK_TYPE, f"{PROJECT}-{STACK}", "", op)


def counts(steps: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """What a summary says of steps."""
    return dict(Counter(step["op"] for step in steps))


def digest(*steps: Mapping[str, Any], stack: bool = True, **fields: Any) -> str:
    """What `pulumi preview --json` prints; `fields` replace or add some of its own."""
    shown = [stack_step(), *steps] if stack else list(steps)
    config = {"aws:region": REGION, "tandem:environment": "rag"}
    return json.dumps(
        {"config": config, "steps": shown, "duration": 2_528_634_044, "changeSummary": counts(shown)} | fields, indent=4
    )


def events(*steps: Mapping[str, Any], stack: bool = True, **summary: Any) -> str:
    """The same as the engine's events, one a line; `summary` is what the last one says."""
    shown = [stack_step(), *steps] if stack else list(steps)
    found: list[dict[str, Any]] = [
        {"preludeEvent": {"config": {"aws:region": REGION}}},
        {"diagnosticEvent": {"prefix": "debug: ", "message": "registering\n", "color": "never", "severity": "debug"}},
    ]
    for given in shown:
        states = {key: given[key + "State"] for key in ("old", "new") if given.get(key + "State")}
        metadata = {
            "op": given["op"],
            "urn": given["urn"],
            "type": "",
            "old": None,
            "new": None,
            "provider": "",
        } | states
        found += [{"resourcePreEvent": {"metadata": metadata, "planning": True}}]
        found += [{"resOutputsEvent": {"metadata": metadata, "planning": True}}]
    whole = {"maybeCorrupt": False, "resourceChanges": counts(shown), "isPreview": True, "result": "succeeded"}
    found += [{"summaryEvent": whole | summary}, {"cancelEvent": {}}]
    lines = [json.dumps({"sequence": number, "timestamp": 1_795_545_689} | event) for number, event in enumerate(found)]
    return "\n".join(lines) + "\n"


def many(count: int) -> list[dict[str, Any]]:
    """`count` steps of a large stack: resources of all kinds in components, most of them unchanged."""
    return list(_many(count))


def _many(count: int) -> Iterator[dict[str, Any]]:
    parameter = "aws:ssm/parameter:Parameter"
    yield stack_step()
    environment = component("tandem:index:FineTuningEnvironment", "tuning")
    yield environment
    for name, content in (("usage", USAGE), ("run-envelope", ENVELOPE)):
        inputs = {"name": f"/tandem/{PROJECT}/{STACK}/tuning/{name}", "insecureValue": json.dumps(content)}
        given = state(parameter, f"tuning-{name}", inputs, parent=environment["urn"])
        yield step("same", given, given)
    parent = environment["urn"]
    for number in range(count - 4):
        if number % 10 == 0:
            made = component("tandem:index:DataBucket", f"part-{number}", environment["urn"])
            parent = made["urn"]
            yield made
            continue
        type_, inputs = KINDS[number % len(KINDS)]
        op = MIX[number % len(MIX)]
        given = state(type_, f"it-{number}", inputs, parent=parent)
        outputs = inputs | {"region": REGION, "arn": f"arn:aws:s3:{REGION}:123456789012:it-{number}"}
        old = given | {"outputs": outputs} | ({"delete": True} if op == "replace" else {})
        yield step(op, None if op == "create" else old, None if op == "delete" else given)
