"""The folder of a Pod's job, and its bucket in memory."""

import json

import pytest

from tandem.finetuning.training import bucket
from tandem.finetuning.training.layout import Layout

from .files import CHANNELS, JOB, KEPT, FakeS3


@pytest.fixture
def s3(monkeypatch, tmp_path):
    fake = FakeS3()
    monkeypatch.setattr(bucket, "_client", lambda: fake)
    monkeypatch.setenv("TANDEM_ML_ROOT", str(tmp_path / "ml"))
    monkeypatch.setenv("TANDEM_CHANNELS", json.dumps(CHANNELS))
    monkeypatch.setenv("TANDEM_OUTPUT", f"s3://{JOB}/output/")
    monkeypatch.setenv("TANDEM_CHECKPOINTS", f"s3://{KEPT}/")
    fake.objects |= {
        "datasets/datasets/faq/0123/manifest.json": b"{}",
        "datasets/datasets/faq/0123/train.jsonl": b"rows",
        "artifacts/runs/faq/recipe/recipe.json": b"{}",
        # A neighbour whose name begins the same.
        "datasets/datasets/faq/01234/manifest.json": b"another's",
    }
    return fake


@pytest.fixture
def layout(s3):
    return Layout.from_environment()
