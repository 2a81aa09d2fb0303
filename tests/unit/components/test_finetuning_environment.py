"""What `FineTuningEnvironment` registers, and what it refuses."""

import json
import re
import zipfile

import parliament
import pytest
from pulumi_tandem import FineTuningEnvironment
from pulumi_tandem.foundation.arguments import InvalidArguments
from tandem_policies.security import SECRET_NAME

from scripts.recorder import record, record_stack

CONFIG = {"tandem:environment": "finetuning", "tandem:retention": "erase"}
HERE = "us-east-1:123456789012"
MODEL = f"arn:aws:sagemaker:{HERE}:model-package/models/3"
TOPIC = f"arn:aws:sns:{HERE}:alarms"
ENDING = {"sagemaker:StopTrainingJob", "sagemaker:DeleteEndpoint", "sagemaker:DeleteInferenceComponent"}
SERVING = CONFIG | {"tandem:model": MODEL, "tandem:alarmTopicArn": TOPIC}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


@pytest.fixture(scope="module")
def serving():
    return record_stack(SERVING)


def statements(stack, role: str) -> list[dict]:
    return json.loads(stack.one("RolePolicy", role).inputs["policy"])["Statement"]


def environment_of(stack, function: str) -> dict[str, str]:
    return stack.one("aws:lambda/function:Function", function).inputs["environment"]["variables"]


def test_outputs_are_the_contract(stack, serving):
    names = "datasetBucket artifactBucket trainingPipelineArn runEnvelopeParameter modelPackageGroup"
    assert set(stack.outputs) == {
        *names.split(),
        "trainingBackend",
        "clusterFunction",
        "clusterName",
        "imageRepositoryUrl",
        "trackingUri",
        "endpointName",
        "inferenceComponent",
        "region",
    }
    assert (stack.outputs["endpointName"], stack.outputs["clusterName"]) == ("", "")
    assert stack.outputs["trainingBackend"] == "sagemaker"
    assert stack.outputs["trainingPipelineArn"].startswith(f"arn:aws:states:{HERE}:stateMachine:")
    absent = ("endpointName", "inferenceComponent", "clusterName", "clusterFunction")
    assert all(value for name, value in stack.outputs.items() if name not in absent)
    assert serving.outputs["endpointName"] == serving.one("Endpoint").inputs["name"]


def test_nothing_that_bills_by_the_hour_is_there_by_default(stack):
    """The list is whole: what is added here has to be free while idle."""
    kinds = {r.type.rsplit(":", 1)[-1] for r in stack.resources if r.custom}
    free = "Bucket BucketPublicAccessBlock BucketServerSideEncryptionConfiguration BucketVersioning BucketPolicy "
    free += "BucketLifecycleConfiguration BucketNotification BucketObjectv2 Repository LifecyclePolicy MlflowApp Role "
    free += "RolePolicy Function Permission LogGroup Parameter StateMachine MetricAlarm EventRule EventTarget Budget "
    assert kinds == {*free.split(), "ModelPackageGroup", "Invocation"}


def test_keep_protects_what_holds_data():
    stack = record_stack({"tandem:environment": "finetuning"})
    protected = {r.type.rsplit(":", 1)[-1] for r in stack.resources if r.protect}
    assert protected == {"Bucket", "Repository"}
    assert not [bucket for bucket in stack.of("aws:s3/bucket:Bucket") if bucket.inputs.get("forceDestroy")]


def test_erase_protects_nothing(stack):
    assert not [r.name for r in stack.resources if r.protect]
    assert [bucket.inputs["forceDestroy"] for bucket in stack.of("aws:s3/bucket:Bucket")] == [True, True]
    assert stack.one("Repository").inputs["forceDelete"] is True


def test_every_taggable_resource_is_tagged(serving):
    untaggable = "BucketPublicAccessBlock BucketServerSideEncryptionConfiguration BucketVersioning BucketPolicy "
    untaggable += "BucketLifecycleConfiguration BucketNotification BucketObjectv2 LifecyclePolicy RolePolicy "
    untaggable += "Permission EventTarget Invocation"
    for resource in serving.resources:
        if resource.custom and resource.type.rsplit(":", 1)[-1] not in untaggable.split():
            tags = resource.inputs["tags"]
            assert (tags["tandem:environment"], tags["tandem:stack"]) == ("tuning", "test"), resource.name


def test_tags_of_ones_own_are_added_and_leave_the_stacks():
    """The guard stops and deletes by `tandem:stack`."""
    tags = {"team": "search", "tandem:stack": "another"}
    stack = record(lambda: FineTuningEnvironment("tuning", {"tags": tags, "model": MODEL}))
    for kind in ("Endpoint", "StateMachine"):
        found = stack.one(kind).inputs["tags"]
        assert (found["team"], found["tandem:stack"]) == ("search", "test")


def test_children_have_their_component_as_parent(serving):
    assert [r.name for r in serving.resources if r.parent == "tandem-test"] == ["tuning"]


def test_survives_a_preview_in_which_nothing_is_known(serving):
    assert len(record_stack(SERVING, preview=True).resources) == len(serving.resources)


def test_the_run_envelope_is_plain_and_known_before_anything_exists():
    options = {"tandem:attempts": "3", "tandem:spot": "true", "tandem:evaluationInstance": "ml.g5.2xlarge"}
    parameter = record_stack(CONFIG | options, preview=True).one("Parameter", "envelope").inputs
    assert parameter["type"] == "String"
    assert re.fullmatch("/tandem/tandem/test/tuning-training-[0-9a-f]{8}/run-envelope", parameter["name"])
    # `value` is a secret to the SDK whatever the type, and so hidden in previews.
    assert json.loads(parameter["insecureValue"]) == {
        "instance_type": "ml.g6e.2xlarge",
        "instance_count": 1,
        "max_runtime_seconds": 14400,
        "attempts": 3,
        "spot": True,
        "volume_gb": 200,
        "checkpoint": True,
        "evaluation_instance_type": "ml.g5.2xlarge",
        "evaluation_max_runtime_seconds": 3600,
    }


def test_the_functions_envelope_is_the_parameters(stack):
    envelope = stack.one("Parameter", "envelope").inputs["insecureValue"]
    assert environment_of(stack, "plan")["TANDEM_ENVELOPE"] == envelope
    assert environment_of(stack, "guard")["TANDEM_LONGEST_JOB_SECONDS"] == "14400"
    assert environment_of(stack, "guard")["TANDEM_STACK"] == "test"


def test_the_pipelines_role_enforces_the_envelope():
    stack = record_stack(CONFIG | {"tandem:evaluationInstance": "ml.g5.2xlarge", "tandem:maxEvaluationHours": "6"})
    allowed = statements(stack, "tuning-training-permissions")
    (create,) = [each for each in allowed if "sagemaker:CreateTrainingJob" in each["Action"]]
    assert create["Action"] == ["sagemaker:CreateTrainingJob"]
    assert create["Condition"] == {
        "Null": {"sagemaker:InstanceTypes": "false"},
        "ForAllValues:StringEquals": {"sagemaker:InstanceTypes": ["ml.g5.2xlarge", "ml.g6e.2xlarge"]},
        "NumericLessThanEquals": {"sagemaker:MaxRuntimeInSeconds": "21600"},
    }
    (passing,) = [each for each in allowed if each["Action"] == ["iam:PassRole"]]
    assert passing["Resource"].startswith("arn:aws:iam::123456789012:role/tuning-training-job-role-")
    assert passing["Condition"]["StringEquals"] == {"iam:PassedToService": "sagemaker.amazonaws.com"}


def test_every_iam_policy_passes_the_linter(serving):
    server = record_stack(CONFIG | {"tandem:tracking": "server"})
    policies = {r.name: r.inputs["policy"] for r in serving.of("RolePolicy")}
    policies["job, server"] = server.one("RolePolicy", "job-permissions").inputs["policy"]
    assert len(policies) == 10
    unexplained = {
        name: [finding for finding in parliament.analyze_policy_string(text).findings if not _explained(finding)]
        for name, text in policies.items()
    }
    assert unexplained == {name: [] for name in policies}


def _explained(finding) -> bool:
    """One action is newer than its list; and it wants every kind of resource at once, while ours is one of them."""
    if finding.issue == "RESOURCE_MISMATCH":
        return [(row["action"], "mapRun" in row["required_format"]) for row in finding.detail] == [
            ("states:ListExecutions", True)
        ]
    return finding.detail == "Unknown action sagemaker:CallMlflowAppApi"


WITHOUT_RESOURCE = {
    "sagemaker:ListTrainingJobs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListInferenceComponents",
    "sagemaker:ListModelPackages",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    *(f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}


def test_everything_is_allowed_only_where_there_is_no_resource_to_name(serving):
    for resource in serving.of("RolePolicy"):
        for statement in json.loads(resource.inputs["policy"])["Statement"]:
            assert not [action for action in statement["Action"] if "*" in action], resource.name
            found = statement["Resource"]
            if "*" in ([found] if isinstance(found, str) else found):
                assert set(statement["Action"]) <= WITHOUT_RESOURCE, resource.name


def test_superseded_checkpoints_are_paid_for_a_day_and_data_kept_for_thirty(stack):
    rules = {
        each.name: [
            (
                rule["filter"]["prefix"],
                rule["noncurrentVersionExpiration"]["noncurrentDays"],
                rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"],
            )
            for rule in each.inputs["rules"]
        ]
        for each in stack.of("BucketLifecycleConfiguration")
    }
    assert rules == {
        "tuning-artifacts-lifecycle": [("", 30, 7), ("runs/", 1, 1)],
        "tuning-datasets-lifecycle": [("", 30, 7)],
    }


def test_jobs_write_below_runs_alone_and_read_what_they_need(stack):
    artifacts = f"arn:aws:s3:::{stack.outputs['artifactBucket']}"
    allowed = statements(stack, "job-permissions")
    writing = [each["Resource"] for each in allowed if {"s3:PutObject", "s3:DeleteObject"} & set(each["Action"])]
    assert writing == [f"{artifacts}/runs/*"]
    # An upload that fails in a part leaves the others, which are billed until it is aborted.
    assert "s3:AbortMultipartUpload" in next(each["Action"] for each in allowed if "s3:PutObject" in each["Action"])
    (pulling,) = [each["Resource"] for each in allowed if "ecr:BatchGetImage" in each["Action"]]
    names = [arn.removeprefix("arn:aws:ecr:us-east-1:") for arn in pulling]
    assert names[0].startswith("123456789012:repository/tuning-images-")
    # A role may not pull from AWS's account just because its repositories are open (deep-learning-containers#759).
    assert names[1:] == [
        f"763104351884:repository/{name}" for name in ("djl-inference", "huggingface-pytorch-training")
    ]


def test_an_image_of_ones_own_is_taken_and_pulled_from_where_it_is():
    image = "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/axolotl:7"
    stack = record_stack(CONFIG | {"tandem:trainingImage": image})
    train = json.loads(stack.one("StateMachine").inputs["definition"])["States"]["Train"]
    assert train["Parameters"]["AlgorithmSpecification"]["TrainingImage"] == image
    policy = stack.one("RolePolicy", "job-permissions").inputs["policy"]
    assert "arn:aws:ecr:eu-west-1:210987654321:repository/team/axolotl" in policy


@pytest.mark.parametrize(
    ("tracking", "kind", "action"),
    [
        ("app", "MlflowApp", "sagemaker:CallMlflowAppApi"),
        ("server", "MlflowTrackingServer", "sagemaker-mlflow:LogBatch"),
    ],
)
def test_jobs_may_log_to_the_mlflow_that_they_are_told_of(tracking, kind, action):
    stack = record_stack(CONFIG | {"tandem:tracking": tracking})
    uri = stack.outputs["trackingUri"]
    assert stack.one(kind).inputs["artifactStoreUri"] == f"s3://{stack.outputs['artifactBucket']}/mlflow"
    assert environment_of(stack, "plan")["TANDEM_TRACKING_URI"] == uri
    assert [each["Resource"] for each in statements(stack, "job-permissions") if action in each["Action"]] == [uri]


SECRET = f"arn:aws:secretsmanager:{HERE}:secret:hub-AbCdEf"


def test_jobs_alone_read_the_hubs_token_and_no_other_secret(stack):
    found = record_stack(CONFIG | {"tandem:hubTokenSecret": SECRET})
    assert environment_of(found, "plan")["TANDEM_HUB_TOKEN_ARN"] == SECRET
    readers = {
        role.name: [each["Resource"] for each in json.loads(role.inputs["policy"])["Statement"] if reads(each)]
        for role in found.of("RolePolicy")
        if "secretsmanager" in role.inputs["policy"]
    }
    assert readers == {"tuning-training-job-permissions": [SECRET]}
    assert "TANDEM_HUB_TOKEN_ARN" not in environment_of(stack, "plan")
    assert not SECRET_NAME.search("TANDEM_HUB_TOKEN_ARN")  # which our own policies would refuse
    assert not [role for role in stack.of("RolePolicy") if "secretsmanager" in role.inputs["policy"]]


def reads(statement: dict) -> bool:
    return statement["Action"] == ["secretsmanager:GetSecretValue"]


@pytest.mark.parametrize("tracking", ["none", "https://mlflow.example.com"])
def test_without_an_mlflow_of_aws_none_is_made(tracking):
    stack = record_stack(CONFIG | {"tandem:tracking": tracking})
    assert not stack.of("MlflowApp") + stack.of("MlflowTrackingServer")
    assert environment_of(stack, "plan").get("TANDEM_TRACKING_URI", "none") == tracking
    assert "mlflow" not in stack.one("RolePolicy", "job-permissions").inputs["policy"].lower()


def ours(stack) -> dict:
    """What has to hold of what is ended: other stacks of this name may share the account."""
    bucket = {"aws:ResourceTag/tandem:artifacts": stack.outputs["artifactBucket"]}
    return {"StringEquals": {"aws:ResourceTag/tandem:stack": "test"}, "StringEqualsIfExists": bucket}


def test_the_guard_runs_on_a_schedule_and_touches_what_is_the_stacks(stack):
    assert stack.one("EventRule").inputs["scheduleExpression"] == "rate(15 minutes)"
    assert stack.one("EventTarget").inputs["arn"].startswith(f"arn:aws:lambda:{HERE}:function:tuning-guard")
    for statement in statements(stack, "guard-permissions"):
        if ENDING & set(statement["Action"]):
            assert statement["Condition"] == ours(stack)


def test_at_destroy_only_jobs_of_the_stack_may_be_stopped(stack):
    (stopping,) = [each for each in statements(stack, "cleanup-permissions") if ENDING & set(each["Action"])]
    assert (stopping["Action"], stopping["Condition"]) == (["sagemaker:StopTrainingJob"], ours(stack))


def test_what_the_guard_and_the_end_look_for_is_on_the_endpoint(serving):
    bucket = serving.outputs["artifactBucket"]
    assert serving.one("Endpoint").inputs["tags"]["tandem:artifacts"] == bucket
    for part in ("guard", "cleanup", "plan"):
        told = environment_of(serving, part)
        assert (told["TANDEM_STACK"], told["TANDEM_ARTIFACT_BUCKET"]) == ("test", bucket)


def test_the_budget_counts_the_stack_and_alerts_who_is_named(stack, serving):
    budget = stack.one("Budget").inputs
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:tandem:stack$test"]}]
    assert (budget["limitAmount"], budget["timeUnit"], budget.get("notifications")) == ("100", "MONTHLY", [])
    told = serving.one("Budget").inputs["notifications"]
    assert [(each["notificationType"], each["threshold"]) for each in told] == [("ACTUAL", 80), ("FORECASTED", 100)]
    assert all(each["subscriberSnsTopicArns"] == [TOPIC] for each in told)
    mailed = record_stack(CONFIG | {"tandem:alertEmail": "ops@example.com"}).one("Budget").inputs["notifications"]
    assert all(each["subscriberEmailAddresses"] == ["ops@example.com"] for each in mailed)
    assert not record_stack(CONFIG | {"tandem:monthlyBudget": "0"}).of("Budget")


def test_approvals_are_announced_where_there_is_a_topic(stack, serving):
    assert not [rule for rule in stack.of("EventRule") if "eventPattern" in rule.inputs]
    rule = serving.one("EventRule", "models-changes")
    assert json.loads(rule.inputs["eventPattern"]) == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [serving.outputs["modelPackageGroup"]]},
    }
    assert serving.one("EventTarget", "announce").inputs["arn"] == TOPIC


@pytest.mark.parametrize(("name", "metric"), [("failed", "ExecutionsFailed"), ("late", "ExecutionsTimedOut")])
def test_a_failed_run_raises_an_alarm(serving, name, metric):
    alarm = serving.one("MetricAlarm", f"training-{name}").inputs
    assert alarm["dimensions"] == {"StateMachineArn": serving.outputs["trainingPipelineArn"]}
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/States", metric)
    assert alarm["alarmActions"] == [TOPIC]


def test_the_guard_may_tell_the_topic_and_nothing_else(stack, serving):
    def telling(stack):
        statements = json.loads(stack.one("RolePolicy", "guard-permissions").inputs["policy"])["Statement"]
        return [each["Resource"] for each in statements if "sns:Publish" in each["Action"]]

    assert (environment_of(serving, "guard")["TANDEM_ALARM_TOPIC"], telling(serving)) == (TOPIC, [TOPIC])
    assert ("TANDEM_ALARM_TOPIC" in environment_of(stack, "guard"), telling(stack)) == (False, [])


def test_training_code_lies_where_jobs_look_for_it(stack):
    code = stack.one("BucketObjectv2").inputs
    place = f"s3://{stack.outputs['artifactBucket']}/{code['key'].removesuffix('tandem.pyz')}"
    assert environment_of(stack, "plan")["TANDEM_CODE"] == place
    with zipfile.ZipFile(code["source"]["path"]) as bundle:
        names = set(bundle.namelist())
    assert {"__main__.py", "tandem/finetuning/training/__main__.py", "tandem/measures/metrics.py"} <= names
    assert not [name for name in names if name.startswith(("tandem/rag/", "tandem/cli/"))]


@pytest.mark.faults
def test_every_mistake_is_reported_at_once():
    wrong = {
        "training_instance": "",
        "training_instances": 0,
        "max_training_hours": 121.0,
        "attempts": 2.5,
        "spot": "yes",
        "volume_gigabytes": 10,
        "evaluation_instance": "g5.xlarge",
        "max_evaluation_hours": 0.1,
        "serving_image": "text-generation-inference:3",
        "hub_token_secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub",
        "tracking": "http://mlflow",
        "model": "models/3",
        "endpoint_instance": "ml.g5",
        "endpoint_instances": 17,
        "endpoint_hours": -1,
        "monthly_budget": -1,
        "retention": "delete",
        "gpu": 1,
    }
    with pytest.raises(InvalidArguments) as caught:
        FineTuningEnvironment("tuning", wrong)
    assert sorted(mistake.where for mistake in caught.value.mistakes) == sorted(wrong)
    for part in ("0.2 to 120.0", "1 to 5", "For example ml.g6e.2xlarge", "true or false", "'delete'"):
        assert part in str(caught.value)


@pytest.mark.faults
def test_a_mistake_registers_nothing():
    with pytest.raises(InvalidArguments):
        record_stack(CONFIG | {"tandem:attempts": "9"})
