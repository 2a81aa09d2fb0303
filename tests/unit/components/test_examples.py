"""The programs in examples/, under mocks."""

import runpy

import pytest

from scripts.recorder import ROOT, record
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.backends.base import OUTPUTS

EXAMPLES = sorted(file.parent.name for file in (ROOT / "examples").glob("*/__main__.py"))


def made(example: str):
    return record(lambda: runpy.run_path(str(ROOT / "examples" / example / "__main__.py")))


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_python_example_runs_and_exports_something(example):
    recording = made(example)
    assert recording.resources and all(recording.outputs.values())


def test_the_cluster_example_is_what_the_command_needs_to_start_runs():
    recording = made("python-eks")
    assert {*OUTPUTS, *BACKENDS["eks"].outputs, "trainingBackend"} <= recording.outputs.keys()
    (end,) = recording.of("Invocation")  # jobs are ended before what they need is deleted
    assert "training-access" in end.dependencies
    assert recording.one("NodePool").inputs["spec"]["limits"]["nvidia.com/gpu"] == "2"
