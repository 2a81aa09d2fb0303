"""The time from `tandem finetune start` to the first training step, against the same training started directly.

The difference is the pipeline: the command's checks, Step Functions, the plan function, the job's start, its downloads.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract import run_record
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from scripts.finetune import DATA, MODEL, RECIPE, TRAINING
from scripts.local_environment import BIN, ROOT
from tandem import yaml_file
from tandem.cli.finetune import DEFAULT_STACK
from tandem.clients.pulumi_stack import deployed
from tandem.finetuning import recipe as recipes
from tandem.finetuning.backend_table import facts
from tandem.finetuning.backends.base import OUTPUTS, RUNNING, Workspace
from tandem.finetuning.backends.sagemaker.backend import SageMaker
from tandem.finetuning.dataset.store import Store

from .report import Say, Table, median_ratio

STACK = DEFAULT_STACK
ROUNDS = 3
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 600
NICE = ["nice", "-n", "5"]  # as the local cloud's jobs run
DIRECT = "started directly: first step"
BEGUN = "start: execution begins"
RETURNED = "start: command has returned"
PLANNED = "start: planned, job created"
DOWNLOADING = "start: job starts, downloads"
TRAINING_BEGUN = "start: downloaded, code starts"
FIRST = "start: first step"
SHOWN = "start: status shows it"
PHASES = (BEGUN, PLANNED, DOWNLOADING, TRAINING_BEGUN, FIRST, SHOWN)  # each ends here; the command's end is beside them


def problem() -> str:
    """Why nothing can be measured, or nothing: the stack must be there with the demonstration's data set and model."""
    try:
        stack = deployed(STACK, "artifactBucket")
        datasets, artifacts = stack.pick("datasetBucket", "artifactBucket")
        Store(stack.client("s3"), datasets).resolve(DATA)
        stack.client("s3").head_object(Bucket=artifacts, Key=f"{_recipe()['base_model']}config.json")
        running = stack.client("sagemaker").list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"]
    except (TandemError, BotoCoreError, ClientError) as error:
        return f"{error}\nIt needs stack {STACK} with the sample data set and its base model: run make finetune first."
    if missing := [path for path in (TRAINING, MODEL) if not path.exists()]:
        return f"{missing[0].relative_to(ROOT)} is missing: run make finetune first."
    if running:
        return f"Job {running[0]['TrainingJobName']} is running, and jobs run one at a time: wait for it, or cancel it."
    return ""


def run(_stack: str, say: Say) -> Table:
    """Three rounds, alternating, after one direct start that warms the disk cache. What was started is taken away."""
    if found := problem():
        sys.exit(found)
    names = (*OUTPUTS, *facts("sagemaker").outputs)
    stack = deployed(STACK, "artifactBucket", say=say)
    outputs = dict(zip(names, stack.pick(*names), strict=True))
    # Its clients are kept: what polls must not take much of the processors from what it waits for.
    backend = SageMaker("sagemaker", Workspace(cache(stack.client), outputs))
    times = []
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as temporary:
        data = Path(temporary, "data")
        store = Store(stack.client("s3"), outputs["datasetBucket"])
        store.download(store.resolve(DATA), data)
        say(f"warm-up: directly {_direct(Path(temporary, '0'), data):.1f} s")
        for number in range(1, ROUNDS + 1):
            measured = {DIRECT: _direct(Path(temporary, str(number)), data), **_piped(backend)}
            times.append(measured)
            say(f"round {number} of {ROUNDS}: directly {measured[DIRECT]:.1f} s, by start {measured[FIRST]:.1f} s")
    return _table(times)


def _table(times: list[dict[str, float]]) -> Table:
    """Medians of each phase and of the time since the start; ratios are of the latter."""
    direct = [measured[DIRECT] for measured in times]
    rows = []
    for name in (DIRECT, BEGUN, RETURNED, *PHASES[1:]):
        since = [measured[name] for measured in times]
        before = PHASES[PHASES.index(name) - 1] if name in PHASES[1:] else ""
        phase = [measured[name] - (measured[before] if before else 0) for measured in times]
        ratios = [value / base for value, base in zip(since, direct, strict=True)]
        spread = ["", ""] if name == DIRECT else [f"{max(ratios):.2f}", f"{min(ratios):.2f}"]
        took = "" if name == RETURNED else f"{median(phase):.1f}"
        rows.append([name, took, f"{median(since):.1f}", f"{median_ratio(since, direct):.2f}", *spread])
    return Table(
        ["LoRA, SmolLM2-135M", "s of the phase", "s since the start", "of the direct start", "worst", "best"], rows
    )


def _recipe() -> dict[str, Any]:
    return recipes.check(yaml_file.read(RECIPE, "a recipe"))


def _direct(root: Path, data: Path) -> float:
    """Seconds from starting the entry point, all files in place, to its first step; the process is ended then."""
    channels = root / "input" / "data"
    (channels / "recipe").mkdir(parents=True)
    (channels / "recipe" / "recipe.json").write_text(json.dumps(_recipe()))
    (channels / "dataset").symlink_to(data)
    (channels / "base").symlink_to(MODEL)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TANDEM_ML_ROOT": str(root)}
    command = [*NICE, TRAINING, "-m", "tandem.finetuning.training", "train"]
    metrics, log = root / "checkpoints" / "metrics.jsonl", root / "log.txt"
    with log.open("wb") as output:
        begun = time.time()
        process = subprocess.Popen(command, env=environment, cwd=root, stdout=output, stderr=subprocess.STDOUT)
        try:
            while not (metrics.is_file() and (text := metrics.read_text()).endswith("\n")):
                if process.poll() is not None or time.time() - begun > PATIENCE_SECONDS:
                    raise RuntimeError(f"No step was made; the log ends with:\n{log.read_text()[-2000:]}")
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
    return json.loads(text.splitlines()[0])["time"] - begun


def _piped(backend: SageMaker) -> dict[str, float]:
    """Seconds from the command to the end of each phase; the run is cancelled and its files deleted afterwards."""
    begun = time.time()
    name = _tandem("start", RECIPE, "--data", DATA, "--yes").splitlines()[-1]
    returned = time.time()
    run = backend.records.get(name)
    with _taken_away(backend, run):
        while not (status := backend.status(run)).progress:
            if status.state != RUNNING or time.time() - begun > PATIENCE_SECONDS:
                raise RuntimeError(f"Run {name} made no step; it is {status.state}: {status.cause}")
            time.sleep(POLL_SECONDS)
        shown = time.time()
        moments = _moments(name) | {RETURNED: returned, FIRST: backend.metrics(run)[0]["time"], SHOWN: shown}
    return {phase: moment - begun for phase, moment in moments.items()}


def _moments(name: str) -> dict[str, float]:
    """When the run's execution began, and what SageMaker says of its job."""
    stack = deployed(STACK, "artifactBucket")
    (machine,) = stack.pick("trainingPipelineArn")
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{name}-1"
    job: Mapping[str, Any] = stack.client("sagemaker").describe_training_job(
        TrainingJobName=run_record.job_name(name, "train", 1)
    )
    entered = {each["Status"]: each["StartTime"] for each in job["SecondaryStatusTransitions"]}
    moments = {
        BEGUN: stack.client("stepfunctions").describe_execution(executionArn=execution)["startDate"],
        PLANNED: job["CreationTime"],
        DOWNLOADING: entered["Downloading"],
        TRAINING_BEGUN: entered["Training"],
    }
    return {phase: moment.timestamp() for phase, moment in moments.items()}


@contextmanager
def _taken_away(backend: SageMaker, run: Run) -> Generator[None]:
    """In the end cancel the run, wait for its job to stop, and delete what is stored of it."""
    try:
        yield
    finally:
        _tandem("cancel", run.name)
        while any(job.running for job in backend.jobs(run)):
            time.sleep(POLL_SECONDS)
        stack = deployed(STACK, "artifactBucket")
        s3, (bucket,) = stack.client("s3"), stack.pick("artifactBucket")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=run.folder)
        for key in [entry["Key"] for page in pages for entry in page.get("Contents", [])]:
            s3.delete_object(Bucket=bucket, Key=key)


def _tandem(*arguments: str | Path) -> str:
    command = [str(part) for part in (BIN / "tandem", "finetune", *arguments, "--stack", STACK)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout
