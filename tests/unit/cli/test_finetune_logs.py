"""`tandem finetune logs`: one host's log of those that a job on several instances writes."""

import json
from types import SimpleNamespace

import pytest

from tandem.cli import finetune
from tandem.clients import aws as accounts
from tests.support.aws_requests import AwsService
from tests.unit.cli.test_finetune import RECIPE, Aws, aws, run  # noqa: F401 - a fixture
from tests.unit.finetuning.backend_harness import Pipeline
from tests.unit.finetuning.strict_sagemaker import FakeSageMaker

GROUP = "/aws/sagemaker/TrainingJobs"


class Logs(AwsService):
    """CloudWatch Logs: a line a page, and tokens that are good for their own stream alone."""

    services = ("logs",)

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def __init__(self) -> None:
        self.streams: dict[str, list[str]] = {}
        self.read = lambda: None
        """Called before each page is read."""

    def describe_log_streams(self, *, logGroupName, logStreamNamePrefix):
        if not self.streams:
            raise LookupError(logGroupName)
        names = sorted(name for name in self.streams if name.startswith(logStreamNamePrefix))
        return {"logStreams": [{"logStreamName": name} for name in names]}

    def get_log_events(self, *, logGroupName, logStreamName, startFromHead, nextToken=None):
        assert (logGroupName, startFromHead) == (GROUP, True)
        stream, at = (nextToken or f"{logStreamName}:0").split(":")
        assert stream == logStreamName
        self.read()
        lines = self.streams[stream][int(at) : int(at) + 1]
        return {"events": [{"message": line} for line in lines], "nextForwardToken": f"{stream}:{int(at) + len(lines)}"}


@pytest.fixture
def started(aws: Aws, tmp_path, monkeypatch):  # noqa: F811
    """A run's name, the job that trains it on two instances, and CloudWatch."""
    clients = {"sagemaker": FakeSageMaker(), "stepfunctions": Pipeline(), "logs": Logs()}
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, region, **_: clients.get(service, aws))
    monkeypatch.setattr(finetune, "POLL_SECONDS", 0)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(RECIPE))
    result = run("finetune", "start", recipe, "--data", "walls", "--yes")
    assert result.exit_code == 0, result.output
    name = next(line for line in result.output.splitlines() if line.startswith("walls-"))
    clients["sagemaker"].job(f"{name}-train-1", status="Completed")
    (job,) = clients["sagemaker"].jobs
    job["ResourceConfig"]["InstanceCount"] = 2
    return name, job, clients["logs"]


def evaluates(name: str) -> None:
    accounts.client("sagemaker", "us-east-1").job(f"{name}-evaluate-1", status="Completed")


def test_the_first_host_is_shown_and_another_on_request(started):
    name, job, logs = started
    assert run("finetune", "logs", name).stdout == ""  # nothing was written yet
    logs.streams = {f"{name}-train-1/algo-{n}-17000000{n}": [f"line {i} of {n}" for i in (1, 2)] for n in (2, 1, 10)}
    first = run("finetune", "logs", name)
    assert first.stdout == "line 1 of 1\nline 2 of 1\n"
    assert first.stderr == f"{name}-train-1 has 2 hosts, each with a log: --host chooses another\n"
    second = run("finetune", "logs", name, "--host", "algo-2")
    assert (second.stdout, second.stderr) == ("line 1 of 2\nline 2 of 2\n", "")
    job["ResourceConfig"]["InstanceCount"] = 1
    assert run("finetune", "logs", name).stderr == ""


def test_a_log_that_is_followed_stays_the_same_hosts(started):
    """The second host starts first; its log is there before the first one's."""
    name, job, logs = started
    job["TrainingJobStatus"] = "InProgress"
    late, early = (f"{name}-train-1/algo-{n}-170000000" for n in (1, 2))
    logs.streams = {early: ["one", "two", "three"]}

    def goes_on():
        logs.streams[late] = ["of the first host"]
        job["TrainingJobStatus"] = "Completed"

    logs.read = goes_on
    assert run("finetune", "logs", name, "--follow").stdout == "one\ntwo\nthree\n"


def test_the_trainings_log_is_there_once_the_evaluation_has_its_own(started):
    name, _, logs = started
    evaluates(name)
    logs.streams = {f"{name}-train-1/algo-{n}-170000000": [f"host {n} trains"] for n in (1, 2)}
    logs.streams[f"{name}-evaluate-1/algo-1-170000000"] = ["it answers"]
    assert run("finetune", "logs", name).stdout == "it answers\n"
    assert run("finetune", "logs", name, "--step", "train", "--host", "algo-2").stdout == "host 2 trains\n"


@pytest.mark.faults
def test_a_step_without_a_job_and_another_steps_host_are_told(started):
    name, _, _ = started
    said = run("finetune", "logs", name, "--step", "evaluate").output
    assert f"has no job of step evaluate yet: it has {name}-train-1." in said
    evaluates(name)
    said = run("finetune", "logs", name, "--host", "algo-2").output
    words = "-evaluate-1, a job of step evaluate, has no host 'algo-2': it has algo-1. --step chooses another"
    assert words in " ".join(said.split())
    assert (
        "without ranks: leave --rank out" in run("finetune", "logs", name, "--step", "evaluate", "--rank", "0").output
    )


@pytest.mark.faults
def test_a_host_that_the_job_has_not_is_refused_with_those_it_has(started):
    name, _, _ = started
    result = run("finetune", "logs", name, "--host", "algo-3")
    assert result.exit_code == 1
    assert "has no host 'algo-3': it has algo-1, algo-2." in " ".join(result.output.split())


@pytest.mark.faults
def test_ranks_share_their_hosts_log(started):
    name, _, _ = started
    result = run("finetune", "logs", name, "--rank", "1")
    assert result.exit_code == 1 and "choose it by --host, not --rank" in result.output
