"""Model packages, models and endpoints of the local cloud's SageMaker, and bad requests."""

import json
import os
import signal
import uuid

import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud import paths
from localcloud.services import audit, supervisor
from tests.support.repeated import as_call
from tests.support.sagemaker import BUCKET, ROLE, ended, living, request, start, until

pytestmark = pytest.mark.local


@pytest.fixture
def group(sagemaker):
    sagemaker.create_model_package_group(ModelPackageGroupName="tuned", Tags=[{"Key": "a", "Value": "1"}])
    yield "tuned"
    for each in sagemaker.list_model_packages(ModelPackageGroupName="tuned")["ModelPackageSummaryList"]:
        sagemaker.delete_model_package(ModelPackageName=each["ModelPackageArn"])
    sagemaker.delete_model_package_group(ModelPackageGroupName="tuned")
    with pytest.raises(ClientError, match="does not exist") as error:
        sagemaker.describe_model_package_group(ModelPackageGroupName="tuned")
    assert error.value.response["Error"]["Code"] == "ValidationException"


def package(sagemaker, s3, says: str, **more) -> str:
    """A package whose model answers with this text; its ARN."""
    key = f"packages/{uuid.uuid4().hex[:8]}/"
    s3.put_object(Bucket=BUCKET, Key=f"{key}says", Body=says)
    source = {"S3Uri": f"s3://{BUCKET}/{key}", "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": "vllm", "ModelDataSource": {"S3DataSource": source}, "Environment": {"SUFFIX": "!"}}
    specification = {"Containers": [container], "SupportedContentTypes": ["application/json"]}
    asked = {"ModelPackageGroupName": "tuned", "InferenceSpecification": specification} | more
    return sagemaker.create_model_package(**asked)["ModelPackageArn"]


def test_packages_number_themselves_and_are_approved_with_an_event(sagemaker, s3, aws, group):
    events, sqs = aws("events"), aws("sqs")
    queue = sqs.create_queue(QueueName="approvals")["QueueUrl"]
    pattern = {"source": ["aws.sagemaker"], "detail": {"ModelApprovalStatus": ["Approved"]}}
    events.put_rule(Name="approvals", EventPattern=json.dumps(pattern))
    arn = "arn:aws:sqs:us-east-1:000000000000:approvals"
    events.put_targets(Rule="approvals", Targets=[{"Id": "queue", "Arn": arn}])
    first, second = (
        package(sagemaker, s3, "a", ClientToken=each, CustomerMetadataProperties={"run": each}) for each in "ab"
    )
    assert first.endswith(":model-package/tuned/1")
    assert package(sagemaker, s3, "a", ClientToken="b") == second
    newest = sagemaker.list_model_packages(ModelPackageGroupName="tuned", SortBy="CreationTime", MaxResults=1)
    assert [each["ModelPackageArn"] for each in newest["ModelPackageSummaryList"]] == [second]
    described = sagemaker.describe_model_package(ModelPackageName=second)
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    sagemaker.update_model_package(
        ModelPackageArn=second,
        ModelApprovalStatus="Approved",
        ApprovalDescription="better",
        CustomerMetadataProperties={"by": "ann"},
    )
    described = sagemaker.describe_model_package(ModelPackageName=second)
    assert (described["ModelApprovalStatus"], described["ModelPackageVersion"]) == ("Approved", 2)
    assert described["CustomerMetadataProperties"] == {"run": "b", "by": "ann"}
    approved = sagemaker.list_model_packages(ModelPackageGroupName="tuned", ModelApprovalStatus="Approved")
    assert len(approved["ModelPackageSummaryList"]) == 1
    [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    event = json.loads(message["Body"])
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["detail"]["ModelPackageArn"] == second
    with pytest.raises(ClientError, match="ConflictException"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=second)
    assert package(sagemaker, s3, "c").endswith("/3")  # a number is never used again
    assert ("sagemaker", "ModelPackage", "tuned/3") in audit.leftovers()
    events.remove_targets(Rule="approvals", Ids=["queue"])
    events.delete_rule(Name="approvals")
    sqs.delete_queue(QueueUrl=queue)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("operation", "asked", "message"),
    [
        ("describe_training_job", {"TrainingJobName": "none"}, "Requested resource not found"),
        ("describe_model", {"ModelName": "none"}, "Could not find model"),
        ("delete_model", {"ModelName": "none"}, "Could not find model"),
        ("describe_endpoint_config", {"EndpointConfigName": "none"}, "Could not find endpoint configuration"),
        ("describe_endpoint", {"EndpointName": "none"}, 'Could not find endpoint "'),
        ("delete_endpoint", {"EndpointName": "none"}, 'Could not find endpoint "'),
        ("create_endpoint", {"EndpointName": "e", "EndpointConfigName": "none"}, "Could not find endpoint config"),
        ("create_model_package", {"ModelPackageGroupName": "none"}, "does not exist"),
        ("create_model_package", {}, "give ModelPackageGroupName"),
        (
            "create_model",
            {"ModelName": "a_b", "ExecutionRoleArn": "me"},
            "3 validation errors.*at 'ModelName'.*pattern",
        ),
        ("create_model", {"ModelName": "m" * 64}, "length less than or equal to 63"),
        ("create_model", {"ModelName": "m"}, "either PrimaryContainer or Containers"),
        ("create_model", {"ModelName": 7}, "Invalid type for parameter ModelName"),
        ("create_training_job", {"TrainingJobName": "x"}, 'Missing required parameter in input: "RoleArn"'),
        (
            "create_model_package",
            {"ModelPackageGroupName": "none", "CustomerMetadataProperties": {"metrics": '{"f1": 1}'}},
            "satisfy regular expression pattern",
        ),
    ],
)
def test_what_aws_refuses_is_refused(aws, operation, asked, message):
    unchecked = aws("sagemaker", config=Config(parameter_validation=False))
    with pytest.raises(ClientError, match=message) as error:
        getattr(unchecked, operation)(**asked)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.faults
def test_a_call_whose_answer_was_lost_is_answered_again(sagemaker):
    def create(call: str) -> str:
        with as_call(sagemaker, call):
            return sagemaker.create_model_package_group(ModelPackageGroupName="asked-twice")["ModelPackageGroupArn"]

    try:
        assert create("first") == create("first")
        with pytest.raises(ClientError, match="already existing"):
            create("second")
    finally:
        sagemaker.delete_model_package_group(ModelPackageGroupName="asked-twice")


def test_names_are_unique_and_the_rest_of_sagemaker_is_not_there(sagemaker, s3):
    asked = request(s3, "")
    start(sagemaker, asked)
    with pytest.raises(ClientError, match="must be unique") as error:
        start(sagemaker, asked)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    ended(sagemaker, asked["TrainingJobName"])
    del asked["AlgorithmSpecification"]["ContainerEntrypoint"]
    with pytest.raises(ClientError, match=r"give AlgorithmSpecification\.ContainerEntrypoint"):
        start(sagemaker, asked | {"TrainingJobName": "another"})
    with pytest.raises(ClientError, match="ListNotebookInstances is not served by the local cloud"):
        sagemaker.list_notebook_instances()
    url = f"{supervisor.SAGEMAKER.url}/endpoints/any/invocations"
    assert urllib3.request("POST", url, body=b"{}").status == 403


def model(sagemaker, name: str, **container) -> str:
    """A model and an endpoint configuration of it, both of that name."""
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "all",
        "ModelName": name,
        "InstanceType": "ml.g6e.xlarge",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return name


def served(sagemaker, status="InService") -> dict:
    def found():
        endpoint = sagemaker.describe_endpoint(EndpointName="tuned")
        return endpoint if endpoint["EndpointStatus"] == status else None

    return until(found)


@pytest.mark.faults
def test_an_endpoint_serves_is_updated_recovers_and_leaves_nothing(sagemaker, s3, aws, group, cloud):
    runtime = aws("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))

    def ask(**body):
        answer = runtime.invoke_endpoint(EndpointName="tuned", ContentType="application/json", Body=json.dumps(body))
        assert answer["InvokedProductionVariant"] == "all"
        return json.load(answer["Body"])["choices"][0]["message"]["content"]

    def servers():
        found = [supervisor.running(each) for each in paths.RUN.glob("sagemaker-endpoint-*.json")]
        return {each["pid"] for each in found if each}

    first, second = package(sagemaker, s3, "one"), package(sagemaker, s3, "two", ModelApprovalStatus="Approved")
    with pytest.raises(ClientError, match="PendingManualApproval, not Approved"):
        model(sagemaker, "first", ModelPackageName=first)
    sagemaker.update_model_package(ModelPackageArn=first, ModelApprovalStatus="Approved")
    model(sagemaker, "first", ModelPackageName=first)
    model(sagemaker, "second", ModelPackageName=second)
    source = {"S3Uri": f"s3://{BUCKET}/nothing/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    model(sagemaker, "empty", Image="vllm", ModelDataSource={"S3DataSource": source})
    sagemaker.create_endpoint(EndpointName="tuned", EndpointConfigName="first")
    with pytest.raises(ClientError, match="Endpoint tuned of account 000000000000 not found"):
        ask()
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName="tuned")
    endpoint = served(sagemaker)
    assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert ask(messages=[]) == "one!"

    with pytest.raises(ClientError, match="out of memory") as error:
        ask(status=500)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error.value.response["OriginalStatusCode"] == 500
    dying = servers()
    with pytest.raises(ClientError, match="ModelError"):
        ask(die=True)
    assert until(lambda: answers(ask)) == "one!"
    assert servers().isdisjoint(dying)

    before = servers()
    sagemaker.update_endpoint(EndpointName="tuned", EndpointConfigName="second")
    assert ask() == "one!"  # until the new one is ready
    assert served(sagemaker)["EndpointConfigName"] == "second"
    assert ask() == "two!"
    until(lambda: len(servers()) == 1 and servers() != before)
    sagemaker.update_endpoint(EndpointName="tuned", EndpointConfigName="empty")
    endpoint = served(sagemaker)
    assert endpoint["EndpointConfigName"] == "second"
    assert "Could not find model data" in endpoint["FailureReason"]
    assert ask() == "two!"

    [orphan] = servers()
    os.kill(supervisor.SAGEMAKER.running()["pid"], signal.SIGKILL)
    cloud.up(print)
    served(sagemaker)
    assert ask() == "two!"
    assert not living(orphan)

    for left in range(4):
        with pytest.raises(ClientError):
            ask(die=True)
        if left < 3:
            until(lambda: answers(ask))
    assert "ended 4 times" in served(sagemaker, "Failed")["FailureReason"]
    assert ("sagemaker", "Endpoint", "tuned") in audit.leftovers()
    sagemaker.delete_endpoint(EndpointName="tuned")
    for each in ("first", "second", "empty"):
        sagemaker.delete_endpoint_config(EndpointConfigName=each)
        sagemaker.delete_model(ModelName=each)
    kinds = {row[1] for row in audit.leftovers() if row[0] == "sagemaker"}
    assert kinds <= {"ModelPackageGroup", "ModelPackage"}
    assert not servers()


def answers(ask) -> str:
    """Its answer once there is one. Until the socket of a process that dies is closed, calls still reach it."""
    try:
        return ask()
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("ServiceUnavailable", "ModelError")
        return ""
