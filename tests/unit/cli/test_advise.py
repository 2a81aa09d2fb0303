"""`tandem advise`: the forms, the region, and the exit codes."""

import json

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["advise", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def facts(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text("knowledge_changes: daily\n")
    return path


def test_advice_in_three_forms(facts):
    assert run(facts).startswith("Advice: RAG; start from stacks/Pulumi.rag-dev.yaml.")
    assert run(facts, "--format", "markdown").startswith("### Advice: RAG")
    assert json.loads(run(facts, "--format", "json"))["way"] == "RAG"


def test_the_region_decides_the_prices(facts):
    assert json.loads(run(facts, "--region", "eu-west-1", "--format", "json"))["model"]["where"] == "undecided"


def test_a_file_with_mistakes_exits_with_2(facts):
    facts.write_text("format: loose\nprivcy: hosted\n")
    said = run(facts, code=2)
    assert "2 mistakes" in said and "did you mean privacy?" in said and "none, some, strict" in said


def test_a_file_that_is_missing_exits_with_2(tmp_path):
    assert "can't be read" in run(tmp_path / "none.yaml", code=2)


def test_a_region_without_prices_exits_with_2(facts):
    assert "there are no prices for region 'mars-1'" in run(facts, "--region", "mars-1", code=2)
