"""SageMaker's training jobs are processes with the container's files, and Step Functions waits for them."""

import io
import json
import os
import signal
import tarfile
import uuid

import pytest
from botocore.exceptions import ClientError

from localcloud import paths
from localcloud.services import audit, supervisor
from localcloud.services.sagemaker import records
from tests.support.sagemaker import BUCKET, WAITING, ended, living, process, request, start, text, until

pytestmark = pytest.mark.local


def test_a_job_finds_the_container_and_leaves_its_outputs(sagemaker, s3, aws):
    code = """
import json, os, pathlib, shutil, sys, time
root = pathlib.Path(os.environ["TANDEM_ML_ROOT"])
checkpoints = root / "checkpoints"
(checkpoints / "checkpoint-1").mkdir()
(checkpoints / "checkpoint-1" / "state").write_text("one")
for step in range(1, 5):
    with (checkpoints / "metrics.jsonl").open("a") as metrics:
        print(json.dumps({"step": step}), file=metrics)
    print("step", step)
    time.sleep(1.5)
shutil.rmtree(checkpoints / "checkpoint-1")
seen = {
    "arguments": sys.argv[1:],
    "files": sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()),
    "hyperparameters": json.loads((root / "input/config/hyperparameters.json").read_text()),
    "kept": (checkpoints / "before").read_text(),
    "variables": sorted(os.environ),
    "nice": os.nice(0),
}
(root / "model" / "part").mkdir()
(root / "model" / "part" / "seen.json").write_text(json.dumps(seen))
(root / "output" / "data" / "report").write_text("fine")
"""
    asked = request(s3, code)
    name = asked["TrainingJobName"]
    s3.put_object(Bucket=BUCKET, Key=f"{name}/checkpoints/before", Body=b"from another job")
    start(sagemaker, asked)
    # Followed live: the metrics' second line is there while the job runs, and so is the first checkpoint.
    until(lambda: (text(s3, f"{name}/checkpoints/metrics.jsonl") or "").count("\n") >= 2)
    assert text(s3, f"{name}/checkpoints/checkpoint-1/state") == "one"
    during = sagemaker.describe_training_job(TrainingJobName=name)
    assert (during["TrainingJobStatus"], during["SecondaryStatus"]) == ("InProgress", "Training")
    assert ("sagemaker", "TrainingJob", name) in audit.leftovers()
    job = ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/{name}/jobs/{name}/output/model"
    statuses = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert statuses == ["Pending", "Downloading", "Training", "Uploading", "Completed"]
    assert job["TrainingStartTime"] < job["TrainingEndTime"]
    assert 6 <= job["BillableTimeInSeconds"] <= 30
    assert text(s3, f"{name}/jobs/{name}/output/data/report") == "fine"
    assert text(s3, f"{name}/checkpoints/checkpoint-1/state") is None
    assert text(s3, f"{name}/checkpoints/metrics.jsonl").count("\n") == 4
    seen = json.loads(text(s3, f"{name}/jobs/{name}/output/model/part/seen.json"))
    root = paths.HOME / "sagemaker" / "jobs" / name / "ml" / "algo-1"
    assert seen["arguments"] == ["train", f"{root}/input/data/dataset"]
    assert {"input/data/code/train.py", "input/data/dataset/rows/a.jsonl"} <= set(seen["files"])
    assert seen["hyperparameters"] == {"epochs": "3"}
    assert seen["kept"] == "from another job"
    assert seen["nice"] >= 5
    own = {"LC_CTYPE", "PATH", "PYTHONUNBUFFERED", "PWD", "SHLVL", "_", "OLDPWD"}
    others = {each for each in seen["variables"] if not each.startswith("AWS_")} - own
    assert others == {
        "MASTER_ADDR", "MASTER_PORT", "TANDEM_LOCAL_RECORD", "TANDEM_ML_ROOT", "TANDEM_RUN", "TRAINING_JOB_ARN",
        "TRAINING_JOB_NAME",
    }  # fmt: skip
    assert not root.exists()
    logs = aws("logs")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    [stream] = logs.describe_log_streams(**group, logStreamNamePrefix=f"{name}/algo-1-")["logStreams"]
    events = logs.get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
    assert [event["message"] for event in events] == [f"step {step}" for step in range(1, 5)]
    assert sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == asked["Tags"]
    assert not [row for row in audit.leftovers() if name in row or "TrainingJobs" in row[2]]


def test_compressed_outputs_are_archives(sagemaker, s3):
    code = """
import os, pathlib
root = pathlib.Path(os.environ["TANDEM_ML_ROOT"])
(root / "model" / "weights").write_text("heavy")
"""
    asked = request(s3, code)
    asked["OutputDataConfig"].pop("CompressionType")
    name = start(sagemaker, asked)
    artifacts = ended(sagemaker, name)["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts == f"s3://{BUCKET}/{name}/jobs/{name}/output/model.tar.gz"
    body = s3.get_object(Bucket=BUCKET, Key=artifacts.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert archive.extractfile("./weights").read() == b"heavy"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "(root / 'output' / 'failure').write_text('row 7 has no messages')\nsys.exit(3)",
            "AlgorithmError: row 7 has no messages, exit code: 3",
        ),
        ("print('out of memory')\nos.kill(os.getpid(), 9)", "AlgorithmError: out of memory, exit code: 137"),
    ],
)
def test_a_failed_job_tells_its_reason_and_leaves_no_model(sagemaker, s3, code, reason):
    before = "import os, pathlib, sys\nroot = pathlib.Path(os.environ['TANDEM_ML_ROOT'])\n"
    before += "(root / 'model' / 'half').write_text('')\n(root / 'output' / 'data' / 'why').write_text('x')\n"
    name = start(sagemaker, request(s3, before + code))
    job = ended(sagemaker, name)
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)
    assert text(s3, f"{name}/jobs/{name}/output/data/why") == "x"
    assert text(s3, f"{name}/jobs/{name}/output/model/half") is None


@pytest.mark.faults
def test_a_job_without_data_or_environment_fails_with_the_remedy(sagemaker, s3, tmp_path, monkeypatch):
    asked = request(s3, "")
    asked["InputDataConfig"][1]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{BUCKET}/nothing/"
    assert "No S3 objects found" in ended(sagemaker, start(sagemaker, asked))["FailureReason"]
    for name in ("HOME", "TOOLS"):
        monkeypatch.setattr(paths, name, tmp_path)
    with pytest.raises(records.Refused, match=r"is missing: run make \.tandem/training/\.ready"):
        records.training_python()


@pytest.mark.faults
def test_a_job_is_stopped_by_its_time_and_by_request_and_keeps_its_checkpoint(sagemaker, s3):
    slow = start(sagemaker, request(s3, WAITING, StoppingCondition={"MaxRuntimeInSeconds": 3}))
    waits, never = start(sagemaker, request(s3, WAITING)), start(sagemaker, request(s3, WAITING))
    assert sagemaker.describe_training_job(TrainingJobName=waits)["SecondaryStatus"] == "Pending"
    sagemaker.stop_training_job(TrainingJobName=never)  # one that hasn't begun
    assert ended(sagemaker, never)["TrainingJobStatus"] == "Stopped"
    job = ended(sagemaker, slow)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert text(s3, f"{slow}/checkpoints/step") == "1"
    group = until(lambda: process(waits))
    sagemaker.stop_training_job(TrainingJobName=waits)
    job = ended(sagemaker, waits)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert not living(group)
    with pytest.raises(ClientError, match="rejected because the training job is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName=waits)
    listed = sagemaker.list_training_jobs(StatusEquals="Stopped", MaxResults=2)
    assert [each["TrainingJobName"] for each in listed["TrainingJobSummaries"]] == [never, waits]
    assert listed["NextToken"]


@pytest.mark.faults
def test_a_killed_runner_fails_the_job_ends_its_process_and_goes_on_with_the_next(sagemaker, s3, cloud):
    running, waiting = start(sagemaker, request(s3, WAITING)), start(sagemaker, request(s3, "print('next')"))
    until(lambda: text(s3, f"{running}/checkpoints/step"))
    group = process(running)
    os.kill(supervisor.SAGEMAKER.running()["pid"], signal.SIGKILL)
    assert living(group)
    cloud.up(print)
    assert not living(group)
    job = ended(sagemaker, running)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: the runner was stopped while the job ran")
    assert text(s3, f"{running}/checkpoints/step") == "1"
    assert ended(sagemaker, waiting)["TrainingJobStatus"] == "Completed"


def machine(aws, resource: str) -> str:
    states = {"Train": {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}}
    definition = json.dumps({"StartAt": "Train", "States": states})
    name = f"pipeline-{uuid.uuid4().hex[:8]}"
    statement = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    created = aws("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)
    return created["stateMachineArn"]


def execution(aws, arn: str) -> dict:
    def found():
        state = aws("stepfunctions").describe_execution(executionArn=arn)
        return state if state["status"] != "RUNNING" else None

    return until(found)


@pytest.mark.faults
def test_step_functions_waits_for_jobs_tells_failures_and_stops_what_is_aborted(sagemaker, s3, aws):
    states = aws("stepfunctions")
    arn = machine(aws, "sagemaker:createTrainingJob.sync")

    def run(code):
        asked = request(s3, code)
        execution = states.start_execution(stateMachineArn=arn, input=json.dumps(asked))["executionArn"]
        return execution, asked["TrainingJobName"]

    started, name = run("print('fine')")
    done = execution(aws, started)
    output = json.loads(done["output"])
    assert (output["TrainingJobName"], output["TrainingJobStatus"]) == (name, "Completed")
    assert output["TrainingEndTime"] > 1_600_000_000_000  # milliseconds

    done = execution(aws, run("raise SystemExit(2)")[0])
    assert (done["status"], done["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(done["cause"])["FailureReason"].endswith("exit code: 2")

    started, name = run(WAITING)
    until(lambda: process(name))
    states.stop_execution(executionArn=started)
    assert ended(sagemaker, name)["TrainingJobStatus"] == "Stopped"

    refused = states.start_execution(stateMachineArn=arn, input=json.dumps({"TrainingJobName": "x"}))
    assert execution(aws, refused["executionArn"])["error"] == "States.Runtime"
    started = states.start_execution(stateMachineArn=arn, input=json.dumps(request(s3, "") | {"TrainingJobName": name}))
    assert execution(aws, started["executionArn"])["error"] == "SageMaker.ResourceInUseException"
    other = machine(aws, "aws-sdk:sagemaker:describeTrainingJob")
    started = states.start_execution(stateMachineArn=other, input=json.dumps({"TrainingJobName": name}))
    assert json.loads(execution(aws, started["executionArn"])["output"])["TrainingJobStatus"] == "Stopped"
    for each in (arn, other):
        states.delete_state_machine(stateMachineArn=each)
        aws("iam").delete_role(RoleName=each.rpartition(":")[2])


def test_down_ends_jobs_and_servers(sagemaker, s3, cloud):
    name = start(sagemaker, request(s3, WAITING))
    group = until(lambda: process(name))
    cloud.down()
    assert not living(group)
    assert not list(paths.RUN.glob("sagemaker*.json"))
    cloud.up(print)
    assert ended(sagemaker, name)["TrainingJobStatus"] == "Failed"
