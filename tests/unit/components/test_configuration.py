"""Stack configuration: which keys there are, what becomes of their text, and what is refused."""

import json

import pytest
import yaml
from pulumi_tandem import FineTuningEnvironmentArgs, RagEnvironmentArgs
from pulumi_tandem.configuration import environment
from pulumi_tandem.environments import finetuning_environment, hybrid_environment, rag_environment
from pulumi_tandem.foundation.mistakes import InvalidArguments

from tests.support.recorder import ROOT, record_stack

DECLARED = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
PARTS = {
    "rag": rag_environment.DEFAULTS,
    "finetuning": finetuning_environment.DEFAULTS,
    "hybrid": hybrid_environment.DEFAULTS,
}
KINDS = ["rag", "finetuning", "hybrid"]


def camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def keys_of(part: str) -> dict[str, str]:
    """Key -> argument, of all arguments that a stack's configuration can give."""
    given_by_programs = ("tags", "endpoint_name", "inference_component")
    return {camel(name): name for name in PARTS[part] if name not in given_by_programs}


def refused(configuration: dict[str, str]) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        environment(configuration)
    return caught.value


def as_text(value) -> str:
    """As Pulumi hands a default over."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("part", "arguments"), [("rag", RagEnvironmentArgs), ("finetuning", FineTuningEnvironmentArgs)]
)
def test_every_argument_has_a_default(part, arguments):
    assert set(PARTS[part]) == set(arguments.__annotations__)


def test_every_key_is_declared_and_no_other():
    assert set(DECLARED) == {"environment", *(key for part in PARTS for key in keys_of(part))}
    assert all(key["description"].endswith(".") for key in DECLARED.values())


@pytest.mark.parametrize("part", PARTS)
def test_declared_defaults_are_the_arguments(part):
    for key, argument in keys_of(part).items():
        text = as_text(DECLARED[key]["default"])
        default = PARTS[part][argument]
        if text == "":
            assert default in ("", None), key
        else:
            given = environment({"environment": part, key: text}).arguments[part]
            assert given == {argument: default}, key
            assert type(given[argument]) is type(default), key


@pytest.mark.parametrize("kind", KINDS)
def test_all_declared_defaults_together_are_accepted_by_every_environment(kind):
    """Pulumi gives every stack the defaults of every key, those of other environments too."""
    defaults = {key: as_text(entry["default"]) for key, entry in DECLARED.items() if "default" in entry}
    found = environment({**defaults, "environment": kind})
    for part, given in found.arguments.items():
        assert given == {name: value for name, value in PARTS[part].items() if name in given}


@pytest.mark.parametrize("file", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_stack_files_are_short_and_valid(file):
    config = yaml.safe_load(file.read_text())["config"]
    assert len(config) <= 10
    own = {key.removeprefix("tandem:"): as_text(value) for key, value in config.items() if key.startswith("tandem:")}
    assert environment(own).kind in KINDS


def test_text_becomes_what_the_argument_is():
    text = {"environment": "finetuning", "spot": "true", "attempts": "3", "maxTrainingHours": "6", "model": ""}
    assert environment(text).arguments == {"finetuning": {"spot": True, "attempts": 3, "max_training_hours": 6.0}}


def test_hybrid_gives_each_part_its_keys_and_both_what_they_share():
    topic = "arn:aws:sns:us-east-1:123456789012:alarms"
    text = {"environment": "hybrid", "dimensions": "256", "attempts": "3", "retention": "erase", "alarmTopicArn": topic}
    shared = {"retention": "erase", "alarm_topic_arn": topic}
    assert environment(text).arguments == {
        "rag": {"dimensions": 256, **shared},
        "finetuning": {"attempts": 3, **shared},
        "hybrid": {},
    }


@pytest.mark.faults
@pytest.mark.parametrize(
    ("kind", "key", "value", "other"),
    [
        ("rag", "attempts", "3", "finetuning or hybrid"),
        ("rag", "spot", "true", "finetuning or hybrid"),
        ("finetuning", "dimensions", "256", "rag or hybrid"),
        ("rag", "dashboard", "true", "hybrid"),
    ],
)
def test_keys_of_another_environment_are_refused(kind, key, value, other):
    (mistake,) = refused({"environment": kind, key: value}).mistakes
    assert (mistake.key, mistake.value, mistake.allowed) == (key, value, f"not a key of environment {kind}")
    assert mistake.remedy == f"Remove it, or set tandem:environment to {other}."


@pytest.mark.faults
@pytest.mark.parametrize("key", ["tags", "endpointName", "endpoint_name", "trainingInstanse"])
def test_what_is_no_key_is_refused_with_the_keys_of_the_environment(key):
    (mistake,) = refused({"environment": "finetuning", key: "x"}).mistakes
    assert (mistake.key, mistake.allowed) == (key, "not a key")
    assert "trainingInstance, " in mistake.remedy and "chunkTokens" not in mistake.remedy


@pytest.mark.faults
@pytest.mark.parametrize("configuration", [{}, {"environment": ""}, {"environment": "tuning"}])
def test_the_environment_has_to_be_one_that_there_is(configuration):
    (mistake,) = refused(configuration).mistakes
    assert mistake.key == "environment"
    assert "rag or finetuning or hybrid" in mistake.remedy


@pytest.mark.faults
def test_every_mistake_is_listed_once():
    wrong = {"dimensions": "7", "attempts": "many", "spot": "maybe", "retention": "delete", "gpu": "1", "model": "m"}
    wrong |= {"dashboard": "yes"}
    error = refused({"environment": "hybrid", **wrong})
    assert sorted(mistake.key for mistake in error.mistakes) == sorted(wrong)
    for part in ("'many'", "'maybe'", "keep or erase", "7 invalid argument(s)"):
        assert part in str(error)


def test_usage_assumptions_are_registered_where_a_preview_shows_them():
    stack = record_stack({"tandem:environment": "hybrid", "tandem:queryUsage": '{"answerTokens": 300}'})
    rag = stack.one("Parameter", "rag-usage").inputs
    assert rag["name"] == "/tandem/tandem/test/hybrid-rag/usage"
    usage = json.loads(rag["insecureValue"])
    assert (usage["kind"], usage["assumed"]["answer_tokens"], usage["assumed"]["question_tokens"]) == ("rag", 300, 30)
    assert usage["generator"] == "amazon.nova-lite-v1:0"
    tuning = json.loads(stack.one("Parameter", "tuning-usage").inputs["insecureValue"])
    envelope = json.loads(stack.one("Parameter", "envelope").inputs["insecureValue"])
    assert (tuning["kind"], tuning["envelope"]) == ("finetuning", envelope)


@pytest.mark.faults
def test_bad_usage_assumptions_are_refused_all_at_once():
    error = refused(
        {
            "environment": "hybrid",
            "queryUsage": '{"answerTokens": "many", "queries": 3, "querySeconds": -1}',
            "runUsage": "trainingHours: 3",
        }
    )
    keys = [mistake.key for mistake in error.mistakes]
    assert set(keys) == {"queryUsage.queries", "queryUsage.answerTokens", "queryUsage.querySeconds", "runUsage"}
    assert "a JSON object of numbers" in str(error)
