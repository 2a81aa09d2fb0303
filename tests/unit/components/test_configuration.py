"""Stack configuration: which keys there are, what becomes of their text, and what is refused."""

import json
import re

import pytest
import yaml
from pulumi_tandem.configuration import ENVIRONMENTS, environment, keys
from pulumi_tandem.foundation.arguments import InvalidArguments
from tandem_contract.fields import camel

from scripts.recorder import ROOT, Refusal, record_stack

DECLARED = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
PARTS = {part: table.defaults for part, table in ENVIRONMENTS["hybrid"].items()}
KINDS = ["rag", "finetuning", "hybrid"]


def refused(configuration: dict[str, str]) -> InvalidArguments:
    with pytest.raises(InvalidArguments) as caught:
        environment(configuration)
    return caught.value


def as_text(value) -> str:
    """As Pulumi hands a default over."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("part", PARTS)
def test_a_default_as_text_is_the_default(part):
    kind = "hybrid" if part == "hybrid" else part
    for argument, default in PARTS[part].items():
        # A hybrid's own that its parts have too are theirs in a stack's file.
        text = (
            as_text(DECLARED[key]["default"]) if (key := camel(argument)) in keys(ENVIRONMENTS["hybrid"][part]) else ""
        )
        if text:
            given = environment({"environment": kind, camel(argument): text}).arguments[part]
            assert given == {argument: default}, argument
            assert type(given[argument]) is type(default), argument


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
    shared = {"retention": "erase"}
    assert environment(text).arguments == {
        "rag": {"dimensions": 256, **shared},
        "finetuning": {"attempts": 3, **shared},
        "hybrid": {"alarm_topic_arn": topic},
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
    assert (mistake.where, mistake.problem) == (key, f"is not a key of environment {kind}")
    assert mistake.remedy == f"Remove it, or set tandem:environment to {other}."


@pytest.mark.faults
@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("owner", "Known here: environment, trainingBackend, "),
        ("gpu", "Known here: environment, trainingBackend, "),
        ("endpoint_name", "Did you mean `endpoint"),
        ("trainingInstanse", "Did you mean `trainingInstance`?"),
    ],
)
def test_what_is_no_key_is_refused_with_the_near_one_or_the_keys_of_the_environment(key, remedy):
    (mistake,) = refused({"environment": "finetuning", key: "x"}).mistakes
    assert (mistake.where, mistake.problem) == (key, "is not a key")
    assert mistake.remedy.startswith(remedy) and "chunkTokens" not in mistake.remedy


@pytest.mark.faults
def test_a_region_that_is_none_is_a_mistake_beside_the_others():
    with pytest.raises(InvalidArguments) as caught:
        environment({"environment": "rag", "topK": "x"}, {"region": "eu-cenral-1"})
    assert [mistake.where for mistake in caught.value.mistakes] == ["aws:region", "topK"]
    assert "'eu-cenral-1' is no region that pulumi-aws knows. Did you mean `eu-central-1`?" in str(caught.value)
    new = {"region": "luna-1"}
    with pytest.raises(InvalidArguments, match="Upgrade pulumi-aws if it is a new one, or set aws:skipRegionValid"):
        environment({"environment": "rag"}, new)
    assert environment({"environment": "rag"}, {**new, "skipRegionValidation": "true"}).kind == "rag"
    with pytest.raises(InvalidArguments, match="'eu-cenral-1' is no region"):
        record_stack({"tandem:environment": "rag", "aws:region": "eu-cenral-1"})


@pytest.mark.faults
@pytest.mark.parametrize("configuration", [{}, {"environment": ""}, {"environment": "tuning"}])
def test_the_environment_has_to_be_one_that_there_is(configuration):
    (mistake,) = refused(configuration).mistakes
    assert mistake.where == "environment"
    assert "rag or finetuning or hybrid" in mistake.remedy


@pytest.mark.faults
def test_a_key_that_stands_twice_in_one_of_json_is_refused():
    """A parser keeps the last one, and says nothing."""
    text = '{"publicCidrs": [], "publicCidrs": ["203.0.113.0/24"], "versions": {"karpenter": "1", "karpenter": "2"}}'
    given = {"environment": "finetuning", "trainingBackend": "eks", "cluster": text, "tags": '{"a": "b", "a": "c"}'}
    found = [(each.where, each.problem) for each in refused(given).mistakes if "twice" in each.problem]
    assert found == [
        ("cluster", "has the key karpenter twice in one object"),
        ("cluster", "has the key publicCidrs twice in one object"),
        ("tags", "has the key a twice in one object"),
    ]


@pytest.mark.faults
def test_every_mistake_is_listed_once():
    wrong = {"dimensions": "7", "attempts": "many", "spot": "maybe", "retention": "delete", "gpu": "1", "model": "m"}
    wrong |= {"dashboard": "yes"}
    error = refused({"environment": "hybrid", **wrong})
    assert sorted(mistake.where for mistake in error.mistakes) == sorted(wrong)
    for part in ("'many'", "'maybe'", "keep or erase", "7 mistakes"):
        assert part in str(error)


def test_usage_assumptions_are_registered_where_a_preview_shows_them():
    stack = record_stack({"tandem:environment": "hybrid", "tandem:queryUsage": '{"answerTokens": 300}'})
    rag = stack.one("Parameter", "rag-usage").inputs
    assert re.fullmatch("/tandem/tandem/test/hybrid-rag-[0-9a-f]{8}/usage", rag["name"])
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
    keys = [mistake.where for mistake in error.mistakes]
    assert set(keys) == {"queryUsage.queries", "queryUsage.answerTokens", "queryUsage.querySeconds", "runUsage"}
    assert "runUsage: 'trainingHours: 3' is not a mapping" in str(error)
    assert 'For example {"datasetsGigabytes": 1}.' in str(error)


GONE = "reading S3 Bucket (acme-handbook): couldn't find resource"
NO_ZONES = {"aws:index/getAvailabilityZones:getAvailabilityZones": {"names": None, "zoneIds": None}}


def _gone(_given):
    raise Refusal(GONE)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("configuration", "answers", "told"),
    [
        (
            {"environment": kind, "existingDocumentsBucket": "acme-handbook"},
            {"aws:s3/getBucket:getBucket": _gone},
            "existingDocumentsBucket: 'acme-handbook' isn't there.",
        )
        for kind in ("rag", "hybrid")
    ]
    + [
        (
            {"environment": "finetuning", "existingDatasetBucket": "acme-handbook"},
            {"aws:s3/getBucket:getBucket": _gone},
            "existingDatasetBucket: 'acme-handbook' isn't there.",
        ),
        (
            {"environment": "finetuning", "trainingBackend": "eks"},
            NO_ZONES,
            "cluster.zones: is missing.",
        ),
    ],
    ids=["rag", "hybrid", "finetuning", "a cluster"],
)
def test_what_the_account_can_not_give_is_told_by_the_keys_of_the_file_too(configuration, answers, told):
    with pytest.raises(InvalidArguments) as caught:
        record_stack({f"tandem:{key}": value for key, value in configuration.items()}, answers=answers)
    assert str(caught.value).startswith("The stack's configuration (namespace tandem) has 1 mistake:\n  - " + told)
