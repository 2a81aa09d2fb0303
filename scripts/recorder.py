"""Runs a Pulumi program under mocks and records what it registers, as data."""

import asyncio
import atexit
import hashlib
import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks, resource, settings
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.stack import run_pulumi_func

# Where a program makes a resource, which an engine shows, is asked by nobody here and took a fifth of the time.
resource._get_stack_trace = source_pb2.StackTrace  # ty: ignore[invalid-assignment]

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT, REGION = "123456789012", "us-east-1"
ARNS = {  # where it isn't arn:aws:<module>:<region>:<account>:<id>
    "Bucket": "arn:aws:s3:::{id}",
    "Domain": f"arn:aws:es:{REGION}:{ACCOUNT}:domain/{{id}}",
    "Endpoint": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{{id}}",
    "EventRule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{id}}",
    "Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{id}}",
    "LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{id}}",
    "MlflowApp": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/{{id}}",
    "MlflowTrackingServer": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-tracking-server/{{id}}",
    "ModelPackageGroup": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package-group/{{id}}",
    "Repository": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{id}}",
    "InstanceProfile": f"arn:aws:iam::{ACCOUNT}:instance-profile/{{id}}",
    "Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{id}}",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/{{id}}",
    "ServerlessCollection": f"arn:aws:aoss:{REGION}:{ACCOUNT}:collection/{{id}}",
    "StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{id}}",
    "Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{id}}",
}
ZONES = [f"{REGION}{letter}" for letter in "abcd"]
ANSWERS: dict[str, Any] = {
    "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
    "aws:index/getRegion:getRegion": {"region": REGION},
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session",
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": ZONES,
        "zoneIds": ["use1-az1", "use1-az2", "use1-az3", "use1-az4"],
    },
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": lambda given: {
        "instanceTypes": [name for name in given["filters"][0]["values"] for _ in ZONES],
        "locations": [zone for _ in given["filters"][0]["values"] for zone in ZONES],
    },
    "aws:ec2/getSubnet:getSubnet": lambda given: {
        "vpcId": "vpc-0c1",
        "availabilityZone": ZONES[int(given["id"][-1], 16) % 4],
        "availableIpAddressCount": 4000,
    },
    "aws:eks/getAddon:getAddon": {"configurationValues": '{"enableNetworkPolicy": "true"}'},
    "aws:eks/getAddonVersion:getAddonVersion": lambda given: {"version": f"v1.0.0-for-{given['kubernetesVersion']}"},
    "aws:eks/getClusterVersions:getClusterVersions": {"clusterVersions": []},
    "aws:kms/getKey:getKey": lambda given: {
        "arn": given["keyId"],
        "keyState": "Enabled",
        "keyUsage": "ENCRYPT_DECRYPT",
        "keySpec": "SYMMETRIC_DEFAULT",
        "keyManager": "CUSTOMER",
    },
    "aws:iam/getPolicy:getPolicy": lambda given: {"arn": given["arn"]},
    "aws:s3/getBucket:getBucket": lambda given: {"bucket": given["bucket"], "bucketRegion": REGION},
    "aws:s3/getBuckets:getBuckets": lambda given: {"buckets": [{"name": given["prefix"]}]},
    "aws:s3/getBucketNotification:getBucketNotification": {"eventbridge": True},
    "aws:cloudcontrol/getResource:getResource": {"properties": "{}"},
    "aws:opensearch/getServerlessCollection:getServerlessCollection": lambda given: {
        "name": given["name"],
        "arn": f"arn:aws:aoss:{REGION}:{ACCOUNT}:collection/0123456789abcdefghij",
        "collectionEndpoint": f"https://0123456789abcdefghij.{REGION}.aoss.amazonaws.com",
        "type": "VECTORSEARCH",
        "tags": {},
    },
    "aws:opensearch/getDomain:getDomain": lambda given: {
        "domainName": given["domainName"],
        "arn": f"arn:aws:es:{REGION}:{ACCOUNT}:domain/{given['domainName']}",
        "endpoint": f"search-{given['domainName']}.{REGION}.es.amazonaws.com",
        "engineVersion": "OpenSearch_3.5",
        "vpcOptions": [],
        "encryptionAtRests": [{"enabled": True}],
        "advancedSecurityOptions": [{"enabled": False}],
        "tags": {},
    },
    "aws:iam/getRoles:getRoles": {"names": ["AWSServiceRoleForEC2Spot"]},
    "aws:servicequotas/getServiceQuota:getServiceQuota": {"value": 768.0},
    "aws:eks/getCluster:getCluster": {
        "endpoint": f"https://DEF.gr7.{REGION}.eks.amazonaws.com",
        "certificateAuthorities": [{"data": "Y2VydGlmaWNhdGU="}],
        "version": "1.36",
        "vpcConfig": {"subnetIds": ["subnet-0a", "subnet-0b"], "clusterSecurityGroupId": "sg-0e1"},
    },
}
"""What AWS says when a program asks: by function, a value or what makes one of the arguments."""


def made(name: str) -> str:
    """The id, and where none was given the name, of what is registered under a name."""
    return f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:7]}"


class Refusal(grpc.RpcError):
    """What an answer raises where AWS refuses, as the engine hands it on."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


@dataclass
class Registered:
    """One resource as the engine would have seen it."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    protect: bool
    dependencies: list[str]
    custom: bool
    references: dict[str, list[str]]
    """The names of the resources that a property comes from."""
    deletion: str = ""
    """How long its deletion may take, where that isn't the provider's default."""
    kept: list[str] = field(default_factory=list)
    """Properties that stay what they were, whatever the program says."""


@dataclass
class Recording:
    """Everything that a program registered and exported."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    children: dict[str, list[Registered]] = field(default_factory=dict)
    """By type and name of the parent, with `::` between them: names alone repeat."""

    def of(self, type_: str) -> list[Registered]:
        """The resources of a type, by its token or the last part of it."""
        return [r for r in self.resources if r.type == type_ or r.type.rsplit(":", 1)[-1] == type_]

    def one(self, type_: str, part: str = "") -> Registered:
        """The only resource of a type whose name has `part`."""
        (found,) = [r for r in self.of(type_) if part in r.name]
        return found


class Answers(mocks.Mocks):
    """Ids, ARNs and URLs of AWS's shape."""

    def __init__(self, answers: Mapping[str, Any] | None = None):
        self.answers = {**ANSWERS, **(answers or {})}

    def new_resource(self, args: mocks.MockResourceArgs):
        state = dict(args.inputs)
        short = args.typ.rsplit(":", 1)[-1]
        id_ = made(args.name)
        service = args.typ.split(":")[1].split("/")[0]
        state.setdefault("name", id_)
        own = {
            "arn": ARNS.get(short, f"arn:aws:{service}:{REGION}:{ACCOUNT}:{{id}}").format(id=id_),
            "url": f"https://{service}.{REGION}.amazonaws.com/{ACCOUNT}/{id_}",
        }
        extra = {
            "Cluster": {
                "endpoint": f"https://ABC.gr7.{REGION}.eks.amazonaws.com",
                "certificateAuthority": {"data": "Y2VydGlmaWNhdGU="},
                "vpcConfig": {**state.get("vpcConfig", {}), "clusterSecurityGroupId": "sg-0c1"},
            },
            "LaunchTemplate": {"latestVersion": 1},
            "Domain": {"endpoint": f"search-abc.{REGION}.es.amazonaws.com"},
            "ServerlessCollection": {"collectionEndpoint": f"https://abc.{REGION}.aoss.amazonaws.com"},
            "Invocation": {"result": '{"index": "rag-0123456789"}'},
            "Function": {"invokeArn": f"arn:aws:apigateway:{REGION}:lambda:path/{id_}"},
            "Repository": {"repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{id_}"},
            "RestApi": {"rootResourceId": "root", "executionArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api"},
            "Stage": {"invokeUrl": f"https://api.execute-api.{REGION}.amazonaws.com/v1"},
        }
        return id_, state | self._placed(own | extra.get(short, {}))

    def _placed(self, own: dict[str, Any]) -> dict[str, Any]:
        """ARNs and hosts in the region and partition that the answers tell."""
        there = self.answers["aws:index/getPartition:getPartition"]
        region = self.answers["aws:index/getRegion:getRegion"].get("region", REGION)
        if region == REGION:
            return own
        text = json.dumps(own).replace("arn:aws:", f"arn:{there['partition']}:").replace(REGION, region)
        return json.loads(text.replace("amazonaws.com", there["dnsSuffix"]))

    def call(self, args: mocks.MockCallArgs):
        answer = self.answers[args.token]
        return answer(args.args) if callable(answer) else answer


# One for all programs: Pulumi keeps it, so that none could be closed, and each has three files open.
LOOP = asyncio.new_event_loop()
atexit.register(LOOP.close)


class _Monitor(mocks.MockMonitor):
    def __init__(self, recording: Recording, answers: Answers, before: Recording | None):
        super().__init__(answers)
        self.recording = recording
        self.before = {(each.type, each.name): each.inputs for each in before.resources} if before else {}

    def RegisterResource(self, request):
        was = self.before.get((request.type, request.name), {})
        for name in request.ignoreChanges:
            if name in was:
                request.object[name] = was[name]
        inputs = MessageToDict(request.object)
        if request.type != "pulumi:pulumi:Stack":
            parent_type, parent = request.parent.split("::")[2:]
            registered = Registered(
                request.type,
                request.name,
                parent,
                inputs,
                bool(request.protect),
                [urn.rsplit("::", 1)[-1] for urn in request.dependencies],
                bool(request.custom),
                {
                    name: [urn.rsplit("::", 1)[-1] for urn in found.urns]
                    for name, found in request.propertyDependencies.items()
                },
                request.customTimeouts.delete,
                list(request.ignoreChanges),
            )
            self.recording.resources.append(registered)
            self.recording.children.setdefault(f"{parent_type.rpartition('$')[2]}::{parent}", []).append(registered)
        return super().RegisterResource(request)


def record(
    program: Callable[[], Any],
    config: dict[str, str] | None = None,
    preview: bool = False,
    answers: Mapping[str, Any] | None = None,
    before: Recording | None = None,
    stack: str = "test",
) -> Recording:
    """Runs `program` as a stack under mocks. With `preview`, ids are unknown, as before a first deployment.

    `answers` replaces some of `ANSWERS`; a function may raise a `Refusal`. `before` is what the stack had: what its
    resources keep they have again, as with the engine.
    """
    recording = Recording()
    asyncio.set_event_loop(LOOP)
    settings.ROOT.set(None)  # or a stack would have the outputs of those before it
    for left in asyncio.all_tasks(LOOP):  # by a program that failed, whose mistakes would be this one's
        left.cancel()
    settings.SETTINGS.rpc_manager.clear()
    settings.SETTINGS.outputs.clear()
    said = Answers(answers)
    mocks.set_mocks(said, project="tandem", stack=stack, preview=preview, monitor=_Monitor(recording, said, before))
    pulumi.runtime.set_all_config({"aws:region": REGION, **(config or {})})

    async def run():
        await run_pulumi_func(program)
        outputs = getattr(settings.get_root_resource(), "outputs", {})
        recording.outputs = await pulumi.Output.all(**outputs).future() or {}

    LOOP.run_until_complete(run())
    return recording


def record_stack(config: dict[str, str], preview: bool = False, answers: Mapping[str, Any] | None = None) -> Recording:
    """Runs the repository's own program with a stack's configuration; the rest as `record`."""
    return record(lambda: runpy.run_path(str(ROOT / "__main__.py")), config, preview, answers)
