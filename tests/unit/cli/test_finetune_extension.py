"""A training back end of the tests' own, by one entry in the table: every command, the registry, what is deployed."""

import json

import pytest
import yaml

from samples.previews import digest, state, step
from scripts.recorder import record_stack
from tandem.cli import finetune
from tandem.finetuning.backend_table import BACKENDS
from tests.unit.cli.test_finetune import Aws, aws, run  # noqa: F401 - a fixture
from tests.unit.finetuning import slow_backend
from tests.unit.finetuning.strict_sagemaker import FakeSageMaker
from tests.unit.policies.judging import Thing
from tests.unit.policies.test_pack import mandatory

RECIPE = {
    "base_model": "models/tiny/",
    "backend": slow_backend.NAME,
    "evaluation": {"max_rows": 6, "format": {"regex": r"Wall \d+ .+"}},
    "gate": {"format_adherence": {"at_least": 0.8, "gain": 0.1}},
}
STACK = {"tandem:environment": "finetuning", "tandem:retention": "erase"}


@pytest.fixture
def sagemaker(aws: Aws, project, monkeypatch) -> FakeSageMaker:  # noqa: F811
    """The registry of a stack that has neither pipeline nor envelope, and the back end in the table."""
    monkeypatch.setitem(BACKENDS, slow_backend.NAME, slow_backend.ROW)
    monkeypatch.setattr(finetune, "POLL_SECONDS", 0)
    registry = FakeSageMaker()
    monkeypatch.setattr(
        "tandem.clients.aws.client", lambda service, region: registry if service == "sagemaker" else aws
    )
    outputs = {"datasetBucket": "data", "artifactBucket": "artifacts", "modelPackageGroup": "tandem-models"}
    project.has(**outputs)
    return registry


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(RECIPE))
    return file


def said(*arguments: object, code: int = 0) -> str:
    result = run("finetune", *arguments)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def started(recipe) -> str:
    result = run("finetune", "start", recipe, "--data", "walls", "--yes")
    assert result.exit_code == 0, result.output
    return next(line for line in result.output.splitlines() if line.startswith("walls-"))


def test_from_the_check_to_an_endpoint_and_its_cost(sagemaker, recipe, tmp_path):
    assert "tells what a run costs when it has ended" in said("check", recipe, "--data", "walls")
    assert "an amount that is not known here" in said("start", recipe, "--data", "walls", code=1)
    name = started(recipe)
    assert "training, waiting for the first step so far: unknown (told at the end)" in said("status", name)
    followed = said("status", name, "--follow")
    assert "training: step 2 of 3, loss 0.500; unknown (told at the end)" in followed
    assert f"{name}: succeeded" in followed and "so far: $4.20 of cluster time" in followed
    assert "format_adherence" in said("compare", name)

    config = tmp_path / "Pulumi.finetune-dev.yaml"
    config.write_text("config:\n  tandem:environment: finetuning\n")
    assert "PendingManualApproval" in said("promote", name, "--config", config, code=1)
    sagemaker.update_model_package = lambda ModelPackageArn, ModelApprovalStatus, ApprovalDescription: (
        sagemaker.packages[0].update(ModelApprovalStatus=ModelApprovalStatus)
    )
    assert "+ tandem:model: arn:aws:sagemaker:" in said("promote", name, "--approve", "--config", config)
    model = yaml.safe_load(config.read_text())["config"]["tandem:model"]

    deployed = record_stack(STACK | {"tandem:model": model})
    assert deployed.one("aws:sagemaker/model:Model").inputs["primaryContainer"]["modelPackageName"] == model
    resources = [each for each in deployed.resources if each.custom]
    things = [Thing(each.type, each.inputs, each.name, each.references, each.protect) for each in resources]
    assert mandatory(things, "dev") == {}
    preview = tmp_path / "preview.json"
    preview.write_text(digest(*(step("create", None, state(each.type, each.name, each.inputs)) for each in resources)))
    cost = json.loads(run("cost", preview, "--format", "json").output)
    assert float(cost["numbers"]["run_expected"]["after"]) > 0


def test_cancelling_takes_its_time(sagemaker, recipe):
    name = started(recipe)
    said("status", name)
    assert said("cancel", name) == f"cancelled; stopping slow/{name}"
    assert said("cancel", name) == "cancelled; no job was running"
    assert said("status", name) == f"{name}: stopping so far: unknown (told at the end)"
    followed = said("status", name, "--follow", code=1)
    assert "stopping; unknown" in followed and f"Run {name} has aborted: cancelled" in followed
    assert "so far: $4.20" in followed
    assert sagemaker.packages == []


@pytest.mark.faults
def test_what_it_is_not_built_for_it_says_in_a_sentence(sagemaker, recipe):
    name = started(recipe)
    assert said("resume", name, code=1).endswith("the slow cluster can't resume; start a new one.")
    assert "it runs at the slow cluster; look there" in said("logs", name, code=1)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lora": {"rank": 65}}, "lora.rank: 65 is not allowed (a whole number from 1 to 64). Its cards are small."),
        ({"method": "qlora"}, "method: 'qlora' is not allowed (with backend slow: lora). Use lora, or a back end"),
    ],
)
def test_a_recipe_that_it_refuses(sagemaker, recipe, change, reason):
    recipe.write_text(json.dumps(RECIPE | change))
    assert reason in said("check", recipe, "--data", "walls", code=1)
    assert reason in said("start", recipe, "--data", "walls", "--yes", code=1)


@pytest.mark.faults
def test_a_run_of_a_back_end_that_is_not_there_says_which_are(sagemaker, recipe, monkeypatch):
    name = started(recipe)
    monkeypatch.delitem(BACKENDS, slow_backend.NAME)
    known = ", ".join(BACKENDS)
    assert f"There is no training back end 'slow'; there are {known}." in said("status", name, code=1)
    assert f"backend: 'slow' is not allowed ({known})" in said("check", recipe, "--data", "walls", code=1)
