"""Several ranks: the same training as one, sharded, resumed by any number of them, and ended with one reason."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from .conftest import ENVIRONMENT, PYTHON, ROOT, Job, rows

pytestmark = pytest.mark.local

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}  # each rank would draw its own
CONFIGURATIONS = {
    "lora": {"lora": LORA, "gradient_accumulation": 1},
    "lora-accumulated": {"lora": LORA, "gradient_accumulation": 2},
    "full": {"method": "full", "lora": None, "learning_rate": 0.003, "gradient_accumulation": 1},
    "full-accumulated": {"method": "full", "lora": None, "learning_rate": 0.003, "gradient_accumulation": 2},
}


LOGS = ("rank-0", "rank-1", "host-0")


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
        [*command, *options, *folders],
        check=False,
        env=ENVIRONMENT,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def runs(make_job):
    """Each configuration trained by one rank and by two."""
    made = {ranks: [make_job(**keys) for keys in CONFIGURATIONS.values()] for ranks in (1, 2)}
    for ranks, jobs in made.items():
        done = launched(ranks, jobs)
        assert done.returncode == 0, done.stdout + done.stderr
    return {name: (made[1][at], made[2][at]) for at, name in enumerate(CONFIGURATIONS)}


def of_ranks(job, count: int):
    """The job with so many ranks on its host."""
    job.environment["PET_NPROC_PER_NODE"] = str(count)
    return job


def on_hosts(*jobs):
    """The jobs as hosts of one, on this machine."""
    names = [f"algo-{number}" for number, _ in enumerate(jobs, start=1)]
    port = free_ports()
    for name, job in zip(names, jobs, strict=True):
        folder = job.root / "input" / "config"
        folder.mkdir(exist_ok=True)
        said = {"current_host": name, "hosts": names, "network_interface_name": "lo"}
        (folder / "resourceconfig.json").write_text(json.dumps(said))
        job.environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TANDEM_MEET_SECONDS": "30"}
    return jobs


def free_ports() -> int:
    """The first of two free ports, below those that the system gives away, and not those of a test beside this."""
    for port in range(20_000 + os.getpid() % 1000 * 8, 30_000, 2):
        with contextlib.suppress(OSError), socket.create_server(("", port)), socket.create_server(("", port + 1)):
            return port
    raise AssertionError("no port is free")


def ranks_of(process) -> list[int]:
    """The ids of its ranks, by their number."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, StopIteration):
            if f"PPid:\t{process.pid}\n" in (folder / "status").read_text():
                variables = (folder / "environ").read_bytes().decode().split("\0")
                found[next(each for each in variables if each.startswith("RANK="))] = int(folder.name)
    return [found[name] for name in sorted(found)]


def wait_for(process, happened: Callable[[], object]) -> None:
    """Until it has, while the process runs."""
    while not happened():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


def until_gone(pids: list[int]) -> bool:
    """Whether they end within half a minute."""
    end = time.monotonic() + 30
    while (there := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < end:
        time.sleep(0.05)
    return not there


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
    assert two.pop("validation_loss") == pytest.approx(one.pop("validation_loss"), rel=1e-6)
    assert {key for key in one if one[key] != two[key]} == {"world_size", "gradient_accumulation", "sharding"}
    assert (two["world_size"], two["sharding"], two["hosts"]) == (2, "fsdp2", ["host-0"])


@pytest.mark.faults
def test_a_run_that_is_not_sharded_is_an_error(make_job):
    job = make_job(**CONFIGURATIONS["lora"])
    done = launched(2, [job], "--not-sharded")
    assert done.returncode == 1
    assert "Nothing is sharded" in done.stderr
    assert job.metrics == []


TOKENS: dict[str, int] = {}  # as the first number of ranks counted them
STEPS = {"lora": LORA, "batch_size": 6, "gradient_accumulation": 1, "max_steps": 30, "checkpoint_steps": 1000}


@pytest.fixture(scope="module")
def interrupted(make_job):
    """Two ranks that were told to end, with their logs kept as on a cluster; an epoch's last step has a row for one."""
    job = of_ranks(make_job({"train": rows(0, 59)}, **STEPS), 2)
    job.environment["TANDEM_LOGS"] = str(job.root / "output" / "logs")
    code, output = job.run_until(lambda job: len(job.metrics) >= 3, signal.SIGTERM)
    assert code == 143, output
    return job


@pytest.mark.faults
def test_ranks_that_are_told_to_end_save_the_same_step(interrupted):
    (folder,) = (interrupted.root / "checkpoints").glob("checkpoint-*")
    step = int(folder.name.removeprefix("checkpoint-"))
    assert f"Interrupted after step {step} of 30" in interrupted.failure
    mark = json.loads((folder / "complete.json").read_text())
    assert (mark["hosts"], mark["world_size"]) == (["host-0"], 2)
    files = json.loads((folder / "host-host-0.json").read_text())["files"]
    assert {"__0_0.distcp", "__1_0.distcp", ".metadata", "trainer_state.json", "scheduler.pt"} <= files.keys()


@pytest.mark.faults
def test_what_each_rank_and_its_host_say_is_kept_to_the_end(interrupted):
    first, second, host = ((interrupted.root / "output/logs" / f"{name}.log").read_text() for name in LOGS)
    assert "Step 3 of 30: loss" in first and "Step 3 of 30: loss" not in second
    assert first.splitlines()[-1] in host and host.splitlines()[-1].startswith("Interrupted after step")


@pytest.mark.faults
@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_ranks_goes_on_from_a_checkpoint_of_two(interrupted, make_job, count):
    job = of_ranks(make_job({"train": rows(0, 59)}, **STEPS), count)
    shutil.copytree(interrupted.root / "checkpoints", job.root / "checkpoints")
    assert "Going on from checkpoint-" in job.run()
    assert [line["step"] for line in job.metrics] == list(range(1, 31))
    assert (job.about["steps"], job.about["world_size"]) == (30, count)
    assert job.about["tokens"] == job.metrics[-1]["tokens"]
    assert TOKENS.setdefault("of 30 steps", job.about["tokens"]) == job.about["tokens"]


@pytest.mark.faults
def test_a_killed_rank_is_the_reason_and_none_is_left(make_job):
    job = of_ranks(make_job(**STEPS | {"max_steps": 2000, "checkpoint_steps": 5}), 2)
    with job.started() as process:
        wait_for(process, lambda: len(job.metrics) >= 7)
        both = ranks_of(process)
        os.kill(both[1], signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Rank 1 was killed by SIGKILL" in job.failure
    assert until_gone(both)
    assert (job.root / "checkpoints" / "checkpoint-5" / "complete.json").is_file()


@pytest.mark.faults
def test_ranks_end_with_a_launcher_that_is_killed(make_job):
    job = of_ranks(make_job(**STEPS | {"max_steps": 2000}), 2)
    with job.started() as process:
        wait_for(process, lambda: len(job.metrics) >= 2)
        both = ranks_of(process)
        process.kill()
        process.wait()
        assert until_gone(both)


def test_two_hosts_train_one_model_which_the_first_writes(make_job):
    first, second = on_hosts(*(make_job(**STEPS | {"checkpoint_steps": 20}) for _ in range(2)))
    with first.started() as one, second.started() as two:
        outputs = [process.communicate(timeout=120)[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), outputs
    about = first.about
    assert (about["hosts"], about["world_size"], about["steps"]) == (["algo-1", "algo-2"], 2, 30)
    assert not list((second.root / "model").iterdir())
    assert second.metrics == []
    of_first, of_second = (
        {path.name for path in (job.root / "checkpoints" / "checkpoint-20").iterdir()} for job in (first, second)
    )
    assert {"complete.json", "host-algo-1.json", "__0_0.distcp"} <= of_first
    assert {"host-algo-2.json", "__1_0.distcp"} <= of_second
    assert "complete.json" not in of_second


@pytest.mark.faults
def test_hosts_with_different_rows_refuse_with_one_reason(make_job):
    first, second = on_hosts(make_job(**STEPS), make_job({"train": rows(0, 40)}, **STEPS))
    with first.started() as one, second.started() as two:
        outputs = [process.communicate(timeout=120)[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (2, 2), outputs
    assert first.failure == second.failure
    assert "Rank 1 has another data set" in first.failure


@pytest.mark.faults
def test_a_host_that_refuses_ends_the_others_with_its_reason(make_job):
    first, second = on_hosts(*(make_job(**STEPS) for _ in range(2)))
    (second.root / "input" / "data" / "recipe" / "recipe.json").write_text("{")
    begun = time.monotonic()
    with first.started() as one, second.started() as two:
        outputs = [process.communicate(timeout=120)[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (2, 2), outputs
    assert first.failure == second.failure
    assert "The recipe recipe.json can't be used" in first.failure
    assert time.monotonic() - begun < 60


@pytest.mark.faults
@pytest.mark.parametrize("gone", [0, 1])
def test_a_host_that_is_gone_ends_the_others_and_is_named(make_job, gone):
    """That of the hosts' store too."""
    jobs = on_hosts(*(make_job(**STEPS | {"max_steps": 2000}) for _ in range(2)))
    with jobs[0].started() as one, jobs[1].started() as two:
        wait_for(one, lambda: len(jobs[0].metrics) >= 2)
        (one, two)[gone].kill()
        left = (two, one)[gone]
        left.communicate(timeout=60)
    assert left.returncode == 1
    assert f"algo-{gone + 1} ended without a word. On algo-{2 - gone}: " in jobs[1 - gone].failure


SLOW = """
import time
from transformers import AutoModelForCausalLM
read = AutoModelForCausalLM.from_pretrained
def slow(*arguments, **options):
    for _ in range(200):
        time.sleep(0.1)
    return read(*arguments, **options)
AutoModelForCausalLM.from_pretrained = slow
"""


@pytest.mark.faults
def test_a_rank_that_is_told_to_end_while_it_reads_the_model_refuses_nothing(make_job, tmp_path):
    """It said that the model doesn't load, which no attempt could help."""
    job = of_ranks(make_job(**STEPS), 2)
    (tmp_path / "sitecustomize.py").write_text(f"import os\nif os.environ.get('RANK') == '0':\n{indent(SLOW, '    ')}")
    job.environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    with job.started() as process:
        for line in process.stdout:
            if "60 sequences" in line:
                break
        time.sleep(1)
        os.kill(ranks_of(process)[1], signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "Rank 1 was killed by SIGKILL" in job.failure


@pytest.mark.faults
def test_ranks_that_only_start_are_told_to_end(make_job):
    job = of_ranks(make_job(**STEPS), 2)
    with job.started() as process:
        wait_for(process, lambda: ranks_of(process))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "Told to end" in job.failure
    assert job.metrics == []


@pytest.mark.faults
def test_a_host_is_told_to_end_while_it_waits_for_the_others(make_job):
    first, _ = on_hosts(make_job(**STEPS), make_job(**STEPS))
    with first.started() as process:
        for line in process.stdout:
            if "one of algo-1, algo-2" in line:
                break
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 143, output
    assert first.failure == "Told to end before training began."


@pytest.mark.faults
def test_hosts_that_share_a_folder_save_and_go_on(make_job):
    job = make_job(**STEPS | {"checkpoint_steps": 1, "max_steps": 5})
    job.environment |= {"PET_NNODES": "2", "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(free_ports())}
    other = Job(job.root, dict(job.environment))
    job.environment["PET_NODE_RANK"], other.environment["PET_NODE_RANK"] = "0", "1"
    with job.started() as one, other.started() as two:
        outputs = [process.communicate(timeout=120)[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), outputs
    kept = sorted(path.name for path in (job.root / "checkpoints").glob("checkpoint-*"))
    assert kept == ["checkpoint-4", "checkpoint-5"]
    assert job.about["hosts"] == ["host-0", "host-1"]


@pytest.mark.faults
def test_a_full_disk_on_one_host_is_the_reason_on_both(make_job):
    first, second = on_hosts(*(make_job(**STEPS | {"checkpoint_steps": 10}) for _ in range(2)))
    with first.started() as one, second.started() as two:
        wait_for(one, lambda: first.metrics)
        folder = second.root / "checkpoints" / "checkpoint-10"
        folder.mkdir()
        (folder / "__1_0.distcp").symlink_to("/dev/full")  # Linux answers each write with ENOSPC
        outputs = [process.communicate(timeout=120)[0] for process in (one, two)]
    assert (one.returncode, two.returncode) == (2, 2), outputs
    assert first.failure == second.failure
    assert "There is no room for checkpoint-10 on the disk of rank 1: raise tandem:volumeGb" in first.failure
    assert not (first.root / "checkpoints" / "checkpoint-10" / "complete.json").exists()


@pytest.mark.faults
def test_ranks_that_are_told_to_end_while_they_save_end_with_a_whole_checkpoint(make_job):
    job = of_ranks(make_job(**STEPS | {"checkpoint_steps": 10}), 2)
    with job.started() as process:
        wait_for(process, lambda: job.metrics)
        folder = job.root / "checkpoints" / "checkpoint-10"
        folder.mkdir()
        os.mkfifo(folder / "trainer_state.json")  # whose writer waits for a reader
        wait_for(process, (folder / "scheduler.pt").exists)
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        (folder / "trainer_state.json").read_text()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    step = int(re.search(r"Interrupted after step (\d+) of 30", job.failure)[1])
    (last,) = (job.root / "checkpoints").glob(f"checkpoint-{step}")
    assert json.loads((last / "complete.json").read_text())["world_size"] == 2
    assert (folder / "complete.json").is_file()


@pytest.mark.faults
def test_a_host_that_never_comes_is_named(make_job):
    first, second = on_hosts(make_job(**STEPS), make_job(**STEPS))
    first.environment["TANDEM_MEET_SECONDS"] = second.environment["TANDEM_MEET_SECONDS"] = "2"
    first.run(expect=1)
    assert "algo-2 didn't come to algo-1" in first.failure
    second.run(expect=1)
    assert "algo-2 didn't reach algo-1" in second.failure


@pytest.mark.faults
def test_a_step_that_cannot_be_shared_out_is_refused_with_what_can(make_job):
    job = of_ranks(make_job(**STEPS | {"batch_size": 5}), 2)
    job.run(expect=2)
    assert "a step has 5 x 1 = 5 rows" in job.failure.lower()
    assert "set gradient_accumulation to 2" in job.failure
