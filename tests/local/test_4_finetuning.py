"""Fine-tuning on the local cloud: the real pipeline and the real training code on a tiny model made on the spot."""

import json
import os
import re
import signal

import pytest

from tests.local.conftest import HOME, ROOT, until
from tests.support.goldens import check_change
from tests.support.tuning import RECIPE, Tuning, begin_training, deploy

pytestmark = [pytest.mark.local, pytest.mark.timeout(900)]

STACK = "finetune-dev"
CONFIG = HOME / f"Pulumi.{STACK}.yaml"
STEPS = 100  # enough that training still runs when its first steps are seen


@pytest.fixture(scope="module")
def tuning(cloud) -> Tuning:
    return deploy(cloud, STACK)


def test_second_preview_of_finetuning_finds_nothing_to_do(tuning):
    tuning.cloud.pulumi("preview", "--stack", STACK, "--expect-no-changes")


@pytest.mark.parametrize("change", ["another-instance", "a-model-served"])
def test_what_a_change_costs(tuning, change):
    check_change(tuning.cloud, change)


@pytest.mark.faults
def test_a_failing_gate_leaves_nothing_approved_and_says_which_metric(tuning):
    run = tuning.start(gate={"exact_match": {"at_least": 0.9}})
    followed = tuning.follow(run, check=False)
    assert followed.returncode == 1
    assert "exact_match is 0.000, below 0.9" in followed.stdout + followed.stderr
    assert tuning.packages() == []
    assert "has registered no model" in tuning.finetune("promote", run, check=False).stderr


@pytest.fixture(scope="module")
def tuned(tuning) -> str:
    """A run whose training was killed once on its way, and that succeeded all the same."""
    run = tuning.start(max_steps=STEPS)
    until(lambda: any(line["step"] >= 4 for line in tuning.metrics(run)), 120, "four steps of training")
    os.kill(tuning.process(f"{run}-train-1"), signal.SIGKILL)
    tuning.follow(run)
    return run


@pytest.mark.faults
def test_a_killed_job_resumes_and_ends_with_the_same_final_step(tuning, tuned):
    sagemaker = tuning.cloud.client("sagemaker")
    jobs = [sagemaker.describe_training_job(TrainingJobName=f"{tuned}-train-{attempt}") for attempt in (1, 2)]
    assert [job["TrainingJobStatus"] for job in jobs] == ["Failed", "Completed"]
    steps = [line["step"] for line in tuning.metrics(tuned)]
    assert steps[-1] == STEPS == tuning.metrics(tuned)[-1]["steps"]
    # It went on from a checkpoint: no more than the steps since then were done again.
    assert steps.count(1) == 1 and len(steps) < STEPS + 2 * RECIPE["checkpoint_steps"] + 2


def test_the_model_waits_for_approval_with_the_digests_of_what_made_it(tuning, tuned):
    (package,) = tuning.packages()
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    record = json.loads(tuning.read(f"runs/{tuned}/run.json"))
    found = package["CustomerMetadataProperties"]
    assert {key: found[key] for key in ("manifest_digest", "recipe_digest")} == {
        key: record[key] for key in ("manifest_digest", "recipe_digest")
    }
    assert found["run"] == tuned and found["backend"] == "sagemaker"
    assert "PendingManualApproval" in tuning.finetune("promote", tuned, check=False).stderr


def test_logs_and_comparison_are_at_hand(tuning, tuned):
    assert "rows" in tuning.finetune("logs", tuned).stdout
    assert re.search(r"format_adherence +[01]\.\d{3}", tuning.finetune("compare", tuned).stdout)


@pytest.mark.faults
def test_a_cancelled_run_resumes(tuning):
    run = tuning.start(max_steps=400)
    until(lambda: any(line["step"] >= 4 for line in tuning.metrics(run)), 120, "four steps of training")
    assert f"{run}-train-1" in tuning.finetune("cancel", run).stdout
    until(lambda: not tuning.process(f"{run}-train-1"), 60, "the job has ended")
    before = tuning.metrics(run)[-1]["step"]
    assert "aborted" in tuning.finetune("status", run).stdout
    until(lambda: tuning.finetune("resume", run, check=False).returncode == 0, 60, "it can be resumed")
    until(lambda: tuning.metrics(run)[-1]["step"] > before, 120, "it goes on from where it was")
    assert [line["step"] for line in tuning.metrics(run)].count(1) == 1
    tuning.finetune("cancel", run)
    until(lambda: not tuning.process(f"{run}-train-2"), 60, "the job has ended")
    refused = until(
        lambda: "attempts" in (said := tuning.finetune("resume", run, check=False)).stderr and said, 60, "refused"
    )
    assert "has used its 2 of 2 attempts to train" in refused.stderr


@pytest.mark.faults
def test_two_hosts_train_one_model_and_go_on_after_a_killed_rank(tuning, tuned):
    CONFIG.write_text((ROOT / "stacks" / CONFIG.name).read_text() + '  tandem:trainingInstances: "2"\n')
    tuning.cloud.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    run = tuning.start(max_steps=STEPS)
    until(lambda: any(line["step"] >= 4 for line in tuning.metrics(run)), 120, "four steps of training")
    os.kill(tuning.process(f"{run}-train-1/ml/algo-2/", at=-1), signal.SIGKILL)  # the rank, begun after its launcher
    tuning.follow(run)
    sagemaker = tuning.cloud.client("sagemaker")
    jobs = [sagemaker.describe_training_job(TrainingJobName=f"{run}-train-{attempt}") for attempt in (1, 2)]
    assert [job["TrainingJobStatus"] for job in jobs] == ["Failed", "Completed"]
    assert "Rank 1 was killed by SIGKILL" in jobs[0]["FailureReason"]
    steps = [line["step"] for line in tuning.metrics(run)]
    assert steps == list(range(1, STEPS + 1))
    record, of_one = tuning.trained(f"{run}-train-2"), tuning.trained(f"{tuned}-train-2")
    assert (record["hosts"], record["world_size"], record["steps"]) == (["algo-1", "algo-2"], 2, STEPS)
    # The same recipe on one instance: the same, but for where.
    differing = {key for key in record if record[key] != of_one[key]} - {"validation_loss"}
    assert differing == {"hosts", "world_size", "batch_size", "sharding"}
    assert record["validation_loss"] == pytest.approx(of_one["validation_loss"], rel=0.05)


def test_a_plain_machine_trains_what_a_job_does(tuning, tuned, tmp_path):
    """The same files, by hand: the record differs in where it was alone."""
    job = tuning.cloud.client("sagemaker").describe_training_job(TrainingJobName=f"{tuned}-train-2")
    channels = {it["ChannelName"]: it["DataSource"]["S3DataSource"]["S3Uri"] for it in job["InputDataConfig"]}
    tuning.fetch(channels, tmp_path)
    assert begin_training(tmp_path).wait(300) == 0
    record, of_job = json.loads((tmp_path / "model" / "tandem.json").read_text()), tuning.trained(f"{tuned}-train-2")
    assert {key for key in record if record[key] != of_job[key]} - {"validation_loss"} == {"hosts"}
    assert record["validation_loss"] == pytest.approx(of_job["validation_loss"], rel=1e-3)


def test_a_promoted_model_answers_at_its_endpoint(tuning, tuned):
    CONFIG.write_text((ROOT / "stacks" / CONFIG.name).read_text())
    printed = tuning.finetune("promote", tuned, "--approve", "--config", CONFIG).stdout
    assert "+  tandem:model: arn:aws:sagemaker:" in printed
    tuning.cloud.pulumi("up", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    endpoint = tuning.cloud.pulumi("stack", "output", "endpointName", "--stack", STACK).stdout.strip()
    body = json.dumps({"messages": [{"role": "user", "content": "How many stones has wall 3?"}], "max_tokens": 8})
    answer = tuning.cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="application/json", Body=body
    )
    assert json.loads(answer["Body"].read())["choices"][0]["message"]["role"] == "assistant"
    tuning.cloud.pulumi("preview", "--stack", STACK, "--expect-no-changes", "--config-file", str(CONFIG))


def test_destroy_after_runs_with_an_endpoint_up_and_a_job_running_leaves_nothing(tuning, tuned):
    run = tuning.start(max_steps=400)
    until(lambda: tuning.metrics(run), 120, "a job trains")
    tuning.cloud.pulumi("destroy", "--stack", STACK, "--yes", "--config-file", str(CONFIG))
    assert not tuning.process(run)
    left = tuning.cloud.tandem("local", "audit", check=False).stdout
    assert "tuning" not in left, left
