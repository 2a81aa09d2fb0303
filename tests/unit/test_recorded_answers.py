"""What we make of answers that AWS has given (tests/recorded_aws)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from tandem.clients import account, aws, aws_errors
from tandem.clients.doctor import OK, PROBLEM
from tandem.finetuning.backends.sagemaker.backend import SageMaker
from tandem.models.bedrock import BedrockChat
from tandem.models.errors import Refused
from tandem.runtime.clients import is_transient
from tandem.runtime.retry import Deadline
from tests.support.aws_requests import stand_in

FOLDER = Path(__file__).parents[1] / "recorded_aws"
AVAILABILITY = "bedrock-get-foundation-model-availability"


def recorded(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def errors(name: str, *operations: str) -> list[dict]:
    """Recorded errors whose text is whole, of operations whose names have one of these."""
    found = [each for each in recorded(name)["errors"] if each["message"] and "…" not in each["message"]]
    return [each for each in found if each["error_code"] and any(part in each["operation"] for part in operations)]


def raised(error: dict) -> ClientError:
    answer = {"Error": {"Code": error["error_code"], "Message": error["message"]}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": error["http_status"] or 400}
    return ClientError(answer, error["operation"])


def named(error: dict) -> str:
    return f"{error['error_code']}: {error['message'][:40]}"


BEDROCK = errors("bedrock-errors", "Invoke", "Converse")
STARTING = errors("sagemaker-failures", "CreateTrainingJob")


def test_files_name_their_sources():
    page = (FOLDER / "README.md").read_text()
    assert [file.name for file in FOLDER.glob("*.json") if file.name not in page] == []


@pytest.mark.parametrize(
    ("name", "state", "says"),
    [("authorized", OK, "access, as Bedrock says"), ("no-agreement", PROBLEM, "the account has no agreement for it")],
)
def test_access_to_a_model_as_bedrock_has_said_it(monkeypatch, name, state, says):
    answer = recorded(f"{AVAILABILITY}-{name}")
    details = {"outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"]}
    bedrock = stand_in(
        "bedrock",
        get_foundation_model_availability=lambda modelId: answer,
        get_foundation_model=lambda modelIdentifier: {"modelDetails": details},
        get_use_case_for_model_access=lambda: {"formData": b""},
    )
    monkeypatch.setattr(aws, "client", lambda *_, **__: bedrock)
    found = account.model(answer["modelId"], "us-east-1")
    assert (found.state, says in found.text) == (state, True)


@pytest.mark.parametrize("error", [*BEDROCK, *STARTING], ids=named)
def test_an_error_of_aws_is_told_in_its_own_words(error):
    told = str(aws_errors.explain(raised(error)))
    if error["error_code"] not in ("AccessDeniedException", "ResourceNotFoundException"):
        assert error["message"].rstrip(".") in told


@pytest.mark.parametrize("error", BEDROCK, ids=named)
def test_only_what_passes_is_tried_again(error):
    assert is_transient(raised(error)) == (error["error_code"] == "ThrottlingException")


@pytest.mark.parametrize("error", [each for each in BEDROCK if "deprecated" in each["message"]], ids=named)
def test_a_temperature_is_left_out_in_whatever_words_it_is_refused(error):
    asked = []

    def converse(modelId, messages, inferenceConfig):
        asked.append(inferenceConfig)
        if "temperature" in inferenceConfig:
            raise raised(error)
        return {"output": {"message": {"role": "assistant", "content": [{"text": "So."}]}}, "stopReason": "end_turn"}

    model = BedrockChat(stand_in("bedrock-runtime", converse=converse), "some-maker.new-model")
    if error["error_code"] == "ValidationException":
        assert model.chat([{"role": "user", "content": "Why?"}], 9, Deadline(5)).text == "So."
        assert asked == [{"maxTokens": 9, "temperature": 0}, {"maxTokens": 9}]
    else:  # as ConverseStream says it, which we don't ask
        with pytest.raises(Refused):
            model.chat([{"role": "user", "content": "Why?"}], 9, Deadline(5))


def test_a_job_as_sagemaker_has_described_it():
    job = recorded("sagemaker-describe-training-job-in-progress")
    job |= {"TrainingJobName": "faq-1-train-2", "TrainingStartTime": datetime.now(UTC)}
    sagemaker = stand_in(
        "sagemaker",
        list_training_jobs=lambda **_: {"TrainingJobSummaries": [job]},
        describe_training_job=lambda TrainingJobName: job,
    )
    backend = SageMaker.__new__(SageMaker)
    backend.workspace = SimpleNamespace(client=lambda _: sagemaker)
    (found,) = backend.jobs(SimpleNamespace(name="faq-1"))
    assert (found.step, found.attempt, found.status, found.detail) == ("train", 2, "InProgress", "Training")
    assert (found.instance_type, found.instances, found.running, found.reason) == ("ml.g5.2xlarge", 1, True, "")
