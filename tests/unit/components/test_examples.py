"""The programs in examples/, under mocks."""

import runpy

import pytest

from scripts.recorder import ROOT, record
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.backends.base import OUTPUTS

CONFIG = {
    "python-own": {
        "tandem:documentsBucket": "acme-handbook",
        "tandem:collection": "acme-vectors",
        "tandem:key": "arn:aws:kms:us-east-1:123456789012:key/0b1c2d3e-0000-4000-8000-000000000001",
        "tandem:boundary": "arn:aws:iam::123456789012:policy/boundary",
        "tandem:readers": '["arn:aws:iam::123456789012:role/notebooks"]',
    }
}
EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/__main__.py"))


def made(example: str):
    program = ROOT / "examples" / example / "__main__.py"
    return record(lambda: runpy.run_path(str(program)), CONFIG.get(example))


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_python_example_runs_and_exports_something(example):
    recording = made(example)
    assert recording.resources and all(recording.outputs.values())


def test_what_the_example_brings_is_not_made():
    recording = made("python-own")
    assert recording.outputs["documentsBucket"] == "acme-handbook"
    assert not [
        each.name for each in recording.resources if ("bucket" in each.type or "collection" in each.type.lower())
    ]


def test_the_cluster_example_is_what_the_command_needs_to_start_runs():
    recording = made("python-eks")
    assert {*OUTPUTS, *BACKENDS["eks"].outputs, "trainingBackend"} <= recording.outputs.keys()
    (end,) = recording.of("Invocation")  # jobs are ended before what they need is deleted
    assert "training-access" in end.dependencies
    assert recording.one("NodePool").inputs["spec"]["limits"]["nvidia.com/gpu"] == "2"
