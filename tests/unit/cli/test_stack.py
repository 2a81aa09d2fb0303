"""Reading the outputs of a stack, against a `pulumi` command that prints what the real one prints."""

import json

import pytest
from tandem_contract.errors import TandemError

from tandem.clients.pulumi_stack import deployed


def test_outputs_come_from_the_project_above(project):
    assert deployed("rag-dev").pick("ledgerTable", "documentsBucket") == ["ledger", "docs"]
    arguments = (project.folder / "pulumi-arguments").read_text().split()
    assert arguments == ["stack", "output", "--json", "--non-interactive", "--stack", "rag-dev"]


def failure(*names: str) -> str:
    with pytest.raises(TandemError) as caught:
        deployed("prod").pick(*names)
    return str(caught.value)


def test_unknown_stack(project):
    project.pulumi_says(stderr="error: no stack named 'prod' found\n", status=255)
    assert "no stack 'prod'" in failure("queryUrl")
    assert "--stack" in failure("queryUrl")


def test_stack_without_outputs(project):
    project.pulumi_says("{}\n")
    assert failure("queryUrl") == "Stack 'prod' has no outputs: run `pulumi up --stack prod` first."


def test_missing_output_is_named(project):
    project.pulumi_says('{"endpointName": "e"}')
    assert "no output 'queryUrl', 'ledgerTable' (it has endpointName)" in failure("queryUrl", "ledgerTable")


@pytest.mark.faults
@pytest.mark.parametrize("url", ["[secret]", {"v1": "https://abc"}])
def test_an_output_that_is_no_text_is_named(project, url):
    project.pulumi_says(json.dumps({"queryUrl": url, "ledgerTable": "ledger"}))
    told = "Stack 'prod' has a secret, or something that is no text, as its output 'queryUrl': export the text itself"
    assert failure("ledgerTable", "queryUrl").startswith(told)


IN_FRANKFURT = "https://abc.execute-api.eu-central-1.amazonaws.com/v1/query"
PIPELINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:pipeline"


@pytest.mark.parametrize(
    ("outputs", "region"),
    [
        ({"region": "eu-central-1", "queryUrl": "http://127.0.0.1:4566/query"}, "eu-central-1"),
        ({"queryUrl": IN_FRANKFURT}, "eu-central-1"),  # those of a release before the output `region`
        ({"trainingPipelineArn": PIPELINE, "datasetBucket": "data"}, "eu-central-1"),
        ({"queryUrl": "http://127.0.0.1:4566/query"}, "eu-north-1"),  # the shell's
        ({"region": "[secret]", "queryUrl": IN_FRANKFURT}, "eu-central-1"),  # outputs of a program's own
        ({"region": "Europe West", "queryUrl": {"v1": IN_FRANKFURT}}, "eu-north-1"),
        ({"region": {"name": "eu-west-1"}, "trainingPipelineArn": PIPELINE}, "eu-central-1"),
    ],
)
def test_the_region_is_the_stacks_and_another_of_the_shell_is_said(project, outputs, region):
    project.pulumi_says(json.dumps(outputs))
    said: list[str] = []
    stack = deployed("rag-dev", said.append)
    assert (stack.region, stack.client("s3").meta.region_name) == (region, region)
    told = "using eu-central-1, the stack's region; the shell's is eu-north-1"
    assert said == ([told] if region == "eu-central-1" else [])


def test_a_shell_without_a_region_needs_none_where_the_stack_knows(project, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project.folder / "none"))
    project.pulumi_says('{"region": "eu-central-1"}')
    said: list[str] = []
    assert (deployed("rag-dev", said.append).client("dynamodb").meta.region_name, said) == ("eu-central-1", [])
    project.pulumi_says('{"documentsBucket": "docs"}')
    with pytest.raises(TandemError, match="There is no AWS region: set AWS_REGION"):
        deployed("rag-dev").client("s3")


def test_other_errors_of_pulumi_are_passed_on(project):
    project.pulumi_says(stderr="warning: x\nerror: passphrase must be set\n", status=255)
    assert failure("queryUrl").endswith("failed: passphrase must be set")


def test_no_pulumi_on_path(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on PATH: install it" in failure("queryUrl")


def test_no_project(project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "No Pulumi.yaml" in failure("queryUrl")
