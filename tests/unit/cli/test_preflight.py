"""`tandem preflight`: what it says of a stack beside what `tandem doctor` does, provoked from outside."""

import json

import pytest

from samples.previews import digest, state, step
from tandem.clients.doctor import PROBLEM, Finding
from tandem.cost.prices import PriceTable
from tests.unit.cli import test_doctor
from tests.unit.cli.test_doctor import doctor, pulumi

account = test_doctor.account  # the fixture

MLFLOW = step("create", None, state("aws:sagemaker/mlflowApp:MlflowApp", "app"))
VARIANTS = {"productionVariants": [{"instanceType": "ml.g6e.xlarge", "initialInstanceCount": 1}]}
SERVING = step("create", None, state("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "serving", VARIANTS))


def test_preflight_has_what_doctor_says_and_what_nobody_answers_is_never_ok(account, tmp_path):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="finetuning")
    (tmp_path / "preview.json").write_text(digest(MLFLOW, SERVING))
    for given in ([], ["preview.json"]):
        said = doctor(*given, "--stack", "finetune-dev", code=0, command="preflight")
        assert "ok credentials account 123456789012" in said and "What finetune-dev needs" in said
        assert "unknown SageMaker's MLflow apps not answerable here: the local cloud stands in for AWS: ask AWS" in said
        assert "unknown quota ml.g6e.xlarge for endpoint usage not answerable here" in said
        assert "ok ml.g6e.xlarge for hosting sold in us-east-1 (" in said
        assert said.rstrip().endswith("no problems, 2 unknown")


@pytest.mark.faults
def test_preflight_fails_for_what_would_fail(account, tmp_path, monkeypatch):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="finetuning")
    refused = doctor("--stack", "finetune-dev", command="preflight")
    assert "problem preview `pulumi preview" in refused and "training_image is not allowed" in refused
    (tmp_path / "preview.json").write_text(digest(SERVING))
    sold = {("AmazonSageMaker", "hosting:ml.g6e.xlarge"): "AWS's page, 2026-11-30"}
    monkeypatch.setattr("tandem.clients.preflight.load", lambda region: PriceTable(region, (), sold))
    said = doctor("--stack", "finetune-dev", command="preflight")
    assert (
        "problem ml.g6e.xlarge for hosting AWS doesn't offer AmazonSageMaker hosting:ml.g6e.xlarge in us-east" in said
    )
    assert "1 problem, 1 unknown" in said


@pytest.mark.faults
def test_preflight_without_credentials_or_a_stack_asks_nothing_more(account, tmp_path, monkeypatch):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="finetuning")
    account.refusal = ("ExpiredToken", "The security token included in the request is expired")
    said = doctor("--stack", "finetune-dev", command="preflight")
    assert "skipped preview it takes a region and credentials" in said and "1 problem\n" in f"{said}\n"
    (tmp_path / "preview.json").write_text(digest(MLFLOW))  # as one that was made elsewhere
    assert "skipped account it takes a region" in doctor("preview.json", "--stack", "dev", command="preflight")
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'dev' found\" >&2\nexit 255\n")
    said = doctor("--stack", "dev", command="preflight")
    assert "skipped preview it takes the stack's configuration" in said
    assert "or make it with `pulumi stack init dev`.\n" in said  # it is run before `pulumi up`
    (tmp_path / "broken.json").write_text("{}")
    assert "This JSON is neither a preview" in doctor("broken.json", "--stack", "dev", code=2, command="preflight")


MISTAKES = """error: The stack's configuration (namespace tandem) has 2 mistakes:
  - store: 'domian' is not allowed (serverless, domain). Did you mean `domain`?
  - auth: 'jtw' is not allowed (iam, jwt). Did you mean `jwt`?
"""
OWN_ERROR = "error: an unhandled error occurred: Program exited with non-zero exit code: 1\n"


@pytest.mark.faults
@pytest.mark.parametrize("refusal", ["", "ExpiredToken"], ids=["", "without credentials"])
def test_mistakes_in_the_file_are_told_a_line_each_also_without_credentials(account, tmp_path, refusal):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="rag")
    errors = [{"severity": "error", "message": text} for text in (MISTAKES, OWN_ERROR)]
    (tmp_path / "failed.json").write_text(json.dumps({"diagnostics": errors}))
    command = (tmp_path / "pulumi").read_text().replace("cat preview.json", "{ cat failed.json; exit 255; }")
    (tmp_path / "pulumi").write_text(command)
    account.refusal = (refusal, "The security token included in the request is expired") if refusal else None
    said = doctor("--stack", "rag-dev", command="preflight").splitlines()
    at = said.index("The stack's configuration (namespace tandem) has 2 mistakes:")
    assert said[at - 1].startswith("problem preview `pulumi preview --json")
    assert said[at + 1] == "- store: 'domian' is not allowed (serverless, domain). Did you mean `domain`?"
    assert said[at + 2].startswith("- auth: ") and said[at + 3] == ""


def test_what_the_preview_warns_of_is_told(account, tmp_path):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="rag")
    texts = (
        "warning: anthropic.claude-3-7-sonnet-20250219-v1:0 is a legacy model, whose last day is gone.",
        "warning: Not checked, since AWS doesn't say it here: which zones there are (invoke of aws:index/get"
        "AvailabilityZones:getAvailabilityZones failed: User: arn:aws:iam::1:user/ada is not authorized to perform: "
        "ec2:DescribeAvailabilityZones because no identity-based policy allows the action)",
        "Installing the functions' packages (once)",
    )
    said = [{"severity": text.partition(":")[0], "message": f"{text}\n"} for text in texts]
    preview = json.loads(digest(MLFLOW)) | {"diagnostics": [*said, said[0]]}
    (tmp_path / "preview.json").write_text(json.dumps(preview))
    found = doctor("--stack", "rag-dev", command="preflight", code=0)
    assert "warning preview 1 anthropic.claude-3-7-sonnet-20250219-v1:0 is a legacy model, whose" in found
    assert "unknown preview 2 which zones there are: not allowed: ec2:DescribeAvailabilityZones: allow it to" in found
    assert "preview 3" not in found and "Installing" not in found


def test_what_the_local_cloud_needs_is_no_matter_of_a_stack_on_aws(account, tmp_path, monkeypatch):
    pulumi(tmp_path, aws_region="us-east-1", tandem_environment="finetuning")
    (tmp_path / "preview.json").write_text(digest(MLFLOW))
    monkeypatch.setattr("tandem.clients.examination.GROUP", "tandem.checks")
    monkeypatch.setattr("localcloud.doctor.checks", lambda: {"port": lambda: Finding(PROBLEM, "it is in use")})
    here = doctor("preview.json", "--stack", "finetune-dev", command="preflight")
    assert "problem port it is in use" in here and "1 problem" in here
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", account.url)
    for service in ("SAGEMAKER", "BEDROCK"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", account.url)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "it is in use" not in doctor("preview.json", "--stack", "finetune-dev", command="preflight", code=0)
    assert "problem port it is in use" in doctor()
