"""Several ranks: the same training as one, sharded, resumed by any number of them, and ended with one reason."""

import json
import subprocess

import pytest

from .conftest import ENVIRONMENT, PYTHON, ROOT

pytestmark = pytest.mark.local

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}  # each rank would draw its own
CONFIGURATIONS = {
    "lora": {"lora": LORA, "gradient_accumulation": 1},
    "lora-accumulated": {"lora": LORA, "gradient_accumulation": 2},
    "full": {"method": "full", "lora": None, "learning_rate": 0.003, "gradient_accumulation": 1},
    "full-accumulated": {"method": "full", "lora": None, "learning_rate": 0.003, "gradient_accumulation": 2},
}


def launched(ranks: int, jobs, *options: str) -> subprocess.CompletedProcess:
    """All jobs in one launch, since torch's start costs more than they do."""
    command = [
        PYTHON,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={ranks}",
        "-m",
        "tests.training.configurations",
    ]
    folders = [str(job.root) for job in jobs]
    return subprocess.run(
        [*command, *options, *folders], env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def runs(make_job):
    """Each configuration trained by one rank and by two."""
    made = {ranks: [make_job(**keys) for keys in CONFIGURATIONS.values()] for ranks in (1, 2)}
    for ranks, jobs in made.items():
        done = launched(ranks, jobs)
        assert done.returncode == 0, done.stdout + done.stderr
    return {name: (made[1][at], made[2][at]) for at, name in enumerate(CONFIGURATIONS)}


def held(job) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(job.root.glob("held-*.json"))]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_two_ranks_train_as_one_and_hold_half_each(runs, name):
    one, two = runs[name]
    assert len(one.metrics) == len(two.metrics) == 12
    for alone, shared in zip(one.metrics, two.metrics, strict=True):
        assert abs(alone["loss"] - shared["loss"]) < 1e-5
        assert abs(alone["gradient_norm"] - shared["gradient_norm"]) < 1e-5
        assert alone["tokens"] == shared["tokens"]
    ((whole,), parts) = held(one), held(two)
    assert len(parts) == 2
    assert all(part["parts"] and part["bytes"] < 0.6 * whole["bytes"] for part in parts)


def test_the_record_differs_in_how_it_was_trained_alone(runs):
    one, two = (job.about for job in runs["lora-accumulated"])
    assert {key for key in one if one[key] != two[key]} == {"world_size", "gradient_accumulation", "sharding"}
    assert (two["world_size"], two["sharding"], two["hosts"]) == (2, "fsdp2", ["host-0"])


@pytest.mark.faults
def test_a_run_that_is_not_sharded_is_an_error(make_job):
    job = make_job(**CONFIGURATIONS["lora"])
    done = launched(2, [job], "--not-sharded")
    assert done.returncode == 1
    assert "Nothing is sharded" in done.stderr
    assert job.metrics == []
