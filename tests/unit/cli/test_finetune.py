"""`tandem finetune check` refuses what would fail, before anything is billed; `promote` writes what was approved."""

import json
import struct
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from tandem_contract.envelope import DEFAULT
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.finetuning.dataset.store import Store
from tests.unit.finetuning.buckets import FakeBucket

ARTIFACTS = "artifacts"
# A first checkpoint after hours.
LATE = {"max_steps": 10_000_000, "checkpoint_steps": 1_000_000, "gradient_accumulation": 1024}
CONFIG = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "vocab_size": 400,
    "max_position_embeddings": 128,
}
RECIPE = {
    "base_model": "models/tiny/",
    "max_sequence_tokens": 64,
    "gate": {"token_f1": {"at_least": 0.1}},
    "lora": {"modules": ["q_proj"]},
    "evaluation": {"max_new_tokens": 16},
}


OUTPUTS = {
    "datasetBucket": "data",
    "artifactBucket": ARTIFACTS,
    "trainingPipelineArn": "arn:aws:states:us-east-1:1:stateMachine:p",
    "runEnvelopeParameter": "/envelope",
    "modelPackageGroup": "tandem-models",
}


class Aws(FakeBucket):
    """What the commands read of AWS: an S3 bucket, the envelope, the quotas, a registry of one package."""

    services = ("s3", "ssm", "service-quotas", "sagemaker")

    def __init__(self) -> None:
        super().__init__()
        self.meta = SimpleNamespace(region_name="us-east-1")
        self.envelope, self.record = asdict(DEFAULT), {}
        self.quotas: dict[str, float] | None = {"ml.g6e.2xlarge for training job usage": 4.0}

    def get_object(self, *, Bucket, Key, Range=None):
        body = super().get_object(Bucket=Bucket, Key=Key)["Body"]
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            body.seek(int(first))
            return {"Body": SimpleNamespace(read=lambda: body.getvalue()[int(first) : int(last) + 1])}
        return {"Body": body}

    def get_parameter(self, Name):
        return {"Parameter": {"Value": json.dumps(self.envelope)}}

    def list_service_quotas(self, ServiceCode, NextToken=None):
        if self.quotas is None:
            raise EndpointConnectionError(endpoint_url="https://servicequotas")
        if NextToken is None:
            return {"Quotas": [{"QuotaName": "ml.g6e.2xlarge for endpoint usage", "Value": 9.0}], "NextToken": "2"}
        return {"Quotas": [{"QuotaName": name, "Value": value} for name, value in self.quotas.items()]}

    def list_model_packages(self, **request):
        return {
            "ModelPackageSummaryList": [
                {"ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/g/1"}
            ]
        }

    def describe_model_package(self, ModelPackageName):
        return self.record

    def update_model_package(self, ModelPackageArn, ModelApprovalStatus, ApprovalDescription):
        self.record["ModelApprovalStatus"] = ModelApprovalStatus


def rows(count: int) -> str:
    told = ("How many stones has wall {n}?", "Wall {n} has {n} stones.")
    lines = []
    for n in range(count):
        messages = [{"role": r, "content": t.format(n=n)} for r, t in zip(("user", "assistant"), told, strict=True)]
        lines.append(json.dumps({"messages": messages}))
    return "\n".join(lines)


@pytest.fixture
def aws(project, tmp_path, monkeypatch) -> Aws:
    """A stack with a data set and a base model, in the shell's region."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    project.has(**OUTPUTS)
    aws = Aws()
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, region: aws)
    source, folder = tmp_path / "rows.jsonl", tmp_path / "set"
    source.write_text(rows(120))
    facts = ["--name", "walls", "--licence", "CC0-1.0", "--source", "invented", "--to", str(folder)]
    assert run("dataset", "import", str(source), *facts).exit_code == 0
    Store(aws, "data").upload(folder)
    tensors = {f"model.layers.0.self_attn.{name}.weight": {} for name in ("q_proj", "v_proj")}
    header = json.dumps({"__metadata__": {}, **tensors}).encode()
    for name, data in {
        "config.json": json.dumps(CONFIG).encode(),
        "model.safetensors": struct.pack("<Q", len(header)) + header,
    }.items():
        aws.put_object(Bucket=ARTIFACTS, Key=f"models/tiny/{name}", Body=data, ContentType="")
    return aws


def run(*arguments: str):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def check(aws, tmp_path):
    """Run `check` with changes to the recipe; returns its exit code and its words on one line."""

    def checked(**changes) -> tuple[int, str]:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(json.dumps(RECIPE | changes))
        result = run("finetune", "check", recipe, "--data", "walls")
        return result.exit_code, " ".join((result.output + str(result.exception or "")).split())

    return checked


def test_check_prints_memory_and_the_ceiling(check):
    code, text = check()
    assert code == 0, text
    assert "of 48 GB" in text
    # 2 attempts x 4 h and 2 x 1 h of evaluation at $2.80, and a cent for S3.
    assert "at most $28.01" in text
    # Ten minutes until the first step, and an evaluation as long as it may be.
    assert "0.17 h of training on ml.g6e.2xlarge, 1.00 h of evaluation on ml.g6e.2xlarge)" in text


def test_a_plan_is_there_as_json(aws, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(RECIPE))
    plan = json.loads(run("finetune", "check", recipe, "--data", "walls", "--json").stdout)
    assert plan["price"]["ceiling"] == "28.01"
    assert {it["unit"] for it in plan["ceiling"]} >= {"hour"} and plan["data"].startswith("datasets/walls/")


@pytest.mark.faults
def test_not_enough_memory_is_refused_with_an_instance_that_has_it(aws, check):
    aws.envelope["instance_type"] = aws.envelope["evaluation_instance_type"] = "ml.g5.xlarge"
    code, text = check(base_model="Qwen/Qwen3-8B", method="lora", lora={}, max_sequence_tokens=4096)
    assert code == 1
    assert "GB of GPU memory" in text and "a A10G of ml.g5.xlarge has 24" in text
    # Fewer rows, or qlora, would fit the GPU, and the host still couldn't read the base model.
    assert "Set tandem:trainingInstance ml.g6e.xlarge." in text


HUB = {"base_model": "Qwen/Qwen3-8B", "lora": None, "max_sequence_tokens": 1024}


def test_several_gpus_share_the_run(aws, check):
    aws.envelope |= {"instance_type": "ml.g6e.12xlarge", "instance_count": 2}
    code, text = check(**HUB)
    assert code == 0, text
    assert "GB (L40S, ml.g6e.12xlarge) on each of 8 GPUs" in text
    # 2 attempts x 4 h x 2 instances at $13.12, 2 x 1 h of evaluation at $2.80, and storage.
    assert "at most $215.93" in text


@pytest.mark.faults
def test_gpus_that_do_not_divide_a_step_are_refused_with_what_would_do(aws, check):
    aws.envelope["instance_count"] = 3
    code, text = check(**HUB)
    assert code == 1
    assert "4 x 4 = 16 rows" in text and "3 ranks, one a GPU" in text
    assert "set gradient_accumulation to 3 or 6, any multiple of 3 does" in text
    assert "tandem:trainingInstances 3 of ml.g6e.2xlarge" in text


@pytest.mark.faults
@pytest.mark.parametrize(
    ("instances", "changes", "says"),
    [
        (
            ("ml.g6e.12xlarge", 1),
            {"method": "full"},
            "needs 43.7 GB of GPU memory on each of 4 GPUs and 10% to spare; a L40S of ml.g6e.12xlarge has 48. Set "
            "batch_size 2 with gradient_accumulation 8, which learns the same, or method lora, or "
            "tandem:trainingInstance ml.p4de.24xlarge.",
        ),
        # One row at once is too much as well.
        (
            ("ml.g6e.12xlarge", 1),
            {"method": "full", "base_model": "Qwen/Qwen2.5-14B"},
            "Set method lora, or tandem:trainingInstance ml.p4de.24xlarge.",
        ),
        # Sharded as far as 16 rows go it doesn't fit either: what does is another method.
        (
            ("ml.p4de.24xlarge", 1),
            {"method": "full", "base_model": "meta-llama/Llama-3.3-70B-Instruct"},
            "GB of GPU memory on each of 8 GPUs and 10% to spare; a A100 of ml.p4de.24xlarge has 80. Set method lora. "
            "With method full, the run needs",
        ),
        (
            ("ml.g6e.2xlarge", 1),
            {"method": "full", "batch_size": 1, "gradient_accumulation": 1, "base_model": "Qwen/Qwen2.5-32B"},
            "Set method lora with tandem:trainingInstance ml.p5.4xlarge.",
        ),
        (
            ("ml.g6e.xlarge", 1),
            {"method": "qlora", "base_model": "Qwen/Qwen2.5-14B"},
            "needs 33.5 GB of the machine's own memory and 10% to spare, since the base model is read there; "
            "ml.g6e.xlarge has 34.4. Set tandem:trainingInstance ml.g6e.2xlarge.",
        ),
    ],
)
def test_what_does_not_fit_says_what_would(aws, check, instances, changes, says):
    aws.envelope["instance_type"], aws.envelope["instance_count"] = instances
    code, text = check(**HUB | changes)
    assert code == 1 and says in text, text


@pytest.mark.faults
def test_a_model_that_cannot_be_evaluated_is_refused_before_it_is_trained(aws, check):
    aws.envelope["instance_type"] = "ml.g6e.4xlarge"
    code, text = check(**HUB | {"base_model": "Qwen/Qwen2.5-32B", "method": "qlora"})
    assert code == 1 and "1 mistake" in text
    assert "tandem:evaluationInstance: the evaluation takes 76.3 GB of one GPU with 8192 tokens" in text
    assert "a L40S of ml.g6e.2xlarge has 48" in text
    assert "Set it to ml.p5.4xlarge." in text


def test_an_evaluation_that_leaves_gpus_idle_is_said(aws, check):
    aws.envelope["evaluation_instance_type"] = "ml.g6e.12xlarge"
    code, text = check(**HUB)
    assert code == 0, text
    assert "Evaluation: it uses one of the 4 GPUs of ml.g6e.12xlarge; set tandem:evaluationInstance" in text


@pytest.mark.faults
def test_what_is_not_known_of_an_instance_is_said(aws, check):
    aws.envelope["instance_type"] = "ml.p9.huge"
    code, text = check()
    assert code == 0
    assert "NOT PRICED: AmazonSageMaker training:ml.p9.huge" in text
    assert "Memory is not checked: ml.p9.huge is not among" in text
    unlisted = next(line for line in text.splitlines() if "Quotas are not checked that Service Quotas" in line)
    assert "'ml.p9.huge for training job usage'" in unlisted


@pytest.mark.faults
def test_a_runtime_too_short_for_a_checkpoint_is_refused(aws, check):
    aws.envelope["max_runtime_seconds"] = 720
    code, text = check(**LATE)
    assert code == 1
    assert "720 s are too short to save a checkpoint" in text and "tandem:maxTrainingHours" in text


@pytest.mark.faults
def test_a_sequence_longer_than_the_model_is_refused(check):
    code, text = check(max_sequence_tokens=4096)
    assert code == 1
    assert "max_sequence_tokens is 4096 and the model takes 128" in text


@pytest.mark.faults
def test_modules_that_match_nothing_are_refused_with_those_that_exist(check):
    code, text = check(lora={"modules": ["q_proj", "k_proj"]})
    assert code == 1
    assert "k_proj match nothing in the model. It has q_proj, v_proj" in text


@pytest.mark.faults
def test_a_pattern_that_needs_ages_is_refused_before_anything_is_billed(check, monkeypatch):
    monkeypatch.setattr("tandem.measures.patterns.SECONDS", 0.2)
    code, text = check(evaluation={"format": {"regex": r"(\w+\s?)*\."}})
    assert code == 1 and "Nothing is started or billed" in text
    assert "without a repeat within a repeat" in text


@pytest.mark.faults
def test_an_unknown_recipe_key_is_refused_with_its_likely_spelling(check):
    code, text = check(learning_rat=0.1)
    assert code == 1
    assert "learning_rat" in text and "learning_rate" in text


@pytest.mark.faults
def test_everything_wrong_is_said_at_once(aws, check):
    aws.quotas["ml.g6e.2xlarge for training job usage"], aws.envelope["max_runtime_seconds"] = 0.0, 720
    code, text = check(lora={"modules": ["w1"]}, **LATE)
    assert code == 1
    for part in ("quota:", "maxTrainingHours:", "lora.modules: w1"):
        assert part in text


@pytest.mark.faults
def test_a_base_model_that_is_not_there_is_refused(check):
    code, text = check(base_model="models/other/")
    assert code == 1
    assert "has no config.json" in text


def test_a_bug_keeps_its_traceback(check, aws, tmp_path, monkeypatch):
    """Only what is known to be the user's or AWS's is told in a sentence."""

    def buggy(*arguments, **more):
        raise ValueError("list.remove(x): x not in list")

    monkeypatch.setattr("tandem.finetuning.backends.preflight.estimate", buggy)
    check()
    result = run("finetune", "check", tmp_path / "recipe.yaml", "--data", "walls")
    assert isinstance(result.exception, ValueError) and result.output == ""


RECORD = {
    "ModelApprovalStatus": "PendingManualApproval",
    "CustomerMetadataProperties": {"backend": "sagemaker", "model_reference": "s3://x/", "run": "walls-1"},
}
STACK = "config:\n  aws:region: us-east-1 # home\n  tandem:environment: finetuning\n"


@pytest.fixture
def stack_file(tmp_path):
    file = tmp_path / "Pulumi.finetune-dev.yaml"
    file.write_text(STACK)
    return file


@pytest.mark.faults
def test_promote_refuses_what_is_not_approved(aws, stack_file):
    aws.record = json.loads(json.dumps(RECORD))
    result = run("finetune", "promote", "walls-1", "--config", stack_file)
    assert result.exit_code == 1 and "PendingManualApproval" in result.output
    assert stack_file.read_text() == STACK


def test_promote_writes_the_approved_model_and_prints_the_difference(aws, stack_file):
    aws.record = json.loads(json.dumps(RECORD))
    result = run("finetune", "promote", "walls-1", "--approve", "--config", stack_file)
    assert result.exit_code == 0, result.output
    line = "  tandem:model: arn:aws:sagemaker:us-east-1:123456789012:model-package/g/1\n"
    assert stack_file.read_text() == STACK + line
    assert f"+{line}" in result.output
    assert run("finetune", "promote", "walls-1", "--config", stack_file).exit_code == 0
    assert stack_file.read_text() == STACK + line


@pytest.mark.parametrize("message", ['Could not find endpoint "tuned".', "no"])
def test_promote_says_that_the_endpoint_is_gone_and_how_to_have_it_again(aws, project, stack_file, message):
    """Pulumi, which doesn't know, would update an endpoint that isn't there."""

    def describe_endpoint(EndpointName):
        asked.append(EndpointName)
        if len(asked) > 1:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")

    asked: list[str] = []
    aws.record, aws.describe_endpoint = json.loads(json.dumps(RECORD)), describe_endpoint
    project.has(**OUTPUTS, endpointName="tuned")
    there, gone = (run("finetune", "promote", "walls-1", "--approve", "--config", stack_file) for _ in range(2))
    assert (there.exit_code, gone.exit_code, asked) == (0, 0, ["tuned"] * 2)
    assert "is gone" not in there.output
    assert ("`pulumi up --refresh --stack finetune-dev`" in gone.output) == message.startswith("Could not find")


@pytest.mark.faults
def test_promote_of_a_run_that_registered_nothing_says_so(aws, stack_file):
    aws.record = json.loads(json.dumps(RECORD))
    result = run("finetune", "promote", "another-2", "--config", stack_file)
    assert result.exit_code == 1 and "has registered no model" in result.output
