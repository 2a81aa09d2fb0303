"""What `tandem doctor` finds of models: what Bedrock says of them, and of the account."""

import pytest

from tests.support.account_api import AUTHORIZED
from tests.unit.cli import test_doctor
from tests.unit.cli.test_doctor import ARN, NOVA, doctor, pulumi

account = test_doctor.account  # the fixture


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        # The first as recorded in 2026, the second as told in 2026 of an account whose calls ended in "Error 002".
        (AUTHORIZED | {"agreementAvailability": {"status": "NOT_AVAILABLE"}}, "the account has no agreement for it: "),
        (AUTHORIZED | {"authorizationStatus": "NOT_AUTHORIZED"}, "the account isn't allowed to use it: ask AWS"),
        (AUTHORIZED | {"regionAvailability": "NOT_AVAILABLE"}, "isn't in us-east-1: take an inference profile's id"),
        ((404, {"message": "no such model"}), "is no model of Bedrock in us-east-1: correct the id"),
    ],
)
def test_models_that_can_not_be_used(account, answer, finding):
    account.models[NOVA] = answer
    said = doctor()
    assert f"problem generator {NOVA}" in said and finding in said
    assert "ok embedder" in said


@pytest.mark.faults
@pytest.mark.parametrize(
    ("details", "finding"),
    [
        (
            {"inferenceTypesSupported": ["INFERENCE_PROFILE"]},
            "problem generator {} is served through inference profiles alone: take the id of one",
        ),
        ({"outputModalities": ["EMBEDDING"]}, "problem generator {} gives embedding, no texts: choose a model that"),
        (
            {"modelLifecycle": {"status": "LEGACY", "endOfLifeTime": "2026-09-14T00:00:00Z"}},
            "warning generator {}: access, as Bedrock says; a legacy model, until 2026-09-14: take another.",
        ),
    ],
)
def test_what_bedrock_says_of_a_model_itself(account, details, finding):
    account.details[NOVA] = details
    assert finding.format(NOVA) in doctor(code=int(finding.startswith("problem")))


@pytest.mark.faults
def test_anthropics_form_is_asked_for(account, tmp_path):
    profile = "eu.anthropic.claude-opus-4-8"
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag", tandem_generator=profile)
    account.profiles, account.behind, account.form = {profile}, "anthropic.claude-opus-4-8", False
    assert f"problem generator {profile}: the account hasn't given Anthropic's form" in doctor("--stack", "rag-dev")
    account.form = True
    assert f"ok generator {profile}: access" in doctor("--stack", "rag-dev", code=0)


@pytest.mark.faults
@pytest.mark.parametrize(("status", "code"), [(429, "ThrottlingException"), (500, "InternalServerException")])
def test_what_bedrock_does_not_say_is_unknown(account, status, code):
    account.models[NOVA] = (status, {"message": "Rate exceeded", "__type": code})
    assert f"unknown generator AWS: An error occurred ({code})" in doctor(code=0)


@pytest.mark.faults
def test_of_a_profile_without_models_nothing_is_known(account, tmp_path):
    profile = f"{ARN}:application-inference-profile/abcd1234efgh"
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag", tandem_generator=profile)
    account.profiles, account.behind = {profile}, ""
    assert f"unknown generator {profile}: Bedrock doesn't say which model is behind" in doctor(
        "--stack", "rag-dev", code=0
    )


def test_a_model_that_is_none_of_bedrocks_is_not_known(account, tmp_path):
    url, account.profiles = "https://models.example/v1#m", {f"eu.{NOVA}"}
    pulumi(tmp_path, aws_region="eu-central-1", tandem_environment="rag", tandem_embedder=url)
    assert f"unknown embedder {url}: no model of Bedrock's, not looked at" in doctor("--stack", "rag-dev", code=0)


@pytest.mark.faults
def test_credentials_that_may_not_look_are_no_problem(account):
    account.models[NOVA] = (403, {"message": "User: ada is not authorized to perform it"})
    said = doctor(code=0)
    assert "unknown generator not allowed: GetFoundationModelAvailability (User: ada is not authorized to" in said
    assert "to perform it): allow it to these credentials" in said
