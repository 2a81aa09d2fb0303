"""The endpoint of `FineTuningEnvironment`: on which host it serves, how it is replaced, what is refused."""

import json

import pytest
from pulumi_tandem.environments.finetuning_fields import FINETUNING
from tandem_contract.checks import Checks

from scripts.recorder import record_stack
from tests.unit.finetuning.strict_sagemaker import check

MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/3"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
SERVING = {
    "tandem:environment": "finetuning",
    "tandem:retention": "erase",
    "tandem:model": MODEL,
    "tandem:alarmTopicArn": TOPIC,
}


def mistakes(given: dict):
    checks = Checks()
    FINETUNING.read(checks, given)
    return checks.mistakes


@pytest.fixture(scope="module")
def serving():
    return record_stack(SERVING)


def test_the_endpoint_serves_the_model_on_a_host_that_has_its_cuda(serving):
    (variant,) = serving.one("EndpointConfiguration").inputs["productionVariants"]
    assert variant["inferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"  # the default image has CUDA 13
    assert (variant["instanceType"], variant["initialInstanceCount"]) == ("ml.g6e.xlarge", 1)
    assert serving.one("aws:sagemaker/model:Model").inputs["primaryContainer"] == {"modelPackageName": MODEL}
    assert serving.one("Endpoint").inputs["tags"]["tandem:expires-hours"] == "8"
    lasting = record_stack(SERVING | {"tandem:endpointHours": "0"})
    assert "tandem:expires-hours" not in lasting.one("Endpoint").inputs["tags"]


@pytest.mark.parametrize(
    ("image", "ami"),
    [
        ("djl-inference:0.33.0-lmi15.0.0-cu124", "al2-ami-sagemaker-inference-gpu-3-1"),
        ("djl-inference:0.35.0-lmi20.0.0-cu129", "al2023-ami-sagemaker-inference-gpu-4-1"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine@sha256:00", "al2023-ami-sagemaker-inference-gpu-4-1"),
    ],
)
def test_the_host_is_the_oldest_with_the_images_cuda(image, ami):
    stack = record_stack(SERVING | {"tandem:servingImage": image})
    (variant,) = stack.one("EndpointConfiguration").inputs["productionVariants"]
    assert variant["inferenceAmiVersion"] == ami


@pytest.mark.parametrize("instances", [1, 2, 5])
def test_a_new_model_is_watched_and_rolled_back(instances):
    stack = record_stack(SERVING | {"tandem:endpointInstances": str(instances)})
    endpoint = stack.one("Endpoint").inputs
    policy = endpoint["deploymentConfig"]["blueGreenUpdatePolicy"]
    routing = policy["trafficRoutingConfiguration"]
    if instances == 1:
        assert routing["type"] == "ALL_AT_ONCE"
    else:
        assert routing["type"] == "CANARY"
        assert routing["canarySize"]["type"] == "INSTANCE_COUNT"
        assert routing["canarySize"]["value"] <= instances / 2  # SageMaker allows no more
    assert policy["terminationWaitInSeconds"] == routing["waitIntervalInSeconds"] == 300
    rollback = {each["alarmName"] for each in endpoint["deploymentConfig"]["autoRollbackConfiguration"]["alarms"]}
    watching = {alarm.name: alarm for alarm in stack.of("MetricAlarm") if alarm.inputs["namespace"] == "AWS/SageMaker"}
    late = watching.pop("tuning-endpoint-unanswered")
    assert late.inputs["period"] == 3600 and late.name not in str(rollback)
    assert len(watching) == len(rollback) == 2
    for alarm in watching.values():
        assert alarm.inputs["dimensions"] == {"EndpointName": endpoint["name"], "VariantName": "main"}
        assert alarm.inputs["period"] * alarm.inputs["evaluationPeriods"] <= 300  # else it comes too late
        assert alarm.inputs["alarmActions"] == [TOPIC]


def test_an_endpoint_pulls_the_image_that_its_model_names(serving):
    allowed = json.loads(serving.one("RolePolicy", "endpoint-permissions").inputs["policy"])["Statement"]
    (pulling,) = [each for each in allowed if "ecr:BatchGetImage" in each["Action"]]
    assert "arn:aws:ecr:us-east-1:763104351884:repository/djl-inference" in pulling["Resource"]
    register = serving.one("aws:lambda/function:Function", "register").inputs["environment"]["variables"]
    assert (
        register["TANDEM_SERVING_IMAGE"]
        == f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{FINETUNING.defaults['serving_image']}"
    )


@pytest.fixture(scope="module")
def sleeping():
    return record_stack(SERVING | {"tandem:endpointMode": "zero", "tandem:endpointInstances": "3"})


def test_an_endpoint_that_scales_to_zero_never_expires(sleeping):
    """Its instances end by themselves; the guard would take the endpoint away for having rested."""
    assert "tandem:expires-hours" not in json.dumps([each.inputs for each in sleeping.resources if each.custom])


def test_an_endpoint_that_scales_to_zero_has_no_instance_that_stays(sleeping):
    configuration = sleeping.one("EndpointConfiguration").inputs
    (variant,) = configuration["productionVariants"]
    assert configuration["executionRoleArn"] and "modelName" not in variant
    scaling = variant["managedInstanceScaling"]
    assert (scaling["status"], scaling["minInstanceCount"]) == ("ENABLED", 0)
    assert scaling["maxInstanceCount"] == 4  # three, and one for a new model that takes over
    assert "deploymentConfig" not in sleeping.one("Endpoint").inputs  # the component is rolled back instead
    target = sleeping.one("aws:appautoscaling/target:Target").inputs
    assert (target["minCapacity"], target["maxCapacity"]) == (0, 3)
    assert target["scalableDimension"] == "sagemaker:inference-component:DesiredCopyCount"


def test_the_model_is_a_component_whose_failed_requests_wake_it(sleeping):
    made = sleeping.one("aws:cloudcontrol/resource:Resource").inputs
    assert made["typeName"] == "AWS::SageMaker::InferenceComponent"
    state = json.loads(made["desiredState"])
    name = state["InferenceComponentName"]
    assert name == sleeping.outputs["inferenceComponent"]
    assert state["EndpointName"] == sleeping.outputs["endpointName"]
    assert state["VariantName"] == "main"
    # As strict as the service about what CloudFormation passes on.
    told = {key: value for key, value in state.items() if key not in ("DeploymentConfig", "RuntimeConfig")}
    check("CreateInferenceComponent", told | {"RuntimeConfig": state["RuntimeConfig"]})
    update = {"InferenceComponentName": name, "DeploymentConfig": state["DeploymentConfig"]}
    check("UpdateInferenceComponent", update)
    alarm = sleeping.one("MetricAlarm", "asleep").inputs
    assert alarm["metricName"] == "NoCapacityInvocationFailures"
    assert alarm["dimensions"] == {"InferenceComponentName": name}
    wake = sleeping.one("aws:appautoscaling/policy:Policy", "wake")
    assert wake.inputs["policyType"] == "StepScaling"
    assert wake.inputs["resourceId"] == f"inference-component/{name}"
    assert "-wake-" in alarm["alarmActions"][0]


def test_a_steady_endpoint_has_neither(serving):
    assert not serving.of("aws:cloudcontrol/resource:Resource") and not serving.of("aws:appautoscaling/target:Target")
    assert serving.outputs["inferenceComponent"] == ""


@pytest.mark.faults
def test_an_unknown_mode_is_refused():
    (mistake,) = mistakes({"endpoint_mode": "serverless"})
    assert mistake.where == "endpoint_mode" and "steady" in str(mistake) and "zero" in str(mistake)


@pytest.mark.faults
def test_text_generation_inference_is_refused_with_the_reason():
    (mistake,) = mistakes({"serving_image": "huggingface-pytorch-tgi-inference:2.7-tgi3.3-gpu-py311-cu124"})
    assert mistake.where == "serving_image"
    assert "archived in March 2026" in mistake.remedy and "vLLM" in mistake.remedy


@pytest.mark.faults
@pytest.mark.parametrize(
    ("given", "key", "part"),
    [
        ({"host_ami": "al2-ami-sagemaker-inference-gpu-3-1"}, "host_ami", "Use al2023-ami-sagemaker-inference-gpu-4-1"),
        ({"host_ami": "al2-ami"}, "host_ami", "or al2023-ami-sagemaker-inference-gpu-4-1"),
        ({"serving_image": "vllm:0.30-cu141"}, "serving_image", "CUDA 13 or older"),
    ],
)
def test_an_image_and_a_host_that_dont_fit_are_refused(given, key, part):
    (mistake,) = mistakes(given)
    assert mistake.where == key and part in str(mistake)


@pytest.mark.parametrize(("mode", "kind"), [("steady", "Endpoints"), ("zero", "InferenceComponents")])
def test_containers_may_write_their_log_which_is_the_stacks_and_ends(mode, kind):
    """A component logs elsewhere than an endpoint; without the right one, a model that fails says nothing."""
    stack = record_stack(SERVING | {"tandem:endpointMode": mode})
    log = stack.one("LogGroup", "endpoint-log")
    assert log.inputs["name"] == f"/aws/sagemaker/{kind}/{stack.outputs['endpointName']}"
    assert log.inputs["retentionInDays"] == 14
    policy = json.loads(stack.one("RolePolicy", "endpoint-permissions").inputs["policy"])
    (writing,) = [each for each in policy["Statement"] if "logs:PutLogEvents" in each["Action"]]
    assert set(writing["Action"]) == {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
    arn = writing["Resource"][0]
    assert writing["Resource"] == [arn, f"{arn}:*"] and "*" not in arn and arn.startswith("arn:aws:logs:")
