"""The pipeline's functions, against a SageMaker that takes no request that the real one wouldn't."""

import datetime
import io
import json
from dataclasses import replace

import pytest
from pulumi_tandem.finetuning.sagemaker_steps import sagemaker_steps
from tandem_contract.errors import TandemError
from tandem_contract.run_record import NAME_CHARACTERS, Run, new_name

from tandem.finetuning import recipe as recipes
from tandem.finetuning import registry
from tandem.finetuning.dataset import manifest as manifests
from tandem.finetuning.functions import gate, plan, records, register
from tests.support.aws_requests import AwsService

from .strict_sagemaker import FakeSageMaker, check
from .test_state_machine import ENVELOPE, STATES

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
GATE = {"format_adherence": {"at_least": 0.8, "gain": 0.1}, "exact_match": {"at_least": 0.5}}
RECIPE = recipes.check(
    {"base_model": "Qwen/Qwen3-8B", "method": "qlora", "gate": GATE, "evaluation": {"format": {"regex": "x"}}}
)
SPLIT = {"file": "train.jsonl", "rows": 3, "sha256": "0" * 64, "tokens": {"mean": 1.0, "p95": 1, "max": 1}}
MANIFEST = manifests.make("faq", "CC-BY-4.0", "us", {split: SPLIT for split in ("train", "validation", "test")})
RUN = Run(
    # The longest name that there can be.
    name=new_name("a-data-set-of-a-long-name-about-everything", NOW),
    dataset="datasets/faq/0123456789ab/",
    manifest_digest=MANIFEST["digest"],
    recipe_digest=recipes.digest(RECIPE),
    recipe=RECIPE,
    envelope=ENVELOPE,
    price={"expected": "3.10", "ceiling": "11.20"},
    started_at=NOW.isoformat(),
)
MODEL = f"s3://artifacts/runs/{RUN.name}/jobs/{RUN.name}-train-1/output/model"
EVALUATION = f"s3://artifacts/runs/{RUN.name}/jobs/{RUN.name}-evaluate-1/output/model/"
METRICS = {
    "format_adherence": {"base": 0.01, "tuned": 0.98, "difference": 0.97, "interval": [0.9, 1.0]},
    "exact_match": {"base": 0.1, "tuned": 0.6, "difference": 0.5, "interval": [0.4, 0.6]},
    "token_f1": {"base": 1 / 3, "tuned": 2 / 3, "difference": 1 / 3, "interval": [0.2, 0.4]},
}
ENVIRONMENT = {
    "TANDEM_ARTIFACT_BUCKET": "artifacts",
    "TANDEM_DATASET_BUCKET": "datasets",
    "TANDEM_ENVELOPE": json.dumps(ENVELOPE),
    "TANDEM_CODE": "s3://artifacts/code/0123456789abcdef/",
    "TANDEM_STACK": "dev",
    "TANDEM_TRACKING_URI": "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1",
    "TANDEM_MODEL_PACKAGE_GROUP": "tuning-models-cbfccb8e",
    "TANDEM_SERVING_IMAGE": "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36.0-lmi28.0.0-cu130",
    "TANDEM_SERVING_ENVIRONMENT": json.dumps({"OPTION_ENABLE_PREFIX_CACHING": "true"}),
    "TANDEM_LONGEST_JOB_SECONDS": "14400",
}


class FakeS3(AwsService):
    services = ("s3",)

    def __init__(self):
        self.objects: dict[str, bytes] = {}

    def get_object(self, *, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}


@pytest.fixture
def s3():
    return FakeS3()


@pytest.fixture(autouse=True)
def sagemaker(s3, monkeypatch):
    fake = FakeSageMaker()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for module in (plan, records, register):
        monkeypatch.setattr(module, "client", {"s3": s3, "sagemaker": fake}.get)
    recorded(s3, RUN)
    s3.objects[f"datasets/{RUN.dataset}manifest.json"] = manifests.encoded(MANIFEST)
    s3.objects[f"{MODEL.removeprefix('s3://')}/config.json"] = b'{"max_position_embeddings": 40960}'
    return fake


def recorded(s3, run: Run) -> None:
    s3.objects[f"artifacts/runs/{run.name}/run.json"] = run.to_json()


def evaluated(s3, **changes) -> dict:
    """What the gate says of an evaluation that differs like this from one that passes."""
    digests = {"manifest_digest": RUN.manifest_digest, "recipe_digest": RUN.recipe_digest}
    content = {"rows": 200, "metrics": METRICS, **digests} | changes
    s3.objects[f"{EVALUATION.removeprefix('s3://')}evaluation.json"] = json.dumps(content).encode()
    return gate.handler({"run": RUN.name, "evaluation": EVALUATION}, None)


def planned(step: str = "train", **event) -> dict:
    return plan.handler({"run": RUN.name, "step": step, **event}, None)


def failed(sagemaker, reason="AlgorithmError: it broke, exit code: 1", status="Failed", step="train") -> dict:
    """What Step Functions hands on of a job that failed, its newest."""
    job = next(job for job in reversed(sagemaker.jobs) if f"-{step}-" in job["TrainingJobName"])
    job |= {"TrainingJobStatus": status} | ({"FailureReason": reason} if reason else {})
    cause = json.dumps({key: job[key] for key in ("TrainingJobName", "TrainingJobStatus")})
    return {"failure": {"Error": "States.TaskFailed", "Cause": cause}, "job": job["TrainingJobName"]}


def trained(status: str = "Completed") -> dict:
    return {"model": MODEL, "status": status}


def filled_in(state: str, job: dict, **envelope) -> dict:
    """The request that Step Functions makes of a state's parameters and a planned job."""
    role, images = "arn:aws:iam::123456789012:role/job", dict.fromkeys(("train", "evaluate"), "763104351884.dkr/i:1")
    steps = sagemaker_steps(plan="f", role_arn=role, images=images, envelope=ENVELOPE | envelope)
    parameters = steps.states[state]["Parameters"]
    paths = {key.removesuffix(".$"): path for key, path in parameters.items() if key.endswith(".$")}
    assert all(path.startswith("$.job.value.") for path in paths.values())
    assert set(job) == {path.rpartition(".")[2] for path in paths.values()}  # nothing planned is lost
    fixed = {key: value for key, value in parameters.items() if not key.endswith(".$")}
    return fixed | {key: job[path.rpartition(".")[2]] for key, path in paths.items()}


@pytest.mark.parametrize("spot", [False, True])
def test_what_is_planned_and_what_is_fixed_make_a_request_that_sagemaker_takes(spot):
    assert len(RUN.name) == NAME_CHARACTERS
    check("CreateTrainingJob", filled_in("Train", planned(), spot=spot))
    check("CreateTrainingJob", filled_in("Evaluate", planned("evaluate", trained=trained()), spot=spot))


def test_jobs_find_what_they_need_and_leave_what_they_make_in_the_runs_folder():
    jobs = planned(), planned("evaluate", trained=trained())
    train, evaluate = (
        {each["ChannelName"]: each["DataSource"]["S3DataSource"]["S3Uri"] for each in job["InputDataConfig"]}
        for job in jobs
    )
    assert train == {
        "code": "s3://artifacts/code/0123456789abcdef/",
        "dataset": "s3://datasets/datasets/faq/0123456789ab/",
        "recipe": f"s3://artifacts/runs/{RUN.name}/recipe/",
    }
    assert evaluate == train | {"model": f"{MODEL}/"}
    for job in jobs:
        assert job["OutputDataConfig"] == {
            "S3OutputPath": f"s3://artifacts/runs/{RUN.name}/jobs/",
            "CompressionType": "NONE",
        }
        assert job["Environment"] == {
            "TANDEM_RUN": RUN.name,
            "MLFLOW_TRACKING_URI": ENVIRONMENT["TANDEM_TRACKING_URI"],
        }
        assert {tag["Key"]: tag["Value"] for tag in job["Tags"]} == {
            "tandem:stack": "dev",
            "tandem:artifacts": "artifacts",
            "tandem:run": RUN.name,
            "tandem:manifest-digest": RUN.manifest_digest,
            "tandem:recipe-digest": RUN.recipe_digest,
        }


def test_what_a_job_leaves_is_encrypted_by_the_key_that_is_given(monkeypatch):
    key = "arn:aws:kms:us-east-1:123456789012:key/0b1c2d3e-0000-4000-8000-000000000001"
    monkeypatch.setenv("TANDEM_KMS_KEY", key)
    assert planned()["OutputDataConfig"]["KmsKeyId"] == key
    check("CreateTrainingJob", filled_in("Train", planned()))


def test_attempts_share_their_checkpoints_and_no_job_has_anothers(sagemaker):
    train, evaluate = planned(), planned("evaluate", trained=trained())
    sagemaker.job(train["TrainingJobName"])
    again = planned(**failed(sagemaker))
    assert train["CheckpointConfig"] == again["CheckpointConfig"]
    assert train["CheckpointConfig"]["S3Uri"] == f"s3://artifacts/runs/{RUN.name}/checkpoints/"
    assert evaluate["CheckpointConfig"]["S3Uri"] == f"s3://artifacts/runs/{RUN.name}/evaluate/"


def test_a_base_model_in_the_artifact_bucket_is_a_channel(s3):
    recipe = recipes.check(RECIPE | {"base_model": "models/qwen/"})
    recorded(s3, replace(RUN, recipe=recipe, recipe_digest=recipes.digest(recipe)))
    for job in (planned(), planned("evaluate", trained=trained())):
        (base,) = [each for each in job["InputDataConfig"] if each["ChannelName"] == "base"]
        assert base["DataSource"]["S3DataSource"]["S3Uri"] == "s3://artifacts/models/qwen/"


@pytest.mark.faults
def test_another_recipe_than_was_priced_is_refused(s3):
    recorded(s3, replace(RUN, recipe=RECIPE | {"epochs": 50}))
    with pytest.raises(TandemError, match=r"the recipe of .* is not the one whose digest was recorded"):
        planned()


@pytest.mark.faults
@pytest.mark.parametrize("keeps_digest", [True, False])
def test_another_data_set_than_was_priced_is_refused(s3, keeps_digest):
    changed = manifests.make("faq", "CC0", "us", MANIFEST["splits"])
    if keeps_digest:
        changed |= {"digest": MANIFEST["digest"]}
    s3.objects[f"datasets/{RUN.dataset}manifest.json"] = manifests.encoded(changed)
    with pytest.raises(TandemError, match="is not the manifest whose digest was recorded"):
        planned()


@pytest.mark.faults
def test_a_model_whose_training_was_stopped_is_not_evaluated():
    assert set(trained()) == {key.removesuffix(".$") for key in STATES["Train"]["ResultSelector"]}
    with pytest.raises(TandemError, match="ended as Stopped"):
        planned("evaluate", trained=trained("Stopped"))


def test_the_gate_opens_for_what_meets_every_threshold(s3):
    assert evaluated(s3) == {"passed": True, "reasons": "", "metrics": METRICS}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("metric", "changes", "reason"),
    [
        ("exact_match", {"tuned": 0.4996}, "exact_match is 0.500, below 0.5"),
        ("exact_match", {"tuned": float("nan")}, "exact_match is nan, below 0.5"),
        (
            "format_adherence",
            {"difference": 0.09},
            "gains 0.090 over the base model (95 % interval 0.900 to 1.000); 0.1",
        ),
        ("format_adherence", {"interval": [0.0, 1.0]}, "(95 % interval 0.000 to 1.000); 0.1 is asked for"),
        ("format_adherence", {"interval": [float("nan"), 1.0]}, "0.1 is asked for, with an interval above zero"),
    ],
)
def test_the_gate_stays_shut_and_names_metric_and_numbers(s3, metric, changes, reason):
    found = evaluated(s3, metrics=METRICS | {metric: METRICS[metric] | changes})
    assert found["passed"] is False
    assert found["reasons"].startswith(metric) and reason in found["reasons"]


@pytest.mark.faults
def test_the_gate_lists_every_reason(s3):
    found = evaluated(s3, metrics={"exact_match": METRICS["exact_match"] | {"tuned": 0.1}})
    assert found["reasons"] == "exact_match is 0.100, below 0.5; format_adherence was not measured"


@pytest.mark.faults
@pytest.mark.parametrize("digest", ["manifest_digest", "recipe_digest"])
def test_an_evaluation_of_something_else_opens_no_gate(s3, digest):
    found = evaluated(s3, **{digest: "f" * 64})
    assert not found["passed"]
    assert f"the evaluation is of another {digest}: '{'f' * 64}'" in found["reasons"]


def test_a_model_is_registered_once_and_waits_for_approval(sagemaker):
    event = {"run": RUN.name, "model": MODEL, "metrics": METRICS}
    first = register.handler(event, None)
    assert register.handler(event, None) == first
    (package,) = sagemaker.packages
    package["ClientToken"] = "forgotten"  # as AWS does in time
    assert register.handler(event, None) == first and len(sagemaker.packages) == 1
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["Image"] == ENVIRONMENT["TANDEM_SERVING_IMAGE"]
    # A prefix without its slash would also be that of `model-of-another`.
    assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == f"{MODEL}/"
    assert registry.record(sagemaker, first["model_package"]) == {
        "backend": "sagemaker",
        "model_reference": f"{MODEL}/",
        "base_model": "Qwen/Qwen3-8B",
        "manifest_digest": RUN.manifest_digest,
        "recipe_digest": RUN.recipe_digest,
        "run": RUN.name,
        "metrics": "exact_match=0.100:0.600 format_adherence=0.010:0.980 token_f1=0.333:0.667",
        "status": "PendingManualApproval",
    }


@pytest.mark.parametrize(
    ("rows", "config", "tokens"),
    [
        (1024, {"max_position_embeddings": 40_960}, 8192),  # room for what a hybrid stack asks
        (16_000, {"max_position_embeddings": 40_960}, 16_256),
        (1024, {"text_config": {"max_position_embeddings": 2048}}, 2048),
        (1024, {}, 8192),
    ],
)
def test_a_model_is_served_with_the_length_that_was_evaluated_and_not_with_all_that_it_could(
    s3, sagemaker, rows, config, tokens
):
    """vLLM doesn't start where one conversation of its `max_model_len` doesn't fit beside the weights."""
    recipe = recipes.check(RECIPE | {"max_sequence_tokens": rows})
    recorded(s3, replace(RUN, recipe=recipe, recipe_digest=recipes.digest(recipe)))
    s3.objects[f"{MODEL.removeprefix('s3://')}/config.json"] = json.dumps(config).encode()
    register.handler({"run": RUN.name, "model": MODEL, "metrics": METRICS}, None)
    (container,) = sagemaker.packages[0]["InferenceSpecification"]["Containers"]
    told = {"OPTION_MAX_MODEL_LEN": str(tokens), "OPTION_ENABLE_PREFIX_CACHING": "true"}
    assert container["Environment"] == told


def test_jobs_are_told_where_the_hubs_token_is_and_never_what_it_is(monkeypatch):
    assert "TANDEM_HUB_TOKEN_ARN" not in planned()["Environment"]
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf"
    monkeypatch.setenv("TANDEM_HUB_TOKEN_ARN", secret)
    for job in (planned(), planned("evaluate", trained=trained())):
        assert job["Environment"]["TANDEM_HUB_TOKEN_ARN"] == secret
        check("CreateTrainingJob", filled_in("Train", job))


def test_every_run_has_a_package_of_its_own_whatever_else_is_in_the_group(s3, sagemaker):
    names = [f"run-{number}" for number in range(5)]
    for name in names:
        recorded(s3, replace(RUN, name=name))
    made = [
        register.handler({"run": name, "model": MODEL, "metrics": METRICS}, None)["model_package"] for name in names
    ]
    again = [
        register.handler({"run": name, "model": MODEL, "metrics": METRICS}, None)["model_package"] for name in names
    ]
    assert len(set(made)) == 5 and again == made
    assert registry.packages(sagemaker, ENVIRONMENT["TANDEM_MODEL_PACKAGE_GROUP"]) == made[::-1]


def test_a_managed_back_ends_model_is_registered_without_a_container(sagemaker):
    reference = "ft:gpt-4o-mini-2024-07-18:our-company::B0bC4tz"
    registry.register(
        sagemaker, "models", RUN, backend="openai", model_reference=reference, metrics=METRICS, container=None
    )
    (package,) = sagemaker.packages
    assert package["CustomerMetadataProperties"]["model_reference"] == reference
    assert "InferenceSpecification" not in package
