"""Run envelopes: what is read, and what is refused with which remedy."""

import json

import pytest
from tandem_contract.envelope import DEFAULT, RunEnvelope
from tandem_contract.errors import Mistakes

CONTENT = {
    "instance_type": "ml.g6e.2xlarge",
    "instance_count": 1,
    "max_runtime_seconds": 14400,
    "attempts": 2,
    "spot": False,
    "volume_gb": 200,
    "checkpoint": True,
    "evaluation_instance_type": "ml.g6e.2xlarge",
    "evaluation_max_runtime_seconds": 3600,
}


def read(**changes) -> RunEnvelope:
    return RunEnvelope.from_json(json.dumps(CONTENT | changes))


def refused(text: str) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        RunEnvelope.from_json(text)
    lines = [str(mistake) for mistake in caught.value.mistakes]
    assert all(line in str(caught.value) for line in lines)
    return lines


def test_json_comes_back_as_it_was():
    envelope = read()
    assert envelope == DEFAULT
    assert (envelope.instance_type, envelope.max_runtime_seconds, envelope.spot) == ("ml.g6e.2xlarge", 14400, False)
    assert json.loads(envelope.to_json()) == CONTENT
    assert list(json.loads(envelope.to_json())) == list(CONTENT)


def test_whole_numbers_from_pulumi_are_whole():
    text = read(attempts=2.0, volume_gb=200.0).to_json()
    assert '"attempts": 2,' in text
    assert '"volume_gb": 200,' in text


def test_on_a_cluster_instances_have_the_names_of_ec2():
    assert read(instance_type="p4d.24xlarge").instance_type == "p4d.24xlarge"


@pytest.mark.faults
def test_every_mistake_is_listed_with_its_remedy():
    bad = {
        "instance_type": "g6e",
        "instance_count": 17,
        "max_runtime_seconds": 719,
        "attempts": 0,
        "spot": "no",
        "volume_gb": 20_000,
        "checkpoint": 1,
        "evaluation_instance_type": "ml.g6e",
        "evaluation_max_runtime_seconds": 432_001,
    }
    expected = [
        "instance_type: 'g6e' is not allowed (an instance type: SageMaker's with `ml.`, on a cluster EC2's without).",
        "instance_count: 17 is not allowed (a whole number of instances from 1 to 16). Take an instance",
        "max_runtime_seconds: 719 is not allowed (a whole number of seconds from 720 to 432000). Train in parts",
        "attempts: 0 is not allowed (a whole number of attempts from 1 to 5). Each may cost the whole training time",
        "spot: 'no' is not allowed (true or false). Write it without quotes.",
        "volume_gb: 20000 is not allowed (a whole number of GB from 30 to 16384). 200 has room",
        "checkpoint: 1 is not allowed (true or false)",
        "evaluation_instance_type: 'ml.g6e' is not allowed",
        "evaluation_max_runtime_seconds: 432001 is not allowed (a whole number of seconds from 720 to 432000). Ev",
    ]
    lines = refused(json.dumps(bad))
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start), line


@pytest.mark.faults
@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("instance_count", (1, 16), (0, 1.5, True, "1")),
        ("max_runtime_seconds", (720, 432_000), (432_001, -720)),
        ("attempts", (1, 5), (6,)),
        ("volume_gb", (30, 16_384), (29,)),
        ("evaluation_max_runtime_seconds", (720, 432_000), (0,)),
    ],
)
def test_limits(key, inside, outside):
    for value in inside:
        assert getattr(read(**{key: value}), key) == value
    for value in outside:
        (mistake,) = refused(json.dumps(CONTENT | {key: value}))
        assert mistake.startswith(f"{key}: ") and "is not allowed (a whole number of" in mistake


@pytest.mark.faults
def test_spot_without_checkpoints_is_refused():
    assert read(spot=True).spot
    assert refused(json.dumps(CONTENT | {"spot": True, "checkpoint": False})) == [
        "spot: true is not allowed (only with checkpoints). "
        "An interruption would lose all work: turn `checkpoint` on, or `spot` off."
    ]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("{", ["It is not JSON ("]),
        ("[1]", ["[1] is not a mapping"]),
        ("{}", [f"{key}: is missing. `pulumi up` writes it." for key in CONTENT]),
        (
            json.dumps(CONTENT | {"gpus": 1, "attempts": 9, "spot": None}),
            ["gpus: is not a key of it. Known here: instance_type, ", "attempts: 9 is not", "spot: is missing"],
        ),
    ],
)
def test_what_is_no_envelope(text, mistakes):
    lines = refused(text)
    assert len(lines) == len(mistakes)
    for line, start in zip(lines, mistakes, strict=True):
        assert line.startswith(start)
