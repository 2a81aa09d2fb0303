"""What all components take alike: none where every argument has a default, and outputs that only pass through."""

import inspect
import json
import re
import typing

import pulumi
import pulumi_tandem
import pytest
from pulumi_tandem import FineTuningEnvironment, HybridEnvironment, RagEnvironment, arguments
from pulumi_tandem.components import COMPONENTS
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.kubernetes.cluster_fields import CLUSTER
from pulumi_tandem.kubernetes.gpu_cluster import GpuCluster

from scripts.components_page import components
from scripts.recorder import ACCOUNT, REGION, record

ENVIRONMENTS = [RagEnvironment, FineTuningEnvironment, HybridEnvironment, GpuCluster]
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:hub-AbCdEf"
POOL = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/pool"


def output(value):
    return pulumi.Output.from_input(value)


@pytest.mark.parametrize("component", ENVIRONMENTS)
def test_without_arguments_every_one_is_its_default(component):
    def named(recording):
        return sorted((each.type, each.name) for each in recording.resources)

    assert named(record(lambda: component("made"))) == named(record(lambda: component("made", {})))


def test_who_has_a_default_for_every_argument_needs_none():
    for name, component in components().items():
        args = inspect.signature(component).parameters.get("args")
        if args is not None and not args.annotation.__required_keys__:
            assert args.default == {}, name


@pytest.mark.parametrize("component", ENVIRONMENTS)
def test_the_value_of_a_tag_may_be_an_output(component):
    given = record(lambda: component("made", {"tags": {"team": output("field-service")}}))
    tagged = [each for each in given.resources if "tags" in each.inputs and each.custom]
    assert len(tagged) > 10
    assert {each.inputs["tags"].get("team") for each in tagged} == {"field-service"}


def test_a_model_that_scales_to_zero_is_tagged_by_outputs_too():
    model = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/tuned/1"
    given = {"model": model, "endpoint_mode": "zero"}
    program = lambda: FineTuningEnvironment("made", {**given, "tags": {"team": output("field-service")}})  # noqa: E731
    component = record(program).one("aws:cloudcontrol/resource:Resource")
    assert {"Key": "team", "Value": "field-service"} in json.loads(component.inputs["desiredState"])["Tags"]


def test_arns_and_ids_may_be_outputs():
    def program():
        RagEnvironment(
            "asked",
            {
                "auth": "jwt",
                "user_pool_arn": output(POOL),
                "user_pool_scopes": [output("handbook/ask"), "handbook/all"],
                "alarm_topic_arn": output(TOPIC),
            },
        )
        FineTuningEnvironment("tuned", {"hub_token_secret": output(SECRET), "alarm_topic_arn": output(TOPIC)})
        group = {
            "name": "l40s",
            "capacity": "capacity-block",
            "reservation": output("cr-0123456789abcdef0"),
            "zones": [f"{REGION}a"],
        }
        GpuCluster("gpu", {"node_groups": [group], "node_tags": {"team": output("field-service")}})

    recording = record(program)
    (method,) = recording.of("aws:apigateway/method:Method")
    assert method.inputs["authorizationScopes"] == ["handbook/ask", "handbook/all"]
    told = [each.inputs["environment"]["variables"] for each in recording.of("aws:lambda/function:Function")]
    assert SECRET in [each.get("TANDEM_HUB_TOKEN_ARN") for each in told]
    policies = [each.inputs["policy"] for each in recording.of("RolePolicy")]
    assert any(SECRET in policy for policy in policies)
    reserved = [each.inputs.get("capacityReservationSpecification") for each in recording.of("LaunchTemplate")]
    assert {"capacityReservationTarget": {"capacityReservationId": "cr-0123456789abcdef0"}} in reserved
    assert recording.one("EC2NodeClass").inputs["spec"]["tags"]["team"] == "field-service"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("component", "given", "where"),
    [  # made when the test is, since each program waits for all outputs that there are
        (RagEnvironment, lambda: {"generator": output("x")}, "generator"),
        (RagEnvironment, lambda: {"chunk_tokens": output(200)}, "chunk_tokens"),
        (RagEnvironment, lambda: {"retention": output("keep")}, "retention"),
        (RagEnvironment, lambda: {"tags": output({"team": "a"})}, "tags"),
        (RagEnvironment, lambda: {"query_usage": output({})}, "query_usage"),
        (FineTuningEnvironment, lambda: {"model": output("arn")}, "model"),
        (FineTuningEnvironment, lambda: {"alert_email": output("a@b.example")}, "alert_email"),
        (FineTuningEnvironment, lambda: {"training_backend": "eks", "cluster": output({})}, "cluster"),
        (HybridEnvironment, lambda: {"rag": output({})}, "rag"),
        (GpuCluster, lambda: {"node_pools": [{"labels": {"team": output("a")}}]}, "node_pools[0].labels.team"),
        (GpuCluster, lambda: {"node_groups": output([])}, "node_groups"),
        (GpuCluster, lambda: {"versions": output({})}, "versions"),
    ],
)
def test_an_output_that_decides_what_there_is_is_refused_by_name(component, given, where):
    with pytest.raises(InvalidArguments) as refused:
        record(lambda: component("made", given()))
    assert [each.where for each in refused.value.mistakes] == [where]
    assert "is an output" in str(refused.value)


@pytest.mark.faults
@pytest.mark.parametrize("component", ENVIRONMENTS)
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (lambda: None, "null is not a mapping of keys to values. Leave it out to have every default, or write keys"),
        (lambda: ["handbook"], '["handbook"] is not a mapping of keys to values.'),
        (lambda: output({}), "is an output: its keys aren't known before it is there. Write keys; values that only"),
    ],
)
def test_arguments_that_are_none_are_refused_as_such(component, args, said):
    with pytest.raises(InvalidArguments) as refused:
        record(lambda: component("made", args()))
    assert f"{component.__name__} 'made' has 1 mistake:\n  - args: {said}" in str(refused.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("component", "given", "said"),
    [
        (RagEnvironment, {"store_readers": "arn:aws:iam::123456789012:role/a"}, "is not a list. Write it in brackets"),
        (RagEnvironment, {"auth": "jwt", "user_pool_arn": POOL, "user_pool_scopes": "a/b"}, "Write it in brackets"),
        (HybridEnvironment, {"rag": []}, "rag: [] is not a mapping"),
        (FineTuningEnvironment, {"hub_token_secret": "hf_verysecret"}, "hub_token_secret: is not the whole ARN of a"),
        (RagEnvironment, {"embedder": object()}, "embedder: a value of type object is not allowed"),
    ],
)
def test_a_value_of_another_kind_is_told_what_to_write_and_shown_as_what_it_is(component, given, said):
    with pytest.raises(InvalidArguments) as refused:
        record(lambda: component("made", given))
    assert said in str(refused.value)
    assert "hf_" not in str(refused.value) and " at 0x" not in str(refused.value)


def test_every_type_of_arguments_and_what_is_raised_can_be_imported():
    types = {name for name, each in vars(arguments).items() if typing.is_typeddict(each)}
    assert len(types) > 10
    raised = set(re.findall(r"Raises `(\w+)`", "".join(component.__doc__ or "" for component in ENVIRONMENTS)))
    assert raised
    assert (types | raised) - {*pulumi_tandem.__all__} == set()
    assert [name for name in pulumi_tandem.__all__ if not hasattr(pulumi_tandem, name)] == []


TABLES = {each.name: each for root in (*COMPONENTS.values(), CLUSTER) for each in root.within()}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_named_by_its_arn_says_of_where_it_has_to_be(table):
    for name, field in table.fields.items():
        assert bool(field.arn) == (name.endswith("_arn") or "ARN of" in field.allowed), name


@pytest.mark.faults
def test_an_output_where_nothing_is_allowed_is_shown_as_one():
    with pytest.raises(InvalidArguments, match='user_pool_arn: "an output" is not allowed'):
        record(lambda: RagEnvironment("made", {"user_pool_arn": output(POOL)}))


def test_defaults_that_are_written_out_change_nothing():
    """As SDKs of other languages do: with an existing cluster they were refused as given beside it."""
    defaults = {"cidr": "10.60.0.0/16", "endpoint_public": True, "system_instance_type": "m7i.large", "zones": []}
    program = lambda more: record(lambda: GpuCluster("gpu", {"existing_cluster": "theirs", **more}))  # noqa: E731
    assert len(program(defaults).resources) == len(program({}).resources)
