"""What `HybridEnvironment` registers: both parts, joined, and nothing twice."""

import json

import parliament
import pytest
from pulumi_tandem import HybridEnvironment
from pulumi_tandem.foundation.arguments import InvalidArguments

from scripts.recorder import record, record_stack

CONFIG = {"tandem:environment": "hybrid", "tandem:retention": "erase"}
MODEL = "arn:aws:sagemaker:us-east-1:123456789012:model-package/models/3"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"
SERVING = CONFIG | {"tandem:model": MODEL, "tandem:alarmTopicArn": TOPIC, "tandem:alertEmail": "ops@example.com"}


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
    contract = "queryUrl documentsBucket storeEndpoint datasetBucket artifactBucket trainingPipelineArn"
    assert {*contract.split(), "modelPackageGroup", "endpointName"} <= set(stack.outputs)
    assert stack.outputs["queryUrl"].endswith("/v1/query")


def test_it_is_its_parts_and_no_resource_more(stack):
    rag, tuning = (record_stack(CONFIG | {"tandem:environment": kind}) for kind in ("rag", "finetuning"))
    assert len(stack.resources) == len(rag.resources) + len(tuning.resources) + 1
    for kind in ("Budget", "tandem:index:CostGuard", "ServerlessCollection", "StateMachine", "Repository"):
        assert len(stack.of(kind)) == 1, kind
    names = [(r.type, r.name) for r in stack.resources]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("config", [CONFIG, SERVING], ids=["without a model", "with a model"])
def test_one_guard_one_budget_and_no_network_or_key_of_its_own(config):
    stack = record_stack(config | {"tandem:dashboard": "true"})
    assert [len(stack.of(kind)) for kind in ("Budget", "tandem:index:CostGuard", "Dashboard")] == [1, 1, 1]
    made = {each.type for each in stack.resources}
    assert not [type_ for type_ in made if type_.startswith(("aws:ec2/", "aws:vpc/", "aws:kms/"))]


def test_the_alarms_of_both_parts_approvals_and_the_budget_notify_one_topic(serving):
    alarms = {each.name: each.inputs for each in serving.of("MetricAlarm")}
    assert {name.split("-")[1] for name in alarms} == {"rag", "tuning"}
    assert [name for name, inputs in alarms.items() if inputs["alarmActions"] != [TOPIC]] == []
    told = serving.one("Budget").inputs["notifications"]
    assert [each["subscriberSnsTopicArns"] for each in told] == [[TOPIC], [TOPIC]]
    assert serving.one("EventTarget", "models").inputs["arn"] == TOPIC


def test_a_program_gives_the_topic_and_tags_once():
    args = {"alarm_topic_arn": TOPIC, "tags": {"team": "huts"}, "rag": {"tags": {"team": "search"}}}
    made = record(lambda: HybridEnvironment("assistant", args))
    assert {tuple(each.inputs["alarmActions"]) for each in made.of("MetricAlarm")} == {(TOPIC,)}
    queue, machine = made.of("Queue")[0].inputs["tags"], made.one("StateMachine").inputs["tags"]
    assert (queue["team"], machine["team"]) == ("search", "huts")
    assert queue["tandem:environment"] == machine["tandem:environment"] == "assistant"


def test_where_a_model_is_served_an_alarm_tells_that_it_does_not_speak(stack, serving):
    silent = serving.one("MetricAlarm", "fallback").inputs
    watched = (silent["namespace"], silent["metricName"], silent["dimensions"], silent["statistic"])
    assert watched == ("Tandem", "Fallback", {"Endpoint": serving.outputs["endpointName"]}, "Average")
    assert silent["period"] * silent["evaluationPeriods"] == 1800
    assert not [each.name for each in stack.of("MetricAlarm") if "fallback" in each.name]


def shown(stack) -> dict[str, list]:
    """The dashboard's graphs: title -> metrics, each as namespace, name, dimensions."""
    body = json.loads(stack.one("Dashboard").inputs["dashboardBody"])
    places = [(each["x"], each["y"]) for each in body["widgets"]]
    assert (
        len(set(places)) == len(places)
        and max(x + each["width"] for (x, _), each in zip(places, body["widgets"], strict=True)) <= 24
    )
    assert {each["properties"]["region"] for each in body["widgets"]} == {"us-east-1"}
    graphs = {each["properties"]["title"]: each["properties"]["metrics"] for each in body["widgets"]}
    assert sum(len(lines) for lines in graphs.values()) <= 50  # of larger ones no three are free
    return graphs


def test_the_dashboard_shows_what_there_is(serving):
    stack = record_stack(SERVING | {"tandem:dashboard": "true"})
    graphs = shown(stack)
    assert set(graphs) == {
        "Questions",
        "Latency, ms",
        "Answers, by who wrote them",
        "Endpoint",
        "GPUs, % of one",
        "Instances of the endpoint",
        "Documents",
        "Training runs",
        "Cost guard",
    }
    values = {text for lines in graphs.values() for line in lines for text in line if isinstance(text, str)}
    names = {
        stack.outputs["endpointName"],
        stack.outputs["documentsBucket"],
        stack.outputs["trainingPipelineArn"],
        stack.outputs["deadLetterQueueUrl"].rsplit("/", 1)[-1],
        stack.one("MetricAlarm", "rag-query-errors").inputs["dimensions"]["ApiName"],
    }
    assert names <= values
    # What an alarm watches is what the dashboard shows.
    watched = {(each.inputs["namespace"], each.inputs["metricName"]) for each in stack.of("MetricAlarm")}
    lines = {tuple(line[:2]) for each in graphs.values() for line in each if isinstance(line[0], str)}
    assert watched - lines == {("AWS/SQS", "ApproximateAgeOfOldestMessage")}
    assert len(stack.resources) == len(serving.resources) + 1


def test_the_dashboard_of_a_hybrid_without_a_model_has_no_empty_graphs():
    graphs = shown(record_stack(CONFIG | {"tandem:dashboard": "true"}))
    assert set(graphs) == {"Questions", "Latency, ms", "Documents", "Training runs", "Cost guard"}


def test_nothing_that_bills_idle_is_on_by_default(stack):
    assert not stack.of("Dashboard")


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
    wrong |= {"dashboard": "true", "generator": "amazon.nova-lite-v1:0"}
    with pytest.raises(InvalidArguments) as caught:
        record(lambda: HybridEnvironment("hybrid", wrong))
    keys = sorted(mistake.where for mistake in caught.value.mistakes)
    parts = ["finetuning.attempts", "finetuning.dimensions", "rag.dimensions", "rag.model"]
    assert keys == ["dashboard", *parts[:2], "generator", *parts[2:]]


def test_a_model_that_scales_to_zero_is_asked_by_its_component(serving):
    sleeping = record_stack(SERVING | {"tandem:endpointMode": "zero"})
    component = sleeping.outputs["inferenceComponent"]
    assert query(sleeping)["TANDEM_INFERENCE_COMPONENT"] == component
    assert f"inference-component/{component}" in sleeping.one("RolePolicy", "query-permissions").inputs["policy"]
    assert "TANDEM_INFERENCE_COMPONENT" not in query(serving)
