"""Reading the outputs of a stack, against a `pulumi` command that prints what the real one prints."""

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


def test_other_errors_of_pulumi_are_passed_on(project):
    project.pulumi_says(stderr="warning: x\nerror: passphrase must be set\n", status=255)
    assert failure("queryUrl").endswith("failed: passphrase must be set")


def test_no_pulumi_on_path(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not on PATH: install it" in failure("queryUrl")


def test_no_project(project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "No Pulumi.yaml" in failure("queryUrl")
