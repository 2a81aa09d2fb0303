"""`make verify-aws`, with `pulumi` and `tandem` commands that write down how they are called."""

from pathlib import Path

import pytest

from scripts import finetune, verify_aws
from tandem.clients import aws
from tests.support.aws_requests import stand_in

COMMAND = """#!/bin/bash
echo "$(basename "$0") $*" >> "$CALLS"
[[ "$*" == "stack output "* ]] && echo "$OUTPUTS"
[[ "$*" == "config get aws:region "* ]] && echo "$REGION" && exit
[[ "$*" == "cost "* ]] && echo "$AWS_REGION" >> "$CALLS.region"
[[ -z "$BREAKS" || "$*" != *"$BREAKS"* ]]
"""
RAG = '{"queryUrl": "https://example.org", "documentsBucket": "docs"}'
TUNING = '{"datasetBucket": "data", "trainingPipelineArn": "arn:aws:states"}'
HYBRID = RAG[:-1] + ", " + TUNING[1:]
ACCOUNT = "123456789012"
BEFORE = ["pulumi stack select", "pulumi config", "tandem cost"]
QUERY = ["tandem ingest", "tandem ask"]
DATA = ["python", "tandem dataset import", "tandem dataset check", "tandem finetune check"]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pulumi", "tandem", "python"):
        (tmp_path / name).write_text(COMMAND)
        (tmp_path / name).chmod(0o755)
    for module in (verify_aws, finetune):
        monkeypatch.setattr(module, "BIN", tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(verify_aws, "LOG", tmp_path / "verified.md")
    monkeypatch.setattr(verify_aws, "account", lambda: ACCOUNT)
    monkeypatch.setattr(verify_aws, "left_over", lambda stack: [])
    monkeypatch.setattr("builtins.input", lambda question: ACCOUNT)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls"), "OUTPUTS": RAG}
    for name, value in (environment | {"BREAKS": "", "REGION": "eu-north-1", "AWS_REGION": "us-west-2"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(verify_aws.ROOT)
    return tmp_path / "calls"


def called(calls: Path) -> list[str]:
    """The commands without their options."""
    known = ("tandem dataset import", "tandem dataset check", "tandem finetune check", "pulumi stack output", "python")
    known += ("pulumi stack select",)
    lines = calls.read_text().splitlines()
    return [next((name for name in known if line.startswith(name)), " ".join(line.split()[:2])) for line in lines]


@pytest.mark.parametrize(
    ("stack", "outputs", "used"),
    [("rag-dev", RAG, QUERY), ("finetune-dev", TUNING, DATA), ("hybrid-dev", HYBRID, QUERY + DATA)],
)
def test_a_stack_is_priced_and_does_what_it_is_for(calls, monkeypatch, stack, outputs, used):
    monkeypatch.setenv("OUTPUTS", outputs)
    assert verify_aws.main(["--stack", stack]) == 0
    assert called(calls) == [*BEFORE, "pulumi up", "pulumi stack output", *used, "pulumi destroy"]
    lines = [line for line in calls.read_text().splitlines() if not line.startswith("python")]
    assert lines[0] == f"pulumi stack select {stack} --create"
    assert all(f"--stack {stack}" in line for line in lines[1:])
    (row,) = verify_aws.LOG.read_text().splitlines()
    assert row.endswith(f"| {stack} | eu-north-1 | yes | yes | yes | nothing |")


def test_the_region_is_the_stack_files_and_not_the_shells(calls, monkeypatch):
    verify_aws.main(["--rehearse"])
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("REGION", "")  # which a stack file may leave to the shell
    verify_aws.main(["--rehearse"])
    assert calls.with_suffix(".region").read_text().split() == ["eu-north-1", "us-west-2"]


@pytest.mark.faults
def test_a_stack_that_cannot_be_made_is_not_deployed(calls, monkeypatch):
    monkeypatch.setenv("BREAKS", "stack select ")
    with pytest.raises(SystemExit, match=r"There is no stack rag-dev and it couldn't be made"):
        verify_aws.main([])
    assert called(calls) == ["pulumi stack select"]


def test_the_table_has_the_columns_of_a_row(calls):
    header = (verify_aws.ROOT / "docs" / "verified.md").read_text().splitlines()
    verify_aws.main([])
    assert verify_aws.LOG.read_text().count("|") in {line.count("|") for line in header if line.startswith("| date")}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("breaks", "worked"),
    [
        ("up ", "| no | no | yes |"),
        ("ask ", "| yes | no | yes |"),
        ("output ", "| yes | no | yes |"),
        ("destroy ", "| yes | yes | no |"),
    ],
)
def test_what_was_deployed_is_destroyed_whatever_fails(calls, monkeypatch, breaks, worked):
    monkeypatch.setenv("BREAKS", breaks)
    assert verify_aws.main([]) == 1
    assert called(calls)[-1] == "pulumi destroy"
    assert worked in verify_aws.LOG.read_text()


@pytest.mark.faults
def test_without_a_price_or_consent_nothing_is_deployed(calls, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(SystemExit, match="Nothing was deployed"):
        verify_aws.main([])
    monkeypatch.setenv("BREAKS", "cost ")
    with pytest.raises(SystemExit, match="The price of rag-dev isn't known"):
        verify_aws.main([])
    assert called(calls) == [*BEFORE, *BEFORE]
    assert not verify_aws.LOG.exists()


def test_what_is_left_over_is_whatever_still_has_the_stacks_tag(monkeypatch):
    def get_resources(TagFilters, PaginationToken=""):
        assert TagFilters == [{"Key": "tandem:stack", "Values": ["rag-dev"]}]
        found = [{"ResourceARN": f"arn:aws:s3:::forgotten{PaginationToken}"}]
        return {"ResourceTagMappingList": found, "PaginationToken": "" if PaginationToken else "-too"}

    monkeypatch.setattr(aws, "client", lambda service: stand_in(service, get_resources=get_resources))
    assert verify_aws.left_over("rag-dev") == ["arn:aws:s3:::forgotten", "arn:aws:s3:::forgotten-too"]


def test_what_is_left_over_is_a_failure(calls, monkeypatch, capsys):
    monkeypatch.setattr(verify_aws, "left_over", lambda stack: ["arn:aws:s3:::forgotten"])
    assert verify_aws.main(["--rehearse"]) == 1
    assert "arn:aws:s3:::forgotten" in capsys.readouterr().out
    assert not verify_aws.LOG.exists()
