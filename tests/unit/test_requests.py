"""Every operation that we ask AWS for has a request that was checked, and requests that AWS refuses fail."""

import json

import pytest
from botocore.stub import Stubber

from tests.support import asked, aws_requests, integrations
from tests.support.aws_requests import AwsService, check, stand_in, stated
from tests.support.rendered import definitions


def test_each_task_of_a_state_machine_asks_what_its_operation_takes():
    for definition in definitions():
        for (service, operation), parameters in integrations.tasks(definition):
            stated(service, operation, parameters)


@asked.compares
def test_each_operation_that_is_asked_for_has_a_request(capsys):
    found = {name: places for name, places in integrations.client_calls().items()}
    for definition in definitions():
        for name, _ in integrations.tasks(definition):
            found.setdefault(name, []).append("a state machine")
    checked = {(service, operation.partition(".")[0]) for _, service, operation in asked.golden()}
    with capsys.disabled():
        print(f"\n{len(found)} operations in code and state machines, {len(checked)} with a request that was checked")
    missing = {name: places for name, places in found.items() if name not in checked}
    assert missing == {}, "asked for without a request in the unit tier"
    assert checked - found.keys() == set(), "the inventory doesn't find these"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("service", "operation", "request_", "says"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "q"}, "MessageBody"),
        ("sqs", "SendMessage", {"QueueUrl": "q", "MessageBody": 1}, "MessageBody"),
        ("dynamodb", "GetItem", {"TableName": "", "Key": {}}, "TableName"),
        ("dynamodb", "GetItem", {"TableName": "t" * 1025, "Key": {}}, "1025 is more than 1024"),
        ("stepfunctions", "StopExecution", {"executionArn": "a", "cause": "c" * 32769}, "32769 is more than 32768"),
        ("service-quotas", "ListServiceQuotas", {"ServiceCode": "1sagemaker"}, "doesn't match"),
        ("s3", "CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "b/k", "MetadataDirective": "NEW"}, "none of"),
        ("sts", "GetCallerIdentity", {"Account": "1"}, "Account"),
    ],
)
def test_a_request_that_aws_refuses_is_refused(service, operation, request_, says):
    with pytest.raises(AssertionError, match=says):
        check(service, operation, request_)


def test_every_pattern_of_a_service_that_is_asked_can_be_checked():
    for service in integrations.services():
        aws_requests.patterns(service)  # raises for one that Python doesn't take
    assert aws_requests.patterns("sagemaker-runtime")[r"\p{ASCII}*"].fullmatch("application/json")


@pytest.mark.parametrize(
    ("pattern", "takes", "refuses"),
    [
        (r"\p{ASCII}*", "a/b", "\u00e4"),
        (r"[\p{L}\p{Z}]*", "a b", "a-b"),
        (r"\A\S[\p{Print}]*\z", "a b", " a"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"[a-z]+$", "abc", "ab1"),
    ],
)
def test_patterns_mean_what_they_do_in_java(pattern, takes, refuses):
    compiled = aws_requests._compiled(pattern)
    assert compiled.fullmatch(takes) and not compiled.fullmatch(refuses)


@pytest.mark.faults
def test_stand_ins_and_clients_alike_are_checked():
    from botocore.session import get_session

    session = get_session()
    session.set_credentials("key", "secret")
    client = session.create_client("service-quotas", region_name="us-east-1")
    service = stand_in("service-quotas", list_service_quotas=lambda ServiceCode: {"Quotas": []})
    with Stubber(client) as stub:
        stub.add_response("list_service_quotas", {"Quotas": []})
        for each in (client, service):
            with pytest.raises(AssertionError, match="doesn't match"):
                each.list_service_quotas(ServiceCode="1")
    aws_requests.WRONG.clear()


def test_a_stand_in_answers_page_by_page_and_asks_nothing_of_itself():
    class Service(AwsService):
        services = ("sqs",)

        def list_queues(self, NextToken="0"):
            self.send_message(QueueUrl=1)
            return {"QueueUrls": [NextToken]} | ({"NextToken": "1"} if NextToken == "0" else {})

        def send_message(self, QueueUrl):
            pass

    pages = Service().get_paginator("list_queues").paginate()
    assert [page["QueueUrls"] for page in pages] == [["0"], ["1"]]


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ('client("eks").describe_cluster(name="c")', {("eks", "DescribeCluster")}),
        ('each(client("sagemaker"), "list_tags", "Tags")', {("sagemaker", "ListTags")}),
        ('s3.get_paginator("list_objects_v2")', {("s3", "ListObjectsV2")}),
        ("done(client('sagemaker').delete_endpoint, name)", {("sagemaker", "DeleteEndpoint")}),
        ("self._s3.upload_file(file, bucket, key)", {("s3", "PutObject")}),
        ("aws.get_caller_identity()", set()),
        ("ledger.query(pk)", {("dynamodb", "Query")}),
    ],
)
def test_calls_are_found_however_they_are_written(monkeypatch, source, calls):
    import ast

    services = integrations.services()
    monkeypatch.setattr(integrations, "services", lambda: services)
    monkeypatch.setattr(integrations, "trees", lambda: {"a.py": ast.parse(source)})
    assert set(integrations.client_calls()) == calls


@pytest.mark.faults
@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"Name.$": "$.a"}, "has no Name"), ({}, "lacks"), ({"TrainingJobName": "a b"}, "doesn't match")],
)
def test_a_task_that_asks_wrongly_is_told(parameters, says):
    with pytest.raises(AssertionError, match=says):
        stated("sagemaker", "StopTrainingJob", parameters)


def test_tasks_are_found_in_every_branch():
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:stopExecution", "Parameters": {"a": 1}}
    inner = {"States": {"A": {"Type": "Parallel", "Branches": [{"States": {"B": task}}]}}}
    assert list(integrations.tasks(json.dumps(inner))) == [(("stepfunctions", "StopExecution"), {"a": 1})]
