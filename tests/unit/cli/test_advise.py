"""`tandem advise`: the forms, the region, and the exit codes."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.evaluation.runs import save
from tests.support.evaluation_runs import sample


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
    assert "2 mistakes" in said and "Did you mean `privacy`?" in said and "none, some, strict" in said


def test_a_region_without_prices_exits_with_2(facts):
    assert "there are no prices for region 'mars-1'" in run(facts, "--region", "mars-1", code=2)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs where the command looks for them."""
    for made in sample(["base", "rag"]):
        folder = tmp_path / ".tandem" / "evaluations" / made.name
        save(replace(made, folder=folder), versions={})
    monkeypatch.chdir(tmp_path)


def test_measured_facts_come_from_runs(facts, runs, tmp_path):
    arguments = ("--run", "base=base", "--run", f"rag={tmp_path / '.tandem' / 'evaluations' / 'rag'}")
    measured = json.loads(run(facts, *arguments, "--format", "json"))["measured"]
    assert {metric: sorted(found) for metric, found in measured.items()} == {
        "correctness": ["base", "rag"],
        "format_adherence": ["base", "rag"],
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["base"], "--run is 'base': give TARGET=RUN"),
        (["base=", "=rag"], "--run is 'base=', '=rag'"),
        (["base=base", "base=rag"], "--run names a target twice"),
        (["base=none"], "there is no run 'none' in .tandem/evaluations (there are: base, rag)"),
        (["rag=base"], "the run asked a model alone"),
    ],
)
def test_a_run_that_cannot_be_used_exits_with_2(facts, runs, arguments, expected):
    options = [part for text in arguments for part in ("--run", text)]
    assert expected in run(facts, *options, code=2)
