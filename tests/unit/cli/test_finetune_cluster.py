"""`tandem finetune` on a stack that trains on a cluster: the same recipes, the queue's words, logs by rank."""

import io
import json
from types import SimpleNamespace

import pytest
from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.cli import finetune
from tandem.finetuning import job_record
from tandem.finetuning import recipe as recipes
from tandem.finetuning.job_record import JobRecord
from tests.support.aws_requests import stand_in
from tests.unit.cli.test_finetune import RECIPE, Aws, aws, run  # noqa: F401 - a fixture
from tests.unit.finetuning.backend_harness import Pipeline

OUTPUTS = {
    "datasetBucket": "data",
    "artifactBucket": "artifacts",
    "trainingPipelineArn": "arn:aws:states:us-east-1:1:stateMachine:p",
    "runEnvelopeParameter": "/envelope",
    "modelPackageGroup": "tandem-models",
    "trainingBackend": "eks",
    "clusterFunction": "finetune-cluster",
}
GPUS = "Running On-Demand G and VT instances"


@pytest.fixture
def stack(aws: Aws, project, monkeypatch):  # noqa: F811
    """A stack that trains on a cluster; what the function is asked for, and may do."""
    project.has(**OUTPUTS)
    instances = {"instance_type": "g6e.12xlarge", "instance_count": 2, "evaluation_instance_type": "g6e.2xlarge"}
    aws.envelope |= instances
    aws.quotas = {GPUS: 768.0}
    asked: list[dict] = []
    stack = SimpleNamespace(aws=aws, asked=asked, project=project, does=lambda _request: {})

    def invoke(*, FunctionName, Payload):
        assert FunctionName == OUTPUTS["clusterFunction"]
        asked.append(json.loads(Payload))
        try:
            answer = {"Payload": io.BytesIO(json.dumps(stack.does(asked[-1])).encode())}
        except TandemError as error:
            failed = {"errorMessage": str(error), "errorType": "TandemError"}
            answer = {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failed).encode())}
        return answer

    clients = {"stepfunctions": Pipeline(), "lambda": stand_in("lambda", invoke=invoke)}
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, region: clients.get(service, aws))
    monkeypatch.setattr(finetune, "POLL_SECONDS", 0)
    return stack


@pytest.fixture
def start(stack, tmp_path):
    """Starts a run; its output, and its record if there is one."""

    def started(*options: str, **changes) -> tuple[str, Run | None]:
        file = tmp_path / "recipe.yaml"
        file.write_text(json.dumps(RECIPE | changes))
        result = run("finetune", "start", file, "--data", "walls", "--yes", *options)
        said = " ".join((result.output + str(result.exception or "")).split())
        records = [content["data"] for key, content in stack.aws.objects.items() if key.endswith("run.json")]
        return said, Run.from_json(records[-1]) if records else None

    return started


def recorded(stack, record: Run, **changes) -> JobRecord:
    """The record of the run's training job, or of another step's."""
    first = {"run": record.name, "step": "train", "attempt": 1, "instance_type": "g6e.12xlarge", "instances": 2}
    about = {"created_at": "2026-11-29T09:46:00+00:00", **first, **changes}
    job = JobRecord(f"{record.name}-{about['step']}-1", **about)
    put(stack, job_record.record_key(record.name, job.name), job.to_json())
    return job


def put(stack, key: str, content: bytes) -> None:
    stack.aws.put_object(Bucket="artifacts", Key=key, Body=content)


def test_a_recipe_that_names_no_back_end_runs_where_its_stack_trains_with_the_same_digest(start, stack):
    said, record = start()
    assert record and (record.runs_at, record.recipe["backend"]) == ("eks", "sagemaker"), said
    assert record.recipe_digest == recipes.digest(recipes.check(RECIPE))
    there = json.loads(stack.aws.objects[f"runs/{record.name}/recipe/recipe.json"]["data"])
    assert recipes.digest(there) == record.recipe_digest


def test_an_urgent_run_says_so_in_its_record_where_there_is_a_queue(start, stack):
    _, record = start("--urgent")
    assert record and record.urgent
    assert "urgent" not in json.loads(start()[1].to_json())
    stack.aws.envelope |= {"instance_type": "ml.g6e.2xlarge", "evaluation_instance_type": "ml.g6e.2xlarge"}
    stack.aws.quotas = {"ml.g6e.2xlarge for training job usage": 4.0}
    runs = len([key for key in stack.aws.objects if key.endswith("run.json")])
    said, _ = start("--urgent", "--backend", "sagemaker")
    assert "Runs of SageMaker wait in no queue of the stack's: leave --urgent out." in said
    assert len([key for key in stack.aws.objects if key.endswith("run.json")]) == runs


def test_nodes_are_priced_by_the_hour_of_ec2(start):
    said, _ = start()
    # 2 attempts x 2 nodes x 4.05 h at $10.49264, 2 x 1.05 h at $2.24208, their volumes, a cent for S3: a node bills for
    # three minutes more than its job, and rests for one of them.
    assert "training on g6e.12xlarge" in said and "at most $175.10" in said
    assert "Not in the price: what nodes fetch through a NAT gateway, $0.045 a GB" in said


def test_what_nodes_fetch_through_a_nat_gateway_is_told_beside_the_price(start):
    """16.38 GB to two nodes of the training and one of the evaluation, as often as it is tried."""
    said, _ = start(base_model="Qwen/Qwen3-8B", method="qlora")
    assert "Qwen/Qwen3-8B from the hub, to 3 nodes an attempt, 49.1 GB in all ($2.21)." in said


@pytest.mark.faults
def test_what_the_recipe_names_is_not_what_the_stack_trains_on_unless_the_command_says_so(start):
    said, record = start(backend="sagemaker")
    assert record is None
    assert "The stack trains on a cluster (g6e.12xlarge), not with back end 'sagemaker'" in said
    _, record = start("--backend", "eks", backend="sagemaker")
    assert record and record.runs_at == "eks"


@pytest.mark.faults
def test_a_stack_of_sagemaker_has_no_cluster(start, stack):
    stack.project.has(**{name: value for name, value in OUTPUTS.items() if "luster" not in name})
    said, record = start("--backend", "eks")
    assert record is None and "has no output 'clusterFunction'" in said
    stack.project.has(**(OUTPUTS | {"trainingBackend": "sagemaker"}))
    stack.aws.envelope["instance_type"] = "ml.g6e.2xlarge"
    said, record = start("--backend", "eks")
    assert record is None and "The stack trains on SageMaker (ml.g6e.2xlarge), not with back end 'eks'" in said


@pytest.mark.faults
def test_a_back_end_that_cannot_take_the_recipe_says_so_before_anything_is_read(start):
    said, record = start("--backend", "openai")
    assert record is None and "base_model: 'models/tiny/' is not allowed (with backend openai" in said


@pytest.mark.faults
def test_too_few_processors_are_told_with_the_quota_that_counts_them(start, stack):
    stack.aws.quotas = {GPUS: 64.0}
    said, record = start()
    assert record is None
    assert f"the account's {GPUS!r} is 64, and the run needs 96 vCPUs" in said
    stack.aws.envelope["spot"] = True
    assert "doesn't list: 'All G and VT Spot Instance Requests'" in start()[0]


@pytest.mark.faults
def test_what_fits_instead_is_named_as_ec2_does(start, stack):
    stack.aws.envelope |= {"instance_type": "g5.xlarge", "evaluation_instance_type": "g5.xlarge", "instance_count": 1}
    said, record = start(base_model="Qwen/Qwen3-8B", lora={}, max_sequence_tokens=4096)
    assert record is None and "Set tandem:trainingInstance g6e.xlarge." in said


def test_status_shows_what_the_queue_says_and_the_nodes_money(start, stack):
    _, record = start()
    words = "waiting for quota: 8 of 8 GPUs in use by run other"
    recorded(stack, record, sentence=words)
    shown = run("finetune", "status", record.name).output
    assert f"{record.name}: running, queued: {words}" in shown
    recorded(stack, record, state="training", node_seconds=7200, sentence="")
    put(stack, f"runs/{record.name}/checkpoints/metrics.jsonl", b'{"step": 3, "steps": 9, "loss": 1.5}\n')
    shown = run("finetune", "status", record.name).output
    assert "running, training: step 3 of 9, loss 1.500" in shown
    assert "so far: $20.99 of its Pods' time on nodes, at on-demand prices" in shown
    assert stack.asked == []  # the cluster isn't asked


@pytest.fixture
def logged(start, stack):
    """A run whose job is training, with logs of a host and its ranks."""
    _, record = start()
    job = recorded(stack, record, state="training")
    for name, text in {"host-0": "a\nb\n", "rank-0": "a\n", "rank-7": "of seven\nhalf a li"}.items():
        put(stack, f"{job_record.logs(record.name, job.name)}{name}.log", text.encode())
    return record


def test_logs_are_those_of_a_host_or_a_rank(logged, stack):
    assert run("finetune", "logs", logged.name).stdout == "a\nb\n"
    assert run("finetune", "logs", logged.name, "--rank", "7").stdout == "of seven\n"
    assert run("finetune", "logs", logged.name, "--host", "host-1").stdout == ""  # not written yet
    recorded(stack, logged, state="failed")
    assert run("finetune", "logs", logged.name, "--rank", "7", "--follow").stdout == "of seven\nhalf a li\n"
    recorded(stack, logged, step="evaluate", instances=1, created_at="2026-11-29T10:46:00+00:00")
    assert run("finetune", "logs", logged.name, "--rank", "7").stdout == "of seven\nhalf a li\n"
    assert run("finetune", "logs", logged.name).stdout == ""
    assert run("finetune", "logs", logged.name, "--step", "train").stdout == "a\nb\n"


@pytest.mark.faults
def test_a_host_or_a_rank_that_the_job_has_not_is_refused_with_those_it_has(logged, stack):
    assert (
        "has no host 'algo-1': it has host-0, host-1."
        in run("finetune", "logs", logged.name, "--host", "algo-1").output
    )
    recorded(stack, logged, state="failed")
    said = run("finetune", "logs", logged.name, "--rank", "9").output
    assert "has no log of rank 9: it has host-0, rank-0, rank-7." in said


def test_a_cancelled_job_is_stopped_by_the_function_and_looked_at_until_it_has_ended(start, stack):
    _, record = start()
    job = recorded(stack, record, state="training")
    stack.does = lambda request: recorded(stack, record, state="stopping") and {}
    assert job.name in run("finetune", "cancel", record.name).output
    request = {"run": record.name, "step": "train", "job": job.name}
    assert stack.asked == [{"action": "stop", **request}]
    assert "still stopping" in str(run("finetune", "resume", record.name).output)
    assert stack.asked[-1] == {"action": "observe", **request}
    stack.does = lambda request: recorded(stack, record, state="stopped", counted_restarts=0) and {}
    assert "attempt 2 of 2" in run("finetune", "resume", record.name).output


@pytest.mark.faults
def test_restarts_are_attempts_that_a_resumed_run_has_no_more(start, stack):
    _, record = start()
    recorded(stack, record, state="training")
    stack.does = lambda request: recorded(stack, record, state="stopped", counted_restarts=1) and {}
    run("finetune", "cancel", record.name)
    said = run("finetune", "resume", record.name).output
    assert "has used its 2 of 2 attempts to train" in " ".join(said.split())


@pytest.mark.faults
def test_what_the_function_cannot_do_is_told_in_its_words(start, stack):
    _, record = start()
    recorded(stack, record, state="training")

    def refuse(_request):
        raise TandemError("The cluster refuses DELETE: forbidden")

    stack.does = refuse
    said = run("finetune", "cancel", record.name)
    assert said.exit_code == 1 and "can't stop" in said.output and "refuses DELETE: forbidden" in said.output
