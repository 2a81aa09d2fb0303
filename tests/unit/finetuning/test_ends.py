"""Ends of jobs and of runs: what no other attempt would mend isn't tried, what is paid for is kept and said."""

import argparse
import json
import signal
import socket
import sys
from types import SimpleNamespace

import pytest
import requests
from botocore.exceptions import ClientError
from tandem_contract.errors import Unavailable
from tandem_contract.run_record import checkpoints

from tandem.finetuning.training import __main__ as entry
from tandem.finetuning.training import hub, launcher, models, place, tracking
from tandem.finetuning.training.layout import Layout, Refused
from tests.support.aws_requests import AwsService
from tests.unit.finetuning.backend_harness import harness

pytestmark = pytest.mark.faults
FLAGS = argparse.Namespace(nnodes=None, node_rank=None, master_addr=None, master_port=None)
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf"
TOKEN = "hf_0123456789abcdef"


@pytest.fixture
def layout(tmp_path, monkeypatch) -> Layout:
    """A job's folders, and no GPU."""
    monkeypatch.setenv("TANDEM_ML_ROOT", str(tmp_path))
    monkeypatch.setattr(models, "gpus", lambda: 0)
    monkeypatch.setattr(models, "settle", lambda: None)
    return Layout(tmp_path)


def on(layout: Layout, instance: str) -> None:
    """What SageMaker says of the job's only host."""
    folder = layout.root / "input" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    said = {"hosts": ["algo-1"], "current_host": "algo-1", "current_instance_type": instance}
    (folder / "resourceconfig.json").write_text(json.dumps(said))


@pytest.mark.parametrize("step", ["evaluate", "train"])
def test_a_gpu_that_cannot_be_used_is_refused_before_anything_is_read(layout, monkeypatch, step):
    """Also by an evaluation, and where a program of the image's own trains."""
    monkeypatch.setenv("TANDEM_TRAINER", "trainer")
    on(layout, "ml.g6e.2xlarge")
    assert entry.main([step]) == 2
    assert "algo-1 is an ml.g6e.2xlarge, and no GPU can be used there" in layout.reason()


def test_a_cluster_says_what_its_nodes_are(layout, monkeypatch):
    monkeypatch.setenv("TANDEM_INSTANCE_TYPE", "g6e.2xlarge")
    assert entry.main(["evaluate"]) == 2
    assert "host-0 is an g6e.2xlarge, and no GPU can be used there" in layout.reason()


def test_a_processor_is_no_gpu_that_is_missing(layout):
    on(layout, "ml.m7i.2xlarge")
    assert place.gpus(place.place(layout)) == 0


def test_the_images_own_driver_library_is_tried_once(layout, tmp_path, monkeypatch):
    """As the serving image's entry point does, which a training job replaces."""
    started = []
    monkeypatch.setattr(place, "IMAGE_DRIVER", tmp_path / "compat")
    monkeypatch.setattr(place.os, "execv", lambda program, arguments: started.append((program, arguments)))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib/nvidia")
    on(layout, "ml.g6e.2xlarge")
    place.prefer_image_driver(layout, FLAGS)
    assert started == []  # an image without one
    (tmp_path / "compat").mkdir()
    (tmp_path / "compat" / "libcuda.so.1").touch()
    place.prefer_image_driver(layout, FLAGS)
    assert started == [(sys.executable, [sys.executable, *sys.orig_argv[1:]])]
    assert place.os.environ["LD_LIBRARY_PATH"] == f"{tmp_path / 'compat'}:/usr/lib/nvidia"
    place.prefer_image_driver(layout, FLAGS)
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    on(layout, "ml.m7i.2xlarge")
    place.prefer_image_driver(layout, FLAGS)
    on(layout, "ml.g6e.2xlarge")
    monkeypatch.setattr(models, "gpus", lambda: 1)
    place.prefer_image_driver(layout, FLAGS)
    assert len(started) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyError("weights"), 2),
        (TypeError("no such argument"), 2),
        (RuntimeError("NCCL error"), 1),
        (ConnectionError("reset"), 1),
        (Unavailable("the hosts didn't meet"), 1),
        (Refused("a wrong module"), 2),
    ],
)
def test_an_exit_code_says_whether_another_attempt_can_help(layout, monkeypatch, error, code):
    def fails(_layout):
        raise error

    monkeypatch.setitem(entry.STEPS, "evaluate", fails)
    assert entry.main(["evaluate"]) == code


def test_a_rank_that_the_kernel_killed_for_want_of_memory_is_not_tried_again(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    monkeypatch.setattr(launcher, "MEMORY_EVENTS", events)
    try:
        assert launcher.memory_kills() == 2
        killed = {1: SimpleNamespace(exitcode=-signal.SIGKILL)}
        (tmp_path / "none").mkdir()
        found = launcher._verdict(tmp_path / "none", killed, launcher._Told(), 1)
        assert found.code == 2 and "too little memory" in found.reason and "rank 1" in found.reason
        assert launcher._verdict(tmp_path / "none", killed, launcher._Told(), 0).code == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    events.unlink()
    assert launcher.memory_kills() == 0


@pytest.mark.parametrize(("status", "kind"), [(503, Unavailable), (429, Unavailable), (401, Refused), (404, Refused)])
def test_a_hub_that_fails_is_tried_again_and_one_that_refuses_is_not(status, kind):
    cause = ValueError("from the hub")
    cause.response = SimpleNamespace(status_code=status)
    error = OSError("can't load")
    error.__cause__ = cause
    assert type(models._unless_away(error, "text")) is kind


@pytest.mark.faults
@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (TimeoutError("read timed out"), Unavailable),
        (ConnectionResetError("reset by peer"), Unavailable),
        (requests.exceptions.ConnectionError("Max retries exceeded"), Unavailable),
        (requests.exceptions.ReadTimeout("read timed out"), Unavailable),
        (socket.gaierror("Name or service not known"), Refused),
        (ValueError("no such file"), Refused),
    ],
)
def test_a_hub_that_was_lost_is_tried_again_and_one_that_nobody_knows_is_not(cause, kind):
    error = OSError("We couldn't connect to 'https://huggingface.co'")
    error.__cause__ = cause
    assert type(models._unless_away(error, "text")) is kind


class Secrets(AwsService):
    services = ("secretsmanager",)

    def __init__(self, text: str | None) -> None:
        self.text, self.asked = text, []

    def get_secret_value(self, SecretId):
        self.asked.append(SecretId)
        if self.text is None:
            error = {"Code": "AccessDeniedException", "Message": "not authorized to perform GetSecretValue"}
            raise ClientError({"Error": error}, "GetSecretValue")
        return {"SecretString": self.text}


@pytest.fixture
def secrets(monkeypatch):
    """The secret that the stack names, and what is in it."""
    monkeypatch.setenv("TANDEM_HUB_TOKEN_ARN", ARN)
    monkeypatch.setenv("HF_TOKEN", "")
    found = Secrets(f"{TOKEN}\n")
    monkeypatch.setattr(hub, "_client", lambda region: found if region == "eu-west-1" else None)
    return found


def test_the_job_reads_the_token_itself(secrets):
    hub.sign_in()
    assert hub.os.environ["HF_TOKEN"] == TOKEN
    hub.sign_in()
    assert secrets.asked == [ARN]


def test_a_secret_that_cannot_be_read_is_refused_and_never_shown(secrets, layout):
    secrets.text = None
    with pytest.raises(Refused, match=r"The secret of tandem:hubTokenSecret can't be read: .*not authorized"):
        hub.sign_in()
    for text in (f"{TOKEN} and more", json.dumps({"token": TOKEN})):  # which the console makes
        secrets.text = text
        with pytest.raises(Refused, match="has to hold the token as its text") as caught:
            hub.sign_in()
        assert TOKEN not in str(caught.value)
    assert entry.main(["evaluate"]) == 2 and "tandem:hubTokenSecret" in layout.reason()


class Mlflow:
    """A tracker's callback that fails from its second report on."""

    def __init__(self) -> None:
        self.heard = []

    def on_log(self, *_arguments, **options):
        self.heard.append(options)
        if len(self.heard) > 1:
            raise RuntimeError("Max retries exceeded\nwith url")


def test_a_broken_tracker_is_a_line_in_the_log():
    lines, broken = [], Mlflow()
    tracked = tracking.Tracked(broken, lines.append)
    for _ in range(4):
        assert tracked.on_log("args", "state", "control", logs={}) is None
    tracked.on_train_end("args", "state", "control")
    assert len(broken.heard) == 2
    assert lines == [
        "MLflow failed, and isn't told more: Max retries exceeded. From here on metrics go to metrics.jsonl only"
    ]


def test_a_tracker_that_cannot_even_be_loaded_is_one_too(monkeypatch):
    """Here transformers isn't installed at all."""
    lines = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "transformers.integrations", None)
    assert tracking.tracker(lines.append) == []
    assert len(lines) == 1 and "can't be used" in lines[0] and lines[0].endswith("metrics go to metrics.jsonl only")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking.tracker(lines.append) == [] and len(lines) == 1


@pytest.fixture
def stack(tmp_path, monkeypatch):
    with harness("sagemaker", tmp_path, monkeypatch) as found:
        yield found


def ended(stack, run, error: str = "", **cause: str):
    """The status of a run whose execution ended with an error."""
    execution = list(stack.pipeline.executions.values())[-1]
    execution |= {"status": "FAILED", "error": error, "cause": json.dumps(cause)}
    return stack.backend.status(run)


def job(stack, run, step: str, **described) -> None:
    stack.sagemaker.job(f"{run.name}-{step}-1")
    stack.sagemaker.jobs[-1] |= {"BillableTimeInSeconds": 3600, **described}


def test_a_training_that_failed_says_the_checkpoint_that_is_kept_and_what_it_cost(stack):
    run = stack.started()
    job(stack, run, "train", TrainingJobStatus="Failed", FailureReason="exit code: 137")
    status = ended(stack, run, errorMessage="all attempts are used")
    assert (status.failed_at, status.kept[:21]) == ("train", "no checkpoint yet: `t")
    assert status.spent and status.spent > 2
    for name in ("checkpoint-50/complete.json", "checkpoint-100/complete.json", "checkpoint-150/host-algo-1.json"):
        stack.aws.put_object(Bucket="artifacts", Key=f"{checkpoints(run.name)}{name}", Body=b"{}")
    assert "the checkpoint of step 100 is kept" in stack.backend.status(run).kept


def test_an_evaluation_that_failed_keeps_the_model(stack):
    """By the serving image, say."""
    run = stack.started()
    job(stack, run, "train", TrainingJobStatus="Completed")
    job(stack, run, "evaluate", TrainingJobStatus="Failed", FailureReason="AlgorithmError: vLLM, exit code: 2")
    status = ended(stack, run, errorMessage="AlgorithmError: vLLM, exit code: 2")
    assert status.failed_at == "evaluate" and "the model is kept" in status.kept
    assert stack.backend.resume(run) == "attempt 2 of 2"


def test_a_registration_that_failed_keeps_all_that_was_paid_for(stack):
    """By a policy, say."""
    run = stack.started()
    job(stack, run, "train", TrainingJobStatus="Completed")
    job(stack, run, "evaluate", TrainingJobStatus="Completed")
    status = ended(stack, run, "ClientError", errorMessage="AccessDenied: CreateModelPackage")
    assert status.failed_at == "register" and "model and evaluation are kept" in status.kept
    assert "gate and registration" in stack.backend.resume(run)
    assert ended(stack, run, "GateFailed").failed_at == "gate"
