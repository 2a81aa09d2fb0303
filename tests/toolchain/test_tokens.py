"""The names that the stand-in for the aws provider translates between, without an engine."""

import pytest

from localcloud import differences
from localcloud.toolchain.aws_stand_in import overlays, schemas, tokens


@pytest.mark.parametrize(
    ("token", "terraform"),
    [
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "s3_bucket_server_side_encryption_configuration",
        ),
        ("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "sqs_queue_redrive_allow_policy"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "cloudwatch_metric_alarm"),
        ("aws:lambda/eventSourceMapping:EventSourceMapping", "lambda_event_source_mapping"),
        ("aws:apigateway/restApi:RestApi", "api_gateway_rest_api"),
        ("aws:opensearch/serverlessCollection:ServerlessCollection", "opensearchserverless_collection"),
        ("aws:opensearch/domain:Domain", "opensearch_domain"),
        ("aws:ec2/securityGroup:SecurityGroup", "security_group"),
        ("aws:iam/getPolicyDocument:getPolicyDocument", "iam_policy_document"),
        ("aws:index/getCallerIdentity:getCallerIdentity", "caller_identity"),
    ],
)
def test_a_token_has_its_terraform_name(token, terraform):
    assert tokens.terraform_name(token) == terraform


def test_a_urn_keeps_its_name_and_loses_the_types_of_its_parents():
    urn = "urn:pulumi:dev::project::tandem:index:Rag$aws:sqs/queue:Queue::a::b"
    assert tokens.type_of(urn) == "aws:sqs/queue:Queue"
    assert tokens.bridge_urn(urn) == "urn:pulumi:dev::project::aws:index/sqsQueue:SqsQueue::a::b"


def test_a_list_of_at_most_one_is_wrapped_on_the_way_in_and_unwrapped_on_the_way_out():
    token = "aws:dynamodb/table:Table"
    shapes = {"pointInTimeRecovery": [{}], "attributes": [{}], "hashKey": None}
    given = {"pointInTimeRecovery": {"enabled": True}, "attributes": [{"name": "pk", "type": "S"}], "hashKey": "pk"}
    inside = overlays.to_bridge(token, given, shapes)
    assert inside == given | {"pointInTimeRecovery": [{"enabled": True}]}
    assert overlays.from_bridge(token, inside, given, shapes) == given


def test_an_unknown_value_passes_as_it_is():
    unknown = schemas.UNKNOWNS[0]
    assert schemas.to_shape(unknown, [None]) == unknown
    assert schemas.to_annotation(unknown, list[str]) == unknown


def test_a_name_that_only_lacks_id_or_name_is_completed():
    shapes = {"functionName": None, "principal": None, "statementId": None}
    given = {"function": "f", "principal": "events.amazonaws.com", "region": "us-east-1"}
    inside = overlays.to_bridge("aws:lambda/permission:Permission", given, shapes)
    assert inside == {"functionName": "f", "principal": "events.amazonaws.com"}


def test_a_recorded_property_is_kept_in_the_state_only():
    token, shapes = "aws:opensearch/serverlessCollection:ServerlessCollection", {"name": None}
    given = {"name": "c", "collectionGroupName": "g"}
    assert overlays.to_bridge(token, given, shapes) == {"name": "c"}
    assert overlays.from_bridge(token, {"name": "c"}, given, shapes) == given


def test_the_same_code_makes_the_same_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(overlays.paths, "CACHE", tmp_path)
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "handler.py").write_text("pass\n")
    (folder / "__pycache__" / "handler.pyc").write_bytes(b"0")
    code = {"assets": {"tandem": {"path": str(folder)}, "note.txt": {"text": "hi"}}}
    first = overlays.archive(code | {"hash": "a"}).read_bytes()
    (folder / "handler.py").touch()
    assert overlays.archive(code | {"hash": "b"}).read_bytes() == first


def test_every_row_of_a_type_names_one_that_pulumi_aws_has():
    for row in differences.DIFFERENCES:
        token, _, names = row.subject.partition("#")
        if token.startswith("aws:") and "*" not in token:
            types = schemas.sdk_types(token)
            assert types, row.subject
            assert {name for name in names.split(",") if name} <= types.keys(), row.subject
