"""A trainer that isn't ours, in the same contract."""

import json
import shutil
import signal
from dataclasses import replace

import pytest

from .conftest import Job, rows

pytestmark = pytest.mark.local
METRICS = '{"step": 7, "steps": 7, "loss": 0.5, "tokens": 700}'


def bring(job: Job, *lines: str) -> Job:
    """Puts a shell script in place of our trainer."""
    script = job.root / "trainer.sh"
    script.write_text("\n".join(["#!/bin/sh", "set -e", "ml=$TANDEM_ML_ROOT", *lines, ""]))
    script.chmod(0o755)
    job.environment["TANDEM_TRAINER"] = str(script)
    return job


def test_its_model_is_stamped_and_can_be_evaluated(make_job):
    thinks = "echo '{{ enable_thinking }}' >> $ml/model/chat_template.jinja"
    writes = f"echo '{METRICS}' > $ml/checkpoints/metrics.jsonl"
    job = bring(make_job(), "cp $TANDEM_BASE/* $ml/model/", thinks, writes)
    job.run()
    assert (job.root / "model" / "chat_template.jinja").read_text().startswith("{% set enable_thinking = false %}")
    manifest = json.loads((job.root / "input/data/dataset/manifest.json").read_text())
    assert (job.about["steps"], job.about["tokens"]) == (7, 700)
    assert job.about["manifest_digest"] == manifest["digest"]
    shutil.copytree(job.root / "model", job.root / "input" / "data" / "model")
    job.run("evaluate")
    result = json.loads((job.root / "model" / "evaluation.json").read_text())
    assert result["metrics"]["token_f1"]["difference"] == 0  # it is the base model


@pytest.mark.faults
@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        (["echo 'rank 4096 is too much' > $ml/output/failure", "exit 2"], 2, "rank 4096 is too much"),
        (["exit 3"], 1, "exited 3"),
        (["cp $TANDEM_BASE/config.json $ml/model/"], 2, "wrote no model"),
    ],
)
def test_its_failure_is_the_jobs(make_job, lines, code, said):
    job = bring(make_job(), *lines)
    job.run(expect=code)
    assert said in job.failure
    assert not (job.root / "model" / "tandem.json").exists()


@pytest.mark.faults
def test_it_is_told_to_end(make_job):
    saves = "trap 'touch $ml/checkpoints/saved; exit 9' TERM"
    job = bring(make_job(), saves, f"echo '{METRICS}' > $ml/checkpoints/metrics.jsonl", "while :; do sleep 0.1; done")
    code, _ = job.run_until(lambda job: job.metrics, signal.SIGTERM)
    assert code == 143
    assert (job.root / "checkpoints" / "saved").exists()
    assert "told to end" in job.failure


@pytest.mark.faults
def test_rows_that_it_is_not_said_to_honour_are_refused(make_job):
    """It would learn the answers with weight 0, which are the wrong ones."""
    row = rows(0, 1)[0]
    weighed = replace(row, messages=row.messages[1:] * 2, more=({}, {"weight": 0}, {}, {}))
    job = bring(make_job(splits={"train": [*rows(1, 60), weighed]}), "exit 3")
    job.run(expect=2)
    assert "train.jsonl:60 has weight, and TANDEM_TRAINER_TAKES doesn't say" in job.failure
    assert "set it to 'weight' in the image if it does" in job.failure
    job.environment["TANDEM_TRAINER_TAKES"] = "tools weight"
    job.run(expect=1)
    assert "exited 3" in job.failure


@pytest.mark.faults
def test_several_hosts_that_it_is_not_said_to_use_are_refused(make_job):
    """Each would train the whole set by itself."""
    job = bring(make_job(), "exit 3")
    (job.root / "input" / "config").mkdir()
    said = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    (job.root / "input" / "config" / "resourceconfig.json").write_text(json.dumps(said))
    job.run(expect=2)
    assert "There are 2 hosts, and TANDEM_TRAINER_TAKES doesn't say" in job.failure
    job.environment["TANDEM_TRAINER_TAKES"] = "hosts"
    bring(job, "exit 0")
    job.run()  # the first host writes the model
