"""What the sizing says that one rank of several takes, against what torch's own tracker counts of FSDP2."""

import json
import subprocess

import pytest

from tandem.finetuning.backends.shapes import ModelShape
from tandem.finetuning.backends.sizing import estimate

from .conftest import ENVIRONMENT, PYTHON, ROOT

pytestmark = pytest.mark.local
WORLD = 8
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
# Method, vocabulary, rows, tokens, and by how much the sizing may differ. Four layers of an 8B model.
CASES = {
    "lora: the root's weights arrive": ("lora", 128_256, 1, 128, 0.01),
    "lora: layers are gathered": ("lora", 1024, 1, 128, 0.01),
    "lora: a layer computed again": ("lora", 128_256, 4, 4096, 0.08),
    "full: the root's gradients are added up": ("full", 128_256, 1, 128, 0.08),
    "full: layers are gathered": ("full", 1024, 1, 128, 0.08),
    "full: a layer computed again": ("full", 128_256, 4, 4096, 0.03),
}


@pytest.fixture(scope="module")
def peaks() -> dict[str, int]:
    """Bytes at the peak of each case, all by one process: torch's start is what takes time."""
    asked = json.dumps({"world": WORLD, "modules": ATTENTION, "cases": [case[:4] for case in CASES.values()]})
    command = [PYTHON, ROOT / "tests" / "training" / "peak_of_a_rank.py", asked]
    shown = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=300).stdout
    return dict(zip(CASES, json.loads(shown), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_ranks_peak_is_what_fsdp_makes_it(peaks, case):
    """Without the optimizer's states, which are divided and nothing else."""
    method, vocabulary, rows, tokens, most = CASES[case]
    shape = ModelShape.of(4, 4096, 14_336, 32, 8, vocabulary, 8192)
    found = estimate(shape, method, tokens, rows, world=WORLD, modules=ATTENTION)
    assert found.allocated - found.optimizer == pytest.approx(peaks[case] / 1e9, rel=most)
