"""What runs have made outside Pulumi is gone before the stack that launched them is."""

import json
from types import SimpleNamespace

import pytest

from tandem.finetuning.functions import clean, owned
from tests.support.aws_requests import AwsService

from .strict_sagemaker import FakeSageMaker

PIPELINE = "arn:aws:states:us-east-1:123456789012:stateMachine:p"
EVENT = {"group": "models", "pipeline": PIPELINE}


class FakeStepFunctions(AwsService):
    """Two executions of runs `a` and `b`, of which the first runs."""

    services = ("stepfunctions",)

    def __init__(self):
        self.stopped = []

    def list_executions(self, *, stateMachineArn, statusFilter):
        assert (stateMachineArn, statusFilter) == (PIPELINE, "RUNNING")
        return {"executions": [{"executionArn": "arn:a", "name": "faq-a-1"}]}

    def stop_execution(self, *, executionArn, error, cause):
        self.stopped.append(executionArn)


@pytest.fixture
def aws(monkeypatch):
    clients = {"sagemaker": FakeSageMaker(), "stepfunctions": FakeStepFunctions()}
    for module in (clean, owned):
        monkeypatch.setattr(module, "client", clients.get)
    monkeypatch.setenv("TANDEM_STACK", "dev")
    monkeypatch.setenv("TANDEM_ARTIFACT_BUCKET", "artifacts")
    monkeypatch.setattr(clean.time, "sleep", lambda seconds: None)
    sagemaker = clients["sagemaker"]
    sagemaker.job("faq-a-train-1", status="Failed")
    sagemaker.job("faq-a-train-2", stack="dev", artifacts="artifacts")
    sagemaker.job("faq-b-train-1", stack="dev", artifacts="artifacts")
    sagemaker.job("faq-a-of-somebody", stack="dev", artifacts="tuning-artifacts-1234567")
    sagemaker.job("my-faq-a", stack="prod")
    for run in ("a", "b"):
        sagemaker.create_model_package(ModelPackageGroupName="models", ClientToken=run)
    sagemaker.create_model_package(ModelPackageGroupName="others", ClientToken="c")
    return SimpleNamespace(**clients)


@pytest.mark.parametrize("action", ["create", "update"])
def test_nothing_happens_before_the_end(aws, action):
    assert clean.handler(EVENT | {"tf": {"action": action}}, None) == {"executions": 0, "jobs": 0, "packages": 0}
    assert not aws.sagemaker.stopped and len(aws.sagemaker.packages) == 3


def test_runs_are_stopped_and_the_groups_packages_deleted(aws):
    done = clean.handler(EVENT | {"tf": {"action": "delete"}}, None)
    assert done == {"executions": 1, "jobs": 1, "packages": 2}
    assert (aws.stepfunctions.stopped, aws.sagemaker.stopped) == (["arn:a"], ["faq-a-train-2"])
    assert [each["ModelPackageGroupName"] for each in aws.sagemaker.packages] == ["others"]
    json.dumps(done)  # what Lambda does with it


@pytest.mark.faults
def test_a_job_that_the_end_of_its_execution_is_stopping_already_is_waited_for(aws, monkeypatch):
    job = next(job for job in aws.sagemaker.jobs if job["TrainingJobName"] == "faq-a-train-2")
    job["TrainingJobStatus"] = "Stopping"
    aws.sagemaker.refusing.add("faq-a-train-2")
    seen = []

    def later(seconds):
        seen.append(seconds)
        job["TrainingJobStatus"] = "Stopped"

    monkeypatch.setattr(clean.time, "sleep", later)
    assert clean.handler(EVENT | {"tf": {"action": "delete"}}, None)["packages"] == 2
    assert len(seen) == 1


@pytest.mark.faults
def test_a_job_that_does_not_end_in_time_fails_the_destroy_with_the_remedy(aws, monkeypatch):
    aws.sagemaker.jobs[1]["TrainingJobStatus"] = "Stopping"
    aws.sagemaker.refusing.add("faq-a-train-2")
    monkeypatch.setattr(clean, "WAIT_SECONDS", -1)
    with pytest.raises(TimeoutError, match="faq-a-train-2; destroy again in a few minutes"):
        clean.handler(EVENT | {"tf": {"action": "delete"}}, None)
    assert len(aws.sagemaker.packages) == 3
