"""The managed back end against a local service that speaks both dialects: from rows to a record in the registry."""

import json

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning.backends.managed.dialects import DIALECTS
from tandem.finetuning.backends.managed.finish import finish
from tandem.finetuning.dataset.sample import digest
from tandem.finetuning.functions import records, register
from tandem.finetuning.gate import failing
from tandem.finetuning.registry import record

from .runs import (
    DIGEST,
    GROUP,
    TEST,
    TRAIN,
    VALIDATION,
    Registry,
    connect,
    make_run,
    to_the_end,
    tune,
)


def test_from_rows_to_a_record(api):
    run, service, registry = make_run(api.dialect), connect(api), Registry()
    job = service.start(run, TRAIN, VALIDATION)
    asked = api.jobs[job]["asked"]
    assert api.files[asked["training_file"]] == TRAIN
    assert api.files[asked["validation_file"]] == VALIDATION

    seen = to_the_end(service, job)
    states = [status.state for status in seen]
    assert list(dict.fromkeys(states)) == ["queued", "running", "succeeded"]
    assert [status.step for status in seen] == [None, 10, 20, 30, 30][: len(seen)]
    assert [status.loss for status in seen] == [None, 2.5, 1.25, 0.5, 0.5][: len(seen)]
    assert {status.steps for status in seen} == {None, 30}
    assert (seen[-1].tokens, seen[-1].message) == (12_000, "Step 30/30: training loss=0.50")

    api.served.add(seen[-1].model)
    progress = []
    done = finish(
        service, run, seen[-1].model, TEST, DIGEST, registry, GROUP, progress=lambda *counts: progress.append(counts)
    )
    assert progress == [(at, 40) for at in range(1, 41)]
    assert done.reasons == done.failures == []
    low = 2 * 0.025 ** (1 / 20) - 1  # Clopper and Pearson's bound of 20 better of 20
    form = {"base": 0.0, "tuned": 1.0, "difference": 1.0, "interval": [pytest.approx(low), 1.0]}
    assert done.evaluation["metrics"]["format_adherence"] == form
    assert done.evaluation | {"metrics": 0, "seconds": 0} == {
        "rows": 20,
        "metrics": 0,
        "manifest_digest": DIGEST,
        "recipe_digest": run.recipe_digest,
        "engine": api.dialect,
        "seconds": 0,
        "failed": {"base": 0, "tuned": 0},
        "cut": {"base": 0, "tuned": 0},
        "answered_by": {"base": [run.recipe["base_model"]], "tuned": [seen[-1].model]},
        "sample": digest(TEST),
    }
    lines = [json.loads(line) for line in done.answers.decode().splitlines()]
    assert len(lines) == 20
    assert lines[3] == {
        "prompt": [{"role": "user", "content": "What is 3 in Züri?"}],
        "reference": "Answer: 3\u2028.",
        "base": "Well, yes.",
        "tuned": "Answer: yes",
    }
    found = record(registry, done.model_package)
    assert (found["backend"], found["model_reference"]) == (api.dialect, seen[-1].model)
    assert (found["manifest_digest"], found["recipe_digest"]) == (DIGEST, run.recipe_digest)
    assert found["status"] == "PendingManualApproval"
    # A second time: asked again, registered once.
    assert finish(service, run, seen[-1].model, TEST, DIGEST, registry, GROUP).model_package == done.model_package
    assert len(registry.described) == 1


def test_no_model_thinks_before_it_answers(api):
    """Else the base model is cut in its thoughts, and whatever was tuned beats it."""
    tune(api, make_run(api.dialect), Registry())
    wanted = {"enable_thinking": False} if api.dialect == "together" else None
    assert len({body["model"] for body in api.chats}) == 2
    assert all(body.get("chat_template_kwargs") == wanted for body in api.chats)


def test_records_have_the_shape_of_a_sagemaker_run(api, monkeypatch):
    registry, run = Registry(), make_run(api.dialect)
    managed = tune(api, run, registry).model_package

    other = make_run(api.dialect, name="other-20261124-101500-cd34")
    monkeypatch.setenv("TANDEM_ARTIFACT_BUCKET", "artifacts")
    monkeypatch.setenv("TANDEM_SERVING_IMAGE", "123456789012.dkr.ecr.us-east-1.amazonaws.com/vllm:1")
    monkeypatch.setenv("TANDEM_SERVING_ENVIRONMENT", "{}")
    monkeypatch.setenv("TANDEM_MODEL_PACKAGE_GROUP", GROUP)
    monkeypatch.setattr(records, "read", lambda bucket, key: other.to_json())
    monkeypatch.setattr(register, "read", lambda bucket, key: b"{}")  # the model's config.json
    monkeypatch.setattr(register, "client", lambda service: registry)
    metrics = {"token_f1": {"base": 0.1, "tuned": 0.2, "difference": 0.1, "interval": [0.0, 0.2]}}
    event = {"run": other.name, "model": "s3://artifacts/runs/other/model/", "metrics": metrics}
    ours = register.handler(event, None)["model_package"]

    described = registry.described[managed], registry.described[ours]
    assert set(described[0]) == set(described[1]) - {"InferenceSpecification"}
    assert set(described[0]["CustomerMetadataProperties"]) == set(described[1]["CustomerMetadataProperties"])
    assert set(record(registry, managed)) == set(record(registry, ours))
    assert all(record(registry, managed).values())
    assert all(record(registry, ours).values())


def test_what_a_recipe_becomes():
    run = make_run("openai", epochs=2, seed=7)
    assert DIALECTS["openai"].job(run.recipe) | DIALECTS["openai"].mark(run.name) == {
        "model": "gpt-4.1-mini-2025-04-14",
        "seed": 7,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 16}}},
        "suffix": run.name,
        "metadata": {"tandem_run": run.name},
    }
    changes = {"epochs": 2, "batch_size": 8, "gradient_accumulation": 1, "max_sequence_tokens": 2048}
    lora = {"rank": 8, "alpha": 16, "dropout": 0.0, "modules": ["q_proj", "v_proj"]}
    job = DIALECTS["together"].job(make_run("together", lora=lora, **changes).recipe)
    assert (job["n_epochs"], job["batch_size"], job["gradient_accumulation_steps"]) == (2, 8, 1)
    assert (job["max_seq_length"], job["learning_rate"]) == (2048, 2e-4)
    assert job["training_type"] == {
        "type": "Lora",
        "lora_r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "lora_trainable_modules": "q_proj,v_proj",
    }
    assert DIALECTS["together"].job(make_run("together", method="full").recipe)["training_type"] == {"type": "Full"}


def test_cancelling(api):
    service = connect(api)
    job = service.start(make_run(api.dialect), TRAIN, VALIDATION)
    service.status(job)
    assert service.cancel(job).state == "cancelled"
    with pytest.raises(TandemError, match=r"with 400 Job has already completed\."):
        service.cancel(job)


def test_the_gate_is_the_pipelines(api):
    """The evaluation is one that the pipeline's own function accepts."""
    run = make_run(api.dialect)
    done = tune(api, run, Registry())
    assert failing(json.loads(json.dumps(done.evaluation)), run) == []
