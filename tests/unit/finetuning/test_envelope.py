"""Run envelopes: what is read, and what is refused with which remedy."""

import json
from dataclasses import replace

import pytest
from tandem_contract.envelope import EnvelopeError, RunEnvelope

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


def test_json_comes_back_as_it_was():
    envelope = RunEnvelope.from_json(json.dumps(CONTENT))
    assert (envelope.instance_type, envelope.max_runtime_seconds, envelope.spot) == ("ml.g6e.2xlarge", 14400, False)
    assert envelope.mistakes() == []
    assert json.loads(envelope.to_json()) == CONTENT
    assert list(json.loads(envelope.to_json())) == list(CONTENT)


def test_whole_numbers_from_pulumi_are_whole():
    text = RunEnvelope.from_json(json.dumps(CONTENT | {"attempts": 2.0, "volume_gb": 200.0})).to_json()
    assert '"attempts": 2,' in text
    assert '"volume_gb": 200,' in text


@pytest.mark.faults
def test_every_mistake_is_listed_with_its_remedy():
    bad = {
        "instance_type": "g6e.2xlarge",
        "instance_count": 17,
        "max_runtime_seconds": 599,
        "attempts": 0,
        "spot": "no",
        "volume_gb": 20_000,
        "checkpoint": 1,
        "evaluation_instance_type": "ml.g6e",
        "evaluation_max_runtime_seconds": 432_001,
    }
    expected = [
        "instance_type: 'g6e.2xlarge' is not allowed (a SageMaker instance type). Write it as `ml.g6e.2xlarge`.",
        "instance_count: 17 is not allowed (a whole number of instances from 1 to 16). Take an instance",
        "max_runtime_seconds: 599 is not allowed (a whole number of seconds from 600 to 432000). Train in parts",
        "attempts: 0 is not allowed (a whole number of attempts from 1 to 5). Find out why",
        "spot: 'no' is not allowed (true or false). Write it without quotes.",
        "volume_gb: 20000 is not allowed (a whole number of GB from 1 to 16384). Leave room",
        "checkpoint: 1 is not allowed (true or false)",
        "evaluation_instance_type: 'ml.g6e' is not allowed",
        "evaluation_max_runtime_seconds: 432001 is not allowed (a whole number of seconds from 600 to 432000). Ev",
    ]
    with pytest.raises(EnvelopeError) as caught:
        RunEnvelope.from_json(json.dumps(bad))
    assert len(caught.value.mistakes) == len(expected)
    for line, start in zip(caught.value.mistakes, expected, strict=True):
        assert line.startswith(start), line
        assert line in str(caught.value)
    assert RunEnvelope(**bad).mistakes() == caught.value.mistakes


@pytest.mark.faults
@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("instance_count", (1, 16), (0, 1.5, True, "1", None)),
        ("max_runtime_seconds", (600, 432_000), (432_001, -600)),
        ("attempts", (1, 5), (6,)),
        ("volume_gb", (1, 16_384), (0,)),
        ("evaluation_max_runtime_seconds", (600, 432_000), (0,)),
    ],
)
def test_limits(key, inside, outside):
    envelope = RunEnvelope.from_json(json.dumps(CONTENT))
    for value in inside:
        assert replace(envelope, **{key: value}).mistakes() == []
    for value in outside:
        (mistake,) = replace(envelope, **{key: value}).mistakes()
        assert mistake.startswith(f"{key}: {value!r} is not allowed (a whole number of")


@pytest.mark.faults
def test_spot_without_checkpoints_is_refused():
    envelope = RunEnvelope.from_json(json.dumps(CONTENT | {"spot": True}))
    (mistake,) = replace(envelope, checkpoint=False).mistakes()
    assert mistake == (
        "spot: True is not allowed (only with checkpoints). "
        "An interruption would lose all work: turn `checkpoint` on, or `spot` off."
    )


@pytest.mark.faults
@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("{", ["not JSON ("]),
        ("[1]", ["not a JSON object"]),
        (
            json.dumps({key: value for key, value in CONTENT.items() if key != "spot"} | {"gpus": 1, "attempts": 9}),
            ["'spot' is missing", "unknown key 'gpus'; known: instance_type, ", "attempts: 9 is not allowed"],
        ),
    ],
)
def test_what_is_no_envelope(text, mistakes):
    with pytest.raises(EnvelopeError) as caught:
        RunEnvelope.from_json(text)
    assert len(caught.value.mistakes) == len(mistakes)
    for line, start in zip(caught.value.mistakes, mistakes, strict=True):
        assert line.startswith(start)
