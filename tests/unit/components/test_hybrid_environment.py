"""What `HybridEnvironment` registers: both parts, joined, and nothing twice."""

import json

import parliament
import pytest
from pulumi_tandem import HybridEnvironment
from pulumi_tandem.foundation.mistakes import InvalidArguments

from tests.support.recorder import record, record_stack

CONFIG = {"tandem:environment": "hybrid", "tandem:retention": "erase"}
MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/3"
SERVING = CONFIG | {"tandem:model": MODEL, "tandem:alarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms"}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


@pytest.fixture(scope="module")
def serving():
    return record_stack(SERVING)


def query(stack):
    return stack.one("aws:lambda/function:Function", "query").inputs["environment"]["variables"]


def test_outputs_are_those_of_both_parts(stack):
    rag, tuning = (record_stack(CONFIG | {"tandem:environment": kind}) for kind in ("rag", "finetuning"))
    assert set(stack.outputs) == {*rag.outputs, *tuning.outputs}
    contract = "queryUrl documentsBucket collectionEndpoint datasetBucket artifactBucket trainingPipelineArn"
    assert {*contract.split(), "modelPackageGroup", "endpointName"} <= set(stack.outputs)
    assert stack.outputs["queryUrl"].endswith("/v1/query")


def test_it_is_its_parts_and_no_resource_more(stack):
    rag, tuning = (record_stack(CONFIG | {"tandem:environment": kind}) for kind in ("rag", "finetuning"))
    assert len(stack.resources) == len(rag.resources) + len(tuning.resources) + 1
    for kind in ("Budget", "tandem:index:CostGuard", "ServerlessCollection", "StateMachine", "Repository"):
        assert len(stack.of(kind)) == 1, kind
    names = [(r.type, r.name) for r in stack.resources]
    assert len(set(names)) == len(names)


def test_without_a_tuned_model_the_hosted_one_answers_and_no_endpoint_bills(stack):
    assert not stack.of("Endpoint")
    assert "TANDEM_ENDPOINT" not in query(stack)
    assert "sagemaker" not in stack.one("RolePolicy", "query-permissions").inputs["policy"]
    assert stack.outputs["endpointName"] == ""


def test_a_promoted_model_answers_and_the_hosted_one_stays_to_fall_back_on(serving):
    endpoint = serving.one("Endpoint").inputs["name"]
    assert query(serving)["TANDEM_ENDPOINT"] == endpoint == serving.outputs["endpointName"]
    assert query(serving)["TANDEM_GENERATOR"] == "amazon.nova-lite-v1:0"
    allowed = json.loads(serving.one("RolePolicy", "query-permissions").inputs["policy"])["Statement"]
    (invoke,) = [each for each in allowed if "sagemaker:InvokeEndpoint" in each["Action"]]
    assert invoke["Resource"] == [f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{endpoint}"]
    assert any("bedrock:InvokeModel" in each["Action"] for each in allowed)


def test_everything_belongs_to_the_one_environment(serving):
    assert [r.name for r in serving.resources if r.parent == "tandem-test"] == ["hybrid"]
    tagged = [r for r in serving.resources if r.custom and "tags" in r.inputs]
    assert len(tagged) > 40
    assert {r.inputs["tags"]["tandem:environment"] for r in tagged} == {"hybrid"}


def test_retention_is_for_both_parts():
    kept = record_stack({"tandem:environment": "hybrid"})
    assert len([r for r in kept.resources if r.protect and r.type == "aws:s3/bucket:Bucket"]) == 3
    assert not [r.name for r in record_stack(CONFIG).resources if r.protect]


def test_survives_a_preview_in_which_nothing_is_known(serving):
    assert len(record_stack(SERVING, preview=True).resources) == len(serving.resources)


def test_the_tuned_models_permission_passes_the_linter(serving):
    """The others are the parts' own, and linted there."""
    text = serving.one("RolePolicy", "query-permissions").inputs["policy"]
    findings = parliament.analyze_policy_string(text).findings
    assert not [f for f in findings if "sagemaker" in str(f.detail) or f.issue != "RESOURCE_MISMATCH"]


def test_arguments_may_be_left_out():
    assert record(lambda: HybridEnvironment("assistant", {})).one("tandem:index:RagEnvironment", "assistant")


@pytest.mark.faults
def test_mistakes_of_both_parts_are_reported_at_once_and_say_whose_they_are():
    wrong = {"rag": {"dimensions": 7, "model": MODEL}, "finetuning": {"attempts": 9, "dimensions": 512}}
    with pytest.raises(InvalidArguments) as caught:
        record(lambda: HybridEnvironment("hybrid", wrong))
    keys = sorted(mistake.key for mistake in caught.value.mistakes)
    assert keys == ["finetuning.attempts", "finetuning.dimensions", "rag.dimensions", "rag.model"]


def test_a_model_that_scales_to_zero_is_asked_by_its_component(serving):
    sleeping = record_stack(SERVING | {"tandem:endpointMode": "zero"})
    component = sleeping.outputs["inferenceComponent"]
    assert query(sleeping)["TANDEM_INFERENCE_COMPONENT"] == component
    assert f"inference-component/{component}" in sleeping.one("RolePolicy", "query-permissions").inputs["policy"]
    assert "TANDEM_INFERENCE_COMPONENT" not in query(serving)
