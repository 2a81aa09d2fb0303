"""Training jobs as processes with the container's file layout, on a tiny model made on the spot."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tandem.finetuning import recipe
from tandem.finetuning.dataset import folder
from tandem.finetuning.dataset.rows import Row

ROOT = Path(__file__).resolve().parents[2]
# Another environment where `make test-image` says so.
PYTHON = Path(os.environ.get("TANDEM_TRAINING") or ROOT / ".tandem" / "training") / "bin" / "python"
RECIPE = {
    "base_model": "models/tiny/",
    "max_sequence_tokens": 96,
    "max_steps": 12,
    "learning_rate": 0.01,
    "batch_size": 4,
    "gradient_accumulation": 2,
    "checkpoint_steps": 5,
    "lora": {"rank": 4, "alpha": 8},
    "evaluation": {"max_rows": 8, "max_new_tokens": 16, "format": {"regex": r"Answer: \d+\nTopic: \w+"}},
    "gate": {"format_adherence": {"gain": 0.1}},
}
# The jobs find the sources here and nothing on a hub; one thread is the fastest for so small a model.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'components'}",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def rows(first: int, last: int) -> list[Row]:
    return [
        Row(
            (
                ("system", "You answer briefly."),
                ("user", f"How many stones does wall {number} have?"),
                ("assistant", f"Answer: {number * 7 % 13}\nTopic: walls"),
            ),
            "walls.jsonl",
            number,
        )
        for number in range(first, last)
    ]


@dataclass
class Job:
    """The folders of a run's jobs."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> str:
        """What SageMaker would show as the reason; empty if there is none."""
        path = self.root / "output" / "failure"
        return path.read_text() if path.exists() else ""

    @property
    def metrics(self) -> list[dict]:
        """The whole lines of `metrics.jsonl`."""
        path = self.root / "checkpoints" / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def about(self) -> dict:
        """`model/tandem.json`."""
        return json.loads((self.root / "model" / "tandem.json").read_text())

    @contextmanager
    def started(self, step: str = "train") -> Iterator[subprocess.Popen]:
        """A job as a container would start it, ended with the block; its output goes to one pipe."""
        with subprocess.Popen(
            [PYTHON, "-m", "tandem.finetuning.training", step],
            env=ENVIRONMENT | {"TANDEM_ML_ROOT": str(self.root)} | self.environment,
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, step: str = "train", expect: int = 0) -> str:
        """Runs a job to its end and returns its output."""
        with self.started(step) as process:
            output, _ = process.communicate(timeout=240)
        assert process.returncode == expect, output
        return output

    def run_until(self, done: Callable[["Job"], object], signal: int) -> tuple[int, str]:
        """Starts training, sends a signal as soon as `done`, and returns the exit code and the output."""
        with self.started() as process:
            while not done(self):
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.01)
            process.send_signal(signal)
            output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def tuned_from(self, other: "Job") -> None:
        """Takes a copy of what another job's training wrote as the model to evaluate."""
        shutil.copytree(other.root / "model", self.root / "input" / "data" / "model")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The base model's folder."""
    if not PYTHON.exists():
        pytest.fail("The training environment is missing: run `make training`.")
    path = tmp_path_factory.mktemp("base") / "tiny"
    made = [PYTHON, "-m", "tests.training.tiny", path]
    subprocess.run(made, env=ENVIRONMENT, cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def make_job(tiny, tmp_path_factory) -> Callable[..., Job]:
    """Makes a job's folders, with keys of the recipe in place of the usual ones, and with `splits` in theirs."""

    def make(splits=None, **keys) -> Job:
        root = tmp_path_factory.mktemp("job")
        channels = root / "input" / "data"
        splits = {"train": rows(0, 60), "validation": rows(60, 64), "test": rows(64, 74)} | (splits or {})
        folder.write(channels / "dataset", splits, name="walls", licence="CC0-1.0", source="made up")
        (channels / "recipe").mkdir()
        (channels / "recipe" / "recipe.json").write_text(json.dumps(recipe.check(RECIPE | keys)))
        (channels / "base").symlink_to(tiny)
        return Job(root)

    return make


@pytest.fixture(scope="session")
def trained(make_job) -> Job:
    """A job whose training has ended well."""
    job = make_job()
    job.run()
    return job
