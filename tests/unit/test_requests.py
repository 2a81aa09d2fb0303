"""Every operation that we ask AWS for has a request that was checked, and requests that AWS refuses fail."""

import ast
import json

import pytest
from botocore.stub import Stubber

from tests.support import asked, aws_requests, integrations
from tests.support.aws_requests import AwsService, check, stand_in, stated
from tests.support.rendered import definitions

ELSEWHERE = {
    "tandem/clients/preflight.py: client(feature.service)": "rows of FEATURES, service beside operation",
    "tandem/clients/preflight.py: getattr(service, feature.question)": "the same rows",
    "tandem/finetuning/training/hub.py: _client(secret.split(':')[3])": "secretsmanager's, of that region",
    "tandem/runtime/pages.py: service.get_paginator(operation)": "`each`, whose callers name the operation",
}
"""Uses of clients that don't tell their service or operation, and where these stand."""


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
    checked = {(service, operation.partition(".")[0]) for _, service, operation, *_ in asked.golden()}
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


@pytest.mark.parametrize(
    ("service", "request_", "names"),
    [
        ("sqs", {"QueueUrl": "https://q"}, ["TANDEM_QUEUE_URL"]),
        ("sqs", {"QueueUrl": "https://other"}, ["-"]),
        ("sqs", {}, ["-"]),
        ("s3", {"Bucket": "b", "Key": "runs/r/run.json"}, ["TANDEM_ARTIFACT_BUCKET/runs/*"]),
        ("s3", {"Bucket": "b", "Key": "tea.md"}, ["TANDEM_ARTIFACT_BUCKET/*"]),
        ("s3", {"Bucket": "b", "Prefix": "runs/"}, ["TANDEM_ARTIFACT_BUCKET"]),
        ("dynamodb", {"TransactItems": [{"Put": {"TableName": "t"}}]}, ["TANDEM_LEDGER_TABLE"]),
        ("dynamodb", {"RequestItems": {"t": {"Keys": []}, "u": {"Keys": []}}}, ["-", "TANDEM_LEDGER_TABLE"]),
        ("dynamodb", {"TableName": "t", "Key": {"pk": {"S": "x"}}}, ["TANDEM_LEDGER_TABLE"]),
    ],
)
def test_what_names_the_resource_of_a_request_is_known(monkeypatch, service, request_, names):
    told = {"TANDEM_QUEUE_URL": "https://q", "TANDEM_ARTIFACT_BUCKET": "b", "TANDEM_LEDGER_TABLE": "t"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert aws_requests._named(service, request_, aws_requests._told(None)) == names


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
        ('for stop, n in ((client("sagemaker").delete_model, x),): stop(n)', {("sagemaker", "DeleteModel")}),
        ('{"x": client("sagemaker").delete_endpoint_config}["x"]()', {("sagemaker", "DeleteEndpointConfig")}),
        ('kept = client("sagemaker").delete_app', {("sagemaker", "DeleteApp")}),
        ('twice(stop=client("sagemaker").delete_domain)', {("sagemaker", "DeleteDomain")}),
        ("lambda: sagemaker.delete_app", {("sagemaker", "DeleteApp")}),
        ('getattr(client("sagemaker"), "delete_pipeline")()', {("sagemaker", "DeletePipeline")}),
        ('getattr(client("dynamodb"), "scan")()', {("dynamodb", "Scan")}),
        ('methodcaller("delete_pipeline")(sagemaker)', {("sagemaker", "DeletePipeline")}),
        ('ask(operation="delete_pipeline")', {("sagemaker", "DeletePipeline")}),
        ('Feature("sagemaker", "list_mlflow_apps")', {("sagemaker", "ListMlflowApps")}),
        ('client("sagemaker").get_waiter("endpoint_in_service").wait()', {("sagemaker", "DescribeEndpoint")}),
        ('endpoint.get_waiter("endpoint_in_service")', {("sagemaker", "DescribeEndpoint")}),
        ('client("s3").generate_presigned_url("put_object")', {("s3", "PutObject")}),
        ("s3.generate_presigned_post(bucket, key)", {("s3", "PutObject")}),
        ("s3.upload_fileobj(file, bucket, key)", {("s3", "PutObject")}),
    ],
)
def test_calls_are_found_however_they_are_written(made_up, source, calls):
    made_up(source)
    assert set(integrations.client_calls()) == calls
    assert integrations.unreadable() == {}


@pytest.fixture
def made_up(monkeypatch):
    """Has the inventory look at a source in place of ours."""
    services = integrations.services()
    monkeypatch.setattr(integrations, "services", lambda: services)
    return lambda source: monkeypatch.setattr(integrations, "trees", lambda: {"a.py": ast.parse(source)})


@pytest.mark.faults
@pytest.mark.parametrize(
    "source",
    [
        'getattr(client("sagemaker"), "delete_" + "pipeline")',
        "sagemaker, other = client('sagemaker'), 1\ngetattr(sagemaker, name)",
        "def stop(made=0):\n    made = client('sagemaker')\n    getattr(made, name)",
        "getattr(self._s3, name)",
        'client("s3").generate_presigned_url(name)',
        "sagemaker.get_waiter(name)",
        "each(sagemaker, name)",
        "methodcaller(name)",
        'client("s3")._make_api_call(name, {})',
        'boto3.resource("s3")',
        "client(name)",
    ],
)
def test_a_call_that_cant_be_read_is_told(made_up, source):
    made_up(source)
    assert len(integrations.unreadable()) == 1


@pytest.mark.parametrize(
    "source",
    ["getattr(run, name)", "def client(service): return session.client(service)", "re.search(a, b)"],
)
def test_what_is_no_client_isnt_told(made_up, source):
    made_up(source)
    assert (integrations.unreadable(), integrations.client_calls()) == ({}, {})


def test_what_cant_be_read_stands_elsewhere():
    assert integrations.unreadable().keys() == ELSEWHERE.keys()


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
