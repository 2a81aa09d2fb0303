"""Short rows that share a sequence: fewer sequences, the same loss and gradients, and only where they don't mix."""

import json
import subprocess

import pytest

from .conftest import ENVIRONMENT, PYTHON, ROOT

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def found() -> dict:
    command = [PYTHON, "-m", "tests.training.rows_in_one_sequence"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_rows_fill_sequences_no_longer_than_the_longest(found):
    assert found["sequences"] == [[2], [5, 1], [0, 3], [4]]
    assert found["shape"] == [3, 17]
    assert found["tokens"] == 9 + 4 + 17 + 6 + 2


def test_packed_rows_give_the_loss_and_gradients_of_padded_ones(found):
    assert found["loss"] < 1e-6
    assert found["gradient"] < 1e-5


def test_a_model_is_asked_whether_rows_would_mix(found):
    assert found["allowed"] == {
        "Llama": True,
        "Mistral, a window of 4": True,
        "Mixtral": True,
        "GPT-2": True,
        "Mamba": False,
        "BLOOM in 16 bits": False,
        "Llama in 16 bits": True,
    }
    assert found["training"]
