"""What `tandem eval` says of a user's mistake, and of one of ours."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app

PLANTED = """
from tandem.cli.main import app
from tandem.evaluation import scoring

def broken(answer, reference, words):
    raise ValueError("list.remove(x): x not in list")

scoring.token_f1 = broken
app()
"""


@pytest.mark.faults
def test_a_bug_in_scoring_keeps_its_traceback(folder, questions, chat):
    arguments = ("eval", "run", str(questions), "--target", f"{chat.url}#small", "--name", "base")
    done = subprocess.run([sys.executable, "-c", PLANTED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "in broken" in done.stderr and "ValueError: list.remove(x): x not in list" in done.stderr


@pytest.mark.faults
def test_a_mistake_of_the_user_is_one_sentence(folder, questions, chat):
    (folder / "form.yaml").write_text('regex: "(unclosed"\n')
    arguments = ("eval", "run", str(questions), "--target", f"{chat.url}#small", "--name", "base")
    command = [sys.executable, "-m", "tandem.cli.main", *arguments, "--format", "form.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("--format form.yaml: format.regex is '(unclosed': missing ), unterminated subpattern")


@pytest.mark.faults
def test_a_question_set_that_cannot_be_written(folder):
    (folder / "file").write_text("")
    row = '{"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}'
    (folder / "rows.jsonl").write_text(row)
    result = CliRunner().invoke(app, ["eval", "import", "rows.jsonl", "--to", "file/set.jsonl"])
    assert result.exit_code == 1
    assert "file/set.jsonl: can't be written" in result.stderr and "Give another place." in result.stderr
