"""What a job of a run is given, wherever it runs; refuses what isn't what was priced."""

import json
import os
from collections.abc import Mapping
from typing import Any

from tandem_contract.errors import TandemError
from tandem_contract.names import Variable
from tandem_contract.run_record import Run, checkpoints, recipe_key

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset import manifest as manifests

from .records import read, run_of

COMPLETE = {"train": "trained", "evaluate": "evaluated"}
"""What the state machine is told of a step that is complete, which isn't paid for again."""


def checked(name: str) -> Run:
    """The record of a run; refuses one that isn't what was checked and priced: another recipe or another data set."""
    run = run_of(name)
    if recipes.digest(run.recipe) != run.recipe_digest:
        raise TandemError(f"the recipe of {run.name} is not the one whose digest was recorded: start a new run")
    key = f"{run.dataset}manifest.json"
    if manifests.digest(json.loads(read(os.environ[Variable.DATASET_BUCKET], key))) != run.manifest_digest:
        raise TandemError(f"{key} is not the manifest whose digest was recorded: start a new run")
    return run


def channels(run: Run, model: str | None) -> dict[str, str]:
    """What is laid below `input/data/`: name to S3 prefix. `model` is that of the trained one, to evaluate it."""
    bucket = os.environ[Variable.ARTIFACT_BUCKET]
    found = {
        "code": os.environ[Variable.CODE],
        "dataset": f"s3://{os.environ[Variable.DATASET_BUCKET]}/{run.dataset}",
        "recipe": f"s3://{bucket}/{recipe_key(run.name).rpartition('/')[0]}/",
    }
    if run.recipe["base_model"].endswith("/"):  # one of our own
        found["base"] = f"s3://{bucket}/{run.recipe['base_model']}"
    return found | ({"model": model} if model else {})


def trained_model(trained: Mapping[str, Any]) -> str:
    """The prefix of the trained model; refuses one that may be half."""
    if trained["status"] != "Completed":
        raise TandemError(f"training ended as {trained['status']}, so its model may be half: resume the run")
    return trained["model"].rstrip("/") + "/"


def kept(run: Run, step: str) -> str:
    """S3 prefix of what a step keeps in step with S3: each has its own, and its attempts share it."""
    prefix = checkpoints(run.name) if step == "train" else f"{run.folder}{step}/"
    return f"s3://{os.environ[Variable.ARTIFACT_BUCKET]}/{prefix}"


def environment(run: Run) -> dict[str, str]:
    """Environment variables of its jobs."""
    given = {
        "MLFLOW_TRACKING_URI": os.environ.get(Variable.TRACKING_URI),
        # Its ARN: the job reads it, so that no listing of a job's environment has the token.
        Variable.HUB_TOKEN_ARN: os.environ.get(Variable.HUB_TOKEN_ARN),
    }
    return {Variable.RUN: run.name} | {name: value for name, value in given.items() if value}
