"""The programs in examples/, under mocks."""

import functools
import json
import runpy

import pytest

from scripts import recorder
from scripts.recorder import ROOT, Recording, record
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.backends.base import OUTPUTS

SERVICE = "organization/python-rag/test"
CONFIG = {  # by the project that programs have under mocks
    "python-consumer": {"tandem:service": SERVICE},
    "python-own": {
        "tandem:documentsBucket": "acme-handbook",
        "tandem:collection": "acme-vectors",
        "tandem:key": "arn:aws:kms:us-east-1:123456789012:key/0b1c2d3e-0000-4000-8000-000000000001",
        "tandem:boundary": "arn:aws:iam::123456789012:policy/boundary",
        "tandem:readers": '["arn:aws:iam::123456789012:role/notebooks"]',
    },
}
EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/__main__.py"))


def run(example: str) -> Recording:
    return record(lambda: runpy.run_path(str(ROOT / "examples" / example / "__main__.py")), CONFIG.get(example))


@functools.cache
def made(example: str) -> Recording:
    """What an example makes; a reference to another stack finds the outputs of the example that has the service."""
    own = recorder.Answers.new_resource

    def new_resource(self, args):
        if args.typ == "pulumi:pulumi:StackReference":
            assert args.inputs["name"] == SERVICE
            return args.name, {"name": SERVICE, "outputs": made("python-rag").outputs, "secretOutputNames": []}
        return own(self, args)

    if example == "python-consumer":
        made("python-rag")  # before: a program can't be run inside of another
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.Answers, "new_resource", new_resource)
        return run(example)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_python_example_runs_and_exports_something(example):
    recording = made(example)
    assert recording.resources and all(recording.outputs.values())


def test_the_region_of_the_example_is_its_providers(monkeypatch):
    """Of what is made, and of what is asked: the model that writes the answers is its geography's."""
    own = recorder.Answers.call

    def call(self, args):
        return own(self, args) | ({"region": "eu-central-1"} if "frankfurt" in args.provider else {})

    monkeypatch.setattr(recorder.Answers, "call", call)
    recording = run("python-region")
    assert recording.outputs["region"] == "eu-central-1"
    query = recording.one("aws:lambda/function:Function", "query")
    assert query.inputs["environment"]["variables"]["TANDEM_GENERATOR"] == "eu.amazon.nova-lite-v1:0"


def test_the_consumer_may_ask_and_feed_what_it_has_not_made():
    service, recording = made("python-rag").outputs, made("python-consumer")
    types = [each.type for each in recording.resources]
    assert types == ["aws:s3/bucketObjectv2:BucketObjectv2", "aws:iam/policy:Policy"]
    assert recording.one("BucketObjectv2").inputs["bucket"] == service["documentsBucket"]
    (allowed,) = json.loads(recording.one("Policy").inputs["policy"])["Statement"]
    assert allowed["Resource"] == service["queryInvokeArn"]


def test_the_tuning_beside_rag_is_what_the_commands_read():
    recording = made("python-tuning-beside-rag")
    assert {*OUTPUTS, *BACKENDS["eks"].outputs, "trainingBackend"} <= recording.outputs.keys()
    assert {"queryUrl", "documentsBucket", "ledgerTable"} <= recording.outputs.keys()
    tops = {each.name for each in recording.resources if each.parent == "tandem-test"}
    assert {"handbook", "tuning"} <= tops


def test_what_the_example_brings_is_not_made():
    recording = made("python-own")
    assert recording.outputs["documentsBucket"] == "acme-handbook"
    assert not [
        each.name for each in recording.resources if ("bucket" in each.type or "collection" in each.type.lower())
    ]


def test_the_two_apis_of_the_parts_ask_one_store_with_models_and_callers_of_their_own():
    recording = made("python-parts")
    asking = {
        each.name: each.inputs["environment"]["variables"]
        for each in recording.of("aws:lambda/function:Function")
        if "query" in each.inputs["handler"]
    }
    assert asking.keys() == {"handbook-customers", "handbook-colleagues"}
    assert {each["TANDEM_GENERATOR"] for each in asking.values()} == {"amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"}
    assert {each["TANDEM_LEDGER_TABLE"] for each in asking.values()} == {recording.outputs["ledgerTable"]}
    assert {each.inputs["authorization"] for each in recording.of("Method")} == {"COGNITO_USER_POOLS", "AWS_IAM"}
    # Both only read, and one pipeline alone writes: two on one ledger would delete each other's documents.
    assert len(recording.of("aws:dynamodb/table:Table")) == len(recording.of("EventSourceMapping")) == 1
    rules = [
        rule
        for each in recording.of("ServerlessAccessPolicy")
        if each.name.partition("-access")[0] in asking
        for entry in json.loads(each.inputs["policy"])
        for rule in entry["Rules"]
    ]
    assert [rule["Permission"] for rule in rules] == [["aoss:DescribeIndex", "aoss:ReadDocument"]] * 2
    assert {"queryUrl", "documentsBucket", "ledgerTable", "region"} <= recording.outputs.keys()


def test_the_cluster_example_is_what_the_command_needs_to_start_runs():
    recording = made("python-eks")
    assert {*OUTPUTS, *BACKENDS["eks"].outputs, "trainingBackend"} <= recording.outputs.keys()
    (end,) = recording.of("Invocation")  # jobs are ended before what they need is deleted
    assert "training-access" in end.dependencies
    assert recording.one("NodePool").inputs["spec"]["limits"]["nvidia.com/gpu"] == "2"
