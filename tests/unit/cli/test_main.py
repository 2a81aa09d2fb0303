"""The command line as a whole: help, version, lazy imports, failures, commands of other distributions."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli import main
from tandem.cli.main import app

OTHER = """
import typer
from botocore.exceptions import NoCredentialsError
from tandem_contract.errors import TandemError

app = typer.Typer(help="Planted failures.")

@app.command()
def bug():
    raise ValueError("list.remove(x): x not in list")

@app.command()
def mistake():
    raise TandemError("There is no such thing: give another.")

@app.command()
def aws():
    raise NoCredentialsError()
"""


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution that brings the command `local`."""
    described = tmp_path / "other-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[tandem.commands]\nlocal = other_distribution:app\n")
    (tmp_path / "other_distribution.py").write_text(OTHER)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_help_lists_the_commands(other):
    output = CliRunner().invoke(app, ["--help"]).output
    assert all(f" {name} " in output for name in ("ingest", "ask", "questions", "forget", "local"))
    assert "Planted failures." in output


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("tandem 0.")


def test_nothing_heavy_is_imported_at_start_up():
    heavy = ("boto3", "botocore", "rich.console", "pypdfium2", "lxml", "pulumi", "localcloud", "tandem.rag", "urllib3")
    code = f"import sys, tandem.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    assert run_python(code) == "[]"


def test_without_the_local_cloud_the_command_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(main, "GROUP", "tandem.none")
    result = CliRunner().invoke(app, ["local", "up"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(r"The local cloud is not installed: run `pip install .*\.\n", result.stderr)
    assert " local " not in CliRunner().invoke(app, ["--help"]).output


def test_an_unknown_command_is_a_usage_error():
    assert "No such command 'loca'" in CliRunner().invoke(app, ["loca"]).stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("mistake", "There is no such thing: give another."),
        ("aws", "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`."),
    ],
)
def test_a_mistake_of_the_user_is_one_sentence(other, command, sentence):
    result = CliRunner().invoke(app, ["local", command])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(sentence) and result.stderr.count("\n") == 1


def test_a_mistake_of_ours_keeps_its_traceback(other, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(other), prepend=":")
    done = subprocess.run(
        [sys.executable, "-m", "tandem.cli.main", "local", "bug"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "ValueError: list.remove(x): x not in list" in done.stderr
    assert " in bug " in done.stderr


@pytest.mark.faults
@pytest.mark.parametrize(
    "arguments",
    [
        "ingest none",
        "questions none",
        "cost none",
        "cost - --gates none",
        "advise none",
        "finetune check none --data walls",
        "finetune start none --data walls",
        "dataset import none --name walls --licence CC0-1.0 --source invented",
        "eval run none --target stack:dev --name base",
        "eval import none --to set.jsonl",
    ],
)
def test_a_file_that_is_not_there_is_one_kind_of_usage_error(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments.split(), input="{}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(r"Invalid value for .*: (file|path) 'none' does not exist\.", result.stderr)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("tandem.cost.estimate.estimate", ("cost", "preview.json")),
        ("tandem.cost.gates.read", ("cost", "preview.json", "--gates", "preview.json")),
        ("tandem.advisor.advice.advise", ("advise", "facts.yaml")),
        ("tandem.finetuning.dataset.folder.read", ("dataset", "check", ".")),
        ("tandem.cli.ask.parse_filters", ("ask", "What?", "--filter", "document=a.md")),
        ("tandem.evaluation.questions._question", ("questions", "questions.jsonl")),
        ("tandem.evaluation.runs.load_questions", ("eval", "compare", "run", "run")),
    ],
)
def test_no_command_takes_a_bug_of_ours_for_a_mistake(place, arguments, tmp_path, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ValueError("list.remove(x): x not in list")

    monkeypatch.chdir(tmp_path)
    stack = {"op": "same", "urn": "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"}
    (tmp_path / "preview.json").write_text(json.dumps({"config": {"aws:region": "us-east-1"}, "steps": [stack]}))
    (tmp_path / "facts.yaml").write_text("")
    (tmp_path / "questions.jsonl").write_text('{"id": "1", "question": "What?", "document": null}\n')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"format": 2}')
    monkeypatch.setattr(place, broken)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ValueError) and result.output == ""
