"""A managed back end behind the same commands, against a local service."""

import itertools
import json
import threading
from types import SimpleNamespace

import pytest

from tandem.runtime import retry
from tests.support.finetuning_api import serve
from tests.support.threads import wait_for
from tests.unit.cli.test_finetune import Aws, aws, run  # noqa: F401 - a fixture
from tests.unit.finetuning.managed.runs import MODELS, Registry

GATE = {"format_adherence": {"at_least": 0.8, "gain": 0.1}}
LIMITS = {"max_rows": 6, "max_new_tokens": 16, "format": {"regex": r"Wall \d+ .+"}}


@pytest.fixture
def api(aws: Aws, monkeypatch):  # noqa: F811
    """A service that speaks OpenAI's dialect, its key in the account's Secrets Manager, and a registry."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=retry.time.monotonic))
    with serve("openai") as served:
        registry = Registry()
        aws.get_secret_value = lambda SecretId: {"SecretString": served.key}
        aws.create_model_package = registry.create_model_package
        aws.describe_model_package = registry.describe_model_package
        aws.list_model_packages = lambda **request: next(registry.paginate(**request))
        served.registry = registry.described
        served.speak = lambda model, messages: "Wall 1 has 1 stone." if model.startswith("ft:") else "No idea."
        monkeypatch.setenv("TANDEM_SERVICE_URL", served.url)
        yield served


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "recipe.yaml"
    content = {"base_model": MODELS["openai"], "backend": "openai", "evaluation": LIMITS, "gate": GATE}
    file.write_text(json.dumps(content))
    return file


def test_a_managed_run_from_its_start_to_the_registry(api, recipe):
    checked = run("finetune", "check", recipe, "--data", "walls")
    assert checked.exit_code == 0, checked.output
    assert "NOT PRICED" in checked.output
    started = run("finetune", "start", recipe, "--data", "walls", "--yes")
    assert started.exit_code == 0, started.output
    name = next(line for line in started.output.splitlines() if line.startswith("walls-"))
    for _ in range(20):
        status = run("finetune", "status", name)
        assert status.exit_code == 0, status.output
        if "running" not in status.output:
            break
    assert f"{name}: succeeded" in status.output
    (package,) = api.registry.values()
    assert package["CustomerMetadataProperties"]["run"] == name
    assert package["CustomerMetadataProperties"]["backend"] == "openai"
    assert "format_adherence" in run("finetune", "compare", name).output
    # What the service serves itself needs no endpoint of ours.
    for arn in api.registry:
        api.registry[arn]["ModelApprovalStatus"] = "Approved"
    assert "no endpoint is needed" in run("finetune", "promote", name, "--config", recipe).output


@pytest.mark.faults
def test_an_evaluation_that_was_killed_asks_only_for_what_is_missing(api, aws, recipe, monkeypatch):  # noqa: F811
    started = run("finetune", "start", recipe, "--data", "walls", "--yes")
    name = next(line for line in started.output.splitlines() if line.startswith("walls-"))
    put, numbers = aws.put_object, itertools.count(1)

    def answers():
        return [key for key in list(aws.objects) if "/answers/" in key]

    def cut_off(**request):
        if "/answers/" in request["Key"] and next(numbers) > 3:
            raise KeyboardInterrupt
        return put(**request)

    chat = ("POST", "/chat/completions")
    others = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(aws, "put_object", cut_off)
        for _ in range(20):
            if run("finetune", "status", name).exit_code:
                break
        wait_for("begin_next", others)  # calls under way come to their end
        before, kept = api.asked(*chat), len(answers())
    for _ in range(2):
        assert f"{name}: succeeded" in run("finetune", "status", name).output
        assert api.asked(*chat) == before + len(answers()) - kept
    assert 3 == kept < len(answers()) == 2 * json.loads(aws.objects[f"runs/{name}/evaluation.json"]["data"])["rows"]
    assert len(api.registry) == 1


@pytest.mark.faults
def test_without_a_known_price_the_start_asks(api, recipe):
    refused = run("finetune", "start", recipe, "--data", "walls")
    assert refused.exit_code == 1
    assert "an amount that is not known here" in refused.output
    assert not api.jobs and not api.files


@pytest.mark.faults
def test_what_the_service_cannot_honour_is_refused_before_anything_is_sent(api, recipe):
    recipe.write_text(json.dumps(json.loads(recipe.read_text()) | {"method": "lora", "lora": {"rank": 64}}))
    refused = run("finetune", "check", recipe, "--data", "walls")
    assert refused.exit_code == 1
    assert "lora.rank" in refused.output
    assert not api.requests


@pytest.mark.faults
def test_a_managed_run_cannot_be_resumed_and_says_so(api, recipe):
    started = run("finetune", "start", recipe, "--data", "walls", "--yes")
    name = next(line for line in started.output.splitlines() if line.startswith("walls-"))
    refused = run("finetune", "resume", name)
    assert refused.exit_code == 1 and "can't resume" in refused.output
