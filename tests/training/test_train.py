"""Training from outside: what it leaves behind, what it survives, and what it refuses."""

import json
import os
import shutil
import signal
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.finetuning.dataset.sample import digest

from .conftest import ENVIRONMENT, PYTHON, ROOT, rows

pytestmark = pytest.mark.local


LONG = 200  # steps, of which a test that runs late sees some, and not the last


def whole_checkpoints(job) -> list[int]:
    return sorted(int(path.parent.name[11:]) for path in job.root.glob("checkpoints/checkpoint-*/complete.json"))


def test_what_training_leaves_behind(trained):
    model = trained.root / "model"
    names = {path.name for path in model.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "tandem.json"} <= names
    assert (model / "adapter" / "adapter_model.safetensors").is_file()
    assert not list(model.rglob("*.bin"))
    manifest = json.loads((trained.root / "input/data/dataset/manifest.json").read_text())
    about = trained.about
    assert (about["steps"], about["method"], about["rows"]) == (12, "lora", 60)
    assert (about["manifest_digest"], len(about["recipe_digest"])) == (manifest["digest"], 64)
    assert trained.failure == ""


def test_metrics_while_training(trained):
    lines = trained.metrics
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert {line["steps"] for line in lines} == {12}
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["tokens"] == trained.about["tokens"]
    assert all(line["tokens_per_second"] > 0 and line["learning_rate"] >= 0 for line in lines)


def test_the_tuned_model_differs_from_its_base_and_loads_alone(trained, tiny):
    code = (
        "import sys, torch; from transformers import AutoModelForCausalLM as Auto\n"
        "base, tuned = (Auto.from_pretrained(folder).state_dict() for folder in sys.argv[1:])\n"
        "assert base.keys() == tuned.keys()\n"
        "print(sorted(name for name in base if not torch.equal(base[name].to(tuned[name].dtype), tuned[name])))"
    )
    arguments = [PYTHON, "-c", code, tiny, trained.root / "model"]
    shown = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    changed = json.loads(shown.replace("'", '"'))
    assert len(changed) == 2 * 7  # every linear layer of both blocks, and nothing else


@pytest.mark.faults
def test_killed_midway_it_goes_on_and_ends_at_the_same_step(make_job):
    job = make_job(max_steps=LONG, checkpoint_steps=10)
    code, _ = job.run_until(lambda job: len(job.metrics) >= 25, signal.SIGKILL)
    assert code == -signal.SIGKILL
    before, last = whole_checkpoints(job)
    assert 20 <= last == before + 10 < LONG
    output = job.run()
    assert f"Going on from checkpoint-{last}" in output
    assert [line["step"] for line in job.metrics] == list(range(1, LONG + 1))
    assert job.about["steps"] == LONG
    assert job.about["tokens"] == job.metrics[-1]["tokens"]


@pytest.mark.faults
def test_a_checkpoint_that_is_not_whole_is_not_used(make_job):
    job = make_job(max_steps=LONG, checkpoint_steps=10)
    job.run_until(lambda job: len(job.metrics) >= 25, signal.SIGKILL)
    last = whole_checkpoints(job)[-1]
    newest = job.root / "checkpoints" / f"checkpoint-{last}"
    with (newest / "__0_0.distcp").open("r+b") as file:
        file.truncate(100)
    later = newest.with_name(f"checkpoint-{last + 10}")  # killed before its marker was written
    shutil.copytree(newest, later, dirs_exist_ok=True)
    (later / "complete.json").unlink()
    output = job.run()
    assert f"checkpoint-{last + 10} is not whole" in output
    assert f"checkpoint-{last} is not whole" in output
    assert f"Going on from checkpoint-{last - 10}" in output
    assert job.about["steps"] == LONG


@pytest.mark.faults
def test_interrupted_it_saves_at_once(make_job):
    job = make_job(max_steps=LONG, checkpoint_steps=1000)
    code, output = job.run_until(lambda job: len(job.metrics) >= 3, signal.SIGTERM)
    assert code == 143, output
    (saved,) = whole_checkpoints(job)
    assert 3 <= saved < LONG
    assert f"Interrupted after step {saved} of {LONG}" in job.failure
    assert f"Going on from checkpoint-{saved}" in job.run()
    assert (job.about["steps"], job.failure) == (LONG, "")


def test_ended_before_the_model_was_written(trained, make_job):
    """Killed after the last step: nothing is trained again, and the model is the same."""
    job = make_job()
    shutil.copytree(trained.root / "checkpoints", job.root / "checkpoints")
    assert "Step 12 of 12" not in job.run()
    names = ("model.safetensors", "adapter/adapter_model.safetensors")
    for name in names:
        assert (job.root / "model" / name).read_bytes() == (trained.root / "model" / name).read_bytes()
    assert job.about["tokens"] == trained.about["tokens"]
    assert job.about["validation_loss"] == trained.about["validation_loss"]


@pytest.mark.faults
def test_the_checkpoints_of_another_run_are_not_mixed_in(trained, make_job):
    job = make_job(seed=1)
    shutil.copytree(trained.root / "checkpoints", job.root / "checkpoints")
    job.run(expect=2)
    assert "belong to another run" in job.failure


@pytest.mark.faults
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"lora": {"modules": ["q_proj", "qkv", "mlp"]}},
            ["lora.modules qkv, mlp", "q_proj, up_proj, v_proj", "all-linear"],
        ),
        ({"max_sequence_tokens": 256}, ["max_sequence_tokens is 256", "takes 128"]),
        ({"max_sequence_tokens": 16}, ["60 of 60 rows in train have more than 16 tokens", "raise max_sequence_tokens"]),
        ({"method": "qlora"}, ["needs an NVIDIA GPU", "`method: lora`"]),
    ],
)
def test_refused_before_training(make_job, keys, said):
    job = make_job(**keys)
    job.run(expect=2)
    assert all(part in job.failure for part in said), job.failure
    assert job.metrics == []


def own_base(job):
    """The folder of the base model, which is linked otherwise, as this job's own."""
    base = job.root / "input" / "data" / "base"
    given = base.resolve()
    base.unlink()
    return Path(shutil.copytree(given, base))


@pytest.mark.faults
def test_an_adapter_on_weights_that_are_embeddings_and_head_at_once(make_job):
    """peft would merge it into both, though the embeddings were not trained with it."""
    job = make_job(lora={"modules": ["q_proj", "lm_head"]})
    config = own_base(job) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": True}))
    job.run(expect=2)
    assert "lora.modules lm_head: embeddings and head of" in job.failure and job.metrics == []


@pytest.mark.faults
def test_weights_that_do_not_fit_into_memory(make_job):
    """A header that promises a terabyte, and a file of that size with nothing in it."""
    job = make_job()
    base = own_base(job)
    size = 2**40
    header = {"weight": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    encoded = json.dumps(header).encode()
    with (base / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        file.truncate(file.tell() + size)
    job.run(expect=2)
    assert "Not enough memory" in job.failure
    assert "larger instance" in job.failure


@pytest.mark.faults
def test_a_broken_mlflow_is_a_line_in_the_log(make_job, tmp_path):
    """A package of that name whose every call fails, as where the server is away or a permission lacks."""
    package = tmp_path / "mlflow"
    package.mkdir()
    content = """
from types import SimpleNamespace
__version__ = "3.0.0"
utils = SimpleNamespace(validation=SimpleNamespace(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100))
def is_tracking_uri_set():
    raise ConnectionError("the server is away")
"""
    (package / "__init__.py").write_text(content)
    job = make_job(max_steps=2)
    job.environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
    job.environment["MLFLOW_TRACKING_URI"] = "https://mlflow.example.com"
    output = job.run()
    assert output.count("MLflow failed, and isn't told more: the server is away.") == 1
    assert [line["step"] for line in job.metrics] == [1, 2] and (job.root / "model" / "tandem.json").is_file()


@pytest.mark.faults
def test_a_data_set_that_was_changed(make_job):
    job = make_job()
    split = job.root / "input" / "data" / "dataset" / "train.jsonl"
    split.write_text(split.read_text().replace("Answer: 7", "Answer: 8"))
    job.run(expect=2)
    assert "train.jsonl" in job.failure
    assert "the file was changed" in job.failure


def test_full_fine_tuning(make_job):
    job = make_job(method="full", lora=None, max_steps=4, learning_rate=0.001)
    job.run()
    assert not (job.root / "model" / "adapter").exists()
    assert job.about["method"] == "full"


def long(number: int):
    row = rows(number, number + 1)[0]
    return replace(row, messages=(("user", f"How many stones does wall {number} have? " * 20), row.messages[-1]))


@pytest.fixture(scope="module")
def long_rows(make_job):
    """A job with a row in each split that is too long for the model, which takes 128 tokens; trained."""
    splits = {"train": [*rows(0, 60), long(80)], "validation": [*rows(60, 63), long(81)]}
    job = make_job(splits | {"test": [*rows(64, 71), long(82)]}, max_steps=2)
    job.output = job.run()
    return job


@pytest.mark.faults
def test_a_row_that_is_too_long_is_left_out_of_each_split_and_counted(long_rows):
    """One of eight validation rows ended the run."""
    assert "1 rows have more than 96 tokens and are left out" in long_rows.output
    assert "1 validation rows have more than 96 tokens and are left out" in long_rows.output
    about = long_rows.about
    assert (about["rows"], about["rows_left_out"], about["validation_rows"]) == (60, 1, 3)
    assert about["validation_sample"] == digest(rows(60, 63)) and about["validation_loss"] > 0


@pytest.mark.faults
def test_a_trained_model_is_not_lost_to_a_test_row(long_rows, make_job):
    """`613 tokens of conversation and 16 of answer are more than the model's 128`, after all was paid."""
    shutil.copytree(long_rows.root / "model", long_rows.root / "input" / "data" / "model")
    output = long_rows.run("evaluate")
    assert "1 rows of test are not asked, test.jsonl:8 first: " in output
    result = json.loads((long_rows.root / "model" / "evaluation.json").read_text())
    assert (result["rows"], result["rows_left_out"], result["sample"]) == (7, 1, digest(rows(64, 71)))


@pytest.mark.faults
def test_test_rows_that_cannot_be_asked_are_known_before_training(make_job):
    job = make_job({"test": [*rows(64, 71), long(82), long(83)]})
    job.run(expect=2)
    assert "2 of 9 rows in test can't be asked, test.jsonl:8 first: " in job.failure
    assert "are more than the model's 128. Lower evaluation.max_new_tokens" in job.failure
    assert job.metrics == []


def test_the_loss_on_validation_is_of_the_same_rows_whatever_their_order(make_job):
    kept = [make_job({"validation": order}, max_steps=1) for order in (rows(80, 110), rows(80, 110)[::-1])]
    for job in kept:
        job.run()
    first, second = (job.about for job in kept)
    assert first["validation_rows"] == second["validation_rows"] == 8
    assert first["validation_sample"] == second["validation_sample"]
    assert first["validation_loss"] == pytest.approx(second["validation_loss"])


AGREEING = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from tandem.finetuning.training.progress import Progress, Stop

class Ranks:
    is_first = False
    def any(self, asked, device):
        os.kill(os.getpid(), signal.SIGTERM)  # once it has said that nobody told it
        return asked

stop, control, state = Stop(), SimpleNamespace(should_training_stop=False), SimpleNamespace(global_step=1)
stop.training = True
progress = Progress(Path("metrics.jsonl"), stop, 0, Ranks())
for agreed in (False, True):
    progress.on_save(SimpleNamespace(device=None), state, control)
    assert (control.should_training_stop, stop.asked) == (agreed, True), agreed
"""


@pytest.mark.faults
def test_told_to_end_while_the_ranks_agree_is_not_forgotten():
    """All of them act on what they agreed, and on the rest when they ask again."""
    command = [PYTHON, "-c", AGREEING]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.faults
def test_told_to_end_during_validation_saves_at_once(make_job):
    """It was done first, to its end, and then one step more."""
    long = {"max_rows": 1000, "max_new_tokens": 16}
    job = make_job({"validation": rows(100, 1100)}, evaluation=long, gate={"token_f1": {"gain": 0.01}})
    code, output = job.run_until(lambda job: len(job.metrics) >= 5, signal.SIGTERM)
    assert code == 143, output
    assert "Interrupted after step 5" in job.failure
    assert len(job.metrics) == 5
    assert "validation loss" not in output
    assert (job.root / "checkpoints" / "checkpoint-5" / "complete.json").is_file()
