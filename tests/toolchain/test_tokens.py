"""The names that the stand-in for the aws provider translates between, without an engine."""

import importlib
import json

import pytest
from pulumi import _types

from localcloud import differences
from localcloud.toolchain import translation


def types_of(token, **properties):
    """The bridge's types as far as a thing of pulumi-aws with these properties needs them."""
    return {"tokens": {token.split(":")[1].replace("/", "").lower(): "aws:index/x:X"}, "aws:index/x:X": properties}


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "S3BucketServerSideEncryptionConfiguration",
        ),
        ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "SqsQueueRedriveAllowPolicy"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "CloudwatchMetricAlarm"),
        ("aws:lambda/eventSourceMapping:EventSourceMapping", "LambdaEventSourceMapping"),
        ("aws:apigateway/restApi:RestApi", "ApiGatewayRestApi"),
        ("aws:opensearch/serverlessCollection:ServerlessCollection", "OpensearchserverlessCollection"),
        ("aws:opensearch/domain:Domain", "OpensearchDomain"),
        ("aws:ec2/securityGroup:SecurityGroup", "SecurityGroup"),
        ("aws:iam/getPolicyDocument:getPolicyDocument", "getIamPolicyDocument"),
        ("aws:index/getCallerIdentity:getCallerIdentity", "getCallerIdentity"),
    ],
)
def test_a_token_is_found_by_its_name(token, name):
    schema = {
        "resources": {f"aws:index/{name}:{name}": {"inputProperties": {}}},
        "functions": {},
        "types": {},
        "provider": {"inputProperties": {}},
    }
    types = translation.bridge_types(json.dumps(schema))
    assert translation.bridge_token(token, types) == f"aws:index/{name}:{name}"


def test_a_urn_keeps_its_name_and_loses_the_types_of_its_parents():
    urn = "urn:pulumi:dev::project::tandem:index:Rag$aws:sqs/queue:Queue::a::b"
    assert translation.type_of(urn) == "aws:sqs/queue:Queue"
    assert (
        translation.bridge_urn(urn, types_of("aws:sqs/queue:Queue")) == "urn:pulumi:dev::project::aws:index/x:X::a::b"
    )


def test_a_list_of_at_most_one_is_made_on_the_way_in_and_stays_single_on_the_way_out():
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    types = types_of(token, bucket=None, rules=["Rule"])
    types |= {"Rule": {"id": None, "filters": ["Filter"], "days": [None]}, "Filter": {"prefix": None}}
    given = {"bucket": "b", "rules": [{"id": "old", "filter": {"prefix": ""}, "days": 7}]}
    inside = translation.to_bridge(token, given, types)
    assert inside == {"bucket": "b", "rules": [{"id": "old", "filters": [{"prefix": ""}], "days": [7]}]}
    assert translation.from_bridge(token, inside, given, types) == given


def test_what_the_bridge_lacks_is_refused_however_deep_it_is():
    token = "aws:sqs/queue:Queue"
    types = types_of(token, rules=["Rule"]) | {"Rule": {"id": None}}
    with pytest.raises(translation.Unserved, match="has no depth on aws:sqs/queue:Queue: leave it out"):
        translation.to_bridge(token, {"rules": [{"id": "a"}, {"depth": 1}]}, types)
    with pytest.raises(translation.Unserved, match="can't serve aws:sqs/pond:Pond: its AWS provider has nothing"):
        translation.to_bridge("aws:sqs/pond:Pond", {}, types)


def test_an_unknown_value_passes_as_it_is():
    unknown = translation.UNKNOWN
    assert translation.shaped(unknown, [None], {}, "") == unknown
    assert translation.shaped(unknown, "Rule", {"Rule": {}}, "") == unknown


def test_a_name_that_only_lacks_id_or_name_is_completed_and_shortened_again():
    token = "aws:lambda/permission:Permission"
    types = types_of(token, functionName=None, principal=None, statementId=None)
    given = {"function": "f", "principal": "events.amazonaws.com", "region": "us-east-1"}
    inside = translation.to_bridge(token, given, types)
    assert inside == {"functionName": "f", "principal": "events.amazonaws.com"}
    outside = translation.from_bridge(token, inside | {"statementId": "s"}, given, types)
    assert outside == given | {"statementId": "s"}


def test_a_recorded_property_is_kept_in_the_state_only():
    token = "aws:opensearch/serverlessCollection:ServerlessCollection"
    types, given = types_of(token, name=None), {"name": "c", "collectionGroupName": "g"}
    assert translation.to_bridge(token, given, types) == {"name": "c"}
    assert translation.from_bridge(token, {"name": "c"}, given, types) == given


def test_the_same_code_makes_the_same_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(translation.paths, "CACHE", tmp_path)
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "handler.py").write_text("pass\n")
    (folder / "__pycache__" / "handler.pyc").write_bytes(b"0")
    code = {"assets": {"tandem": {"path": str(folder)}, "note.txt": {"text": "hi"}}}
    first = translation.archive(code | {"hash": "a"}).read_bytes()
    (folder / "handler.py").touch()
    assert translation.archive(code | {"hash": "b"}).read_bytes() == first


def test_every_row_of_a_type_names_one_that_pulumi_aws_has():
    for row in differences.DIFFERENCES:
        token, _, names = row.subject.partition("#")
        if token.startswith("aws:") and "*" not in token:
            module, name = token.split(":")[1].split("/")[0], token.split(":")[2]
            properties = _types.resource_types(getattr(importlib.import_module(f"pulumi_aws.{module}"), name))
            assert {name.split(".")[0] for name in names.split(",") if name} <= properties.keys(), row.subject


def test_a_recorded_property_inside_another_is_kept_back_and_stays_in_the_state():
    token = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    types = types_of(token, productionVariants=["Variant"]) | {"Variant": {"instanceType": None, "modelName": None}}
    variant = {"modelName": "tuned", "inferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1"}
    given = {"productionVariants": [variant]}
    inside = translation.to_bridge(token, given, types)
    assert inside == {"productionVariants": [{"modelName": "tuned"}]}
    assert translation.from_bridge(token, inside, given, types) == given


def test_an_endpoint_of_inference_components_gets_the_model_that_the_older_provider_demands():
    token = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    types = types_of(token, productionVariants=["Variant"]) | {"Variant": {"instanceType": None, "modelName": None}}
    given = {"productionVariants": [{"instanceType": "ml.g5.xlarge"}]}
    inside = translation.to_bridge(token, given, types)
    assert inside == {"productionVariants": [{"instanceType": "ml.g5.xlarge", "modelName": differences.NO_MODEL}]}
    assert translation.from_bridge(token, inside, given, types) == given


def test_a_file_asset_is_found_again_by_its_hash_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(translation.paths, "CACHE", tmp_path / "cache")
    token = "aws:s3/bucketObjectv2:BucketObjectv2"
    types = {"tokens": {"s3object": "aws:index/s3Object:S3Object"}, "aws:index/s3Object:S3Object": {"source": None}}
    file = tmp_path / "code.pyz"
    file.write_bytes(b"code")
    sent = translation.to_bridge(token, {"source": {"path": str(file), "hash": "abc"}}, types)
    file.unlink()
    assert translation.to_bridge(token, {"source": {"hash": "abc"}}, types) == sent
    assert (tmp_path / "cache" / "assets" / "abc").read_bytes() == b"code"
