"""What the README says that something else decides."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.recorder import ROOT, record

README = (ROOT / "README.md").read_text()
NUMBERS = ("Idle floor, a month", "One fine-tuning run, expected", "One fine-tuning run, at most", "1,000 RAG queries")


@pytest.mark.parametrize("stack", ["rag-dev", "finetune-dev", "hybrid-dev"])
def test_prices_are_those_of_the_reviewed_comments(stack):
    comment = (ROOT / "tests" / "local" / "goldens" / f"{stack}.md").read_text()
    after = [re.search(rf"^\| {name} \| [^|]+ \| ([^|]+) \|", comment, re.MULTILINE)[1] for name in NUMBERS]
    idle, expected, most, questions = ("" if each == "none" else each for each in after)
    run = f"{expected}, {most}" if expected else ""
    row = f"| `{stack}` | {idle} | {run} | {questions} |"
    assert re.sub(" +", " ", row) in README


@pytest.mark.parametrize("page", ["README.md", "docs/your-program.md"])
def test_programs_of_ones_own_pass_the_type_checker(page, tmp_path):
    """And no string where an enum is wanted passes it, which is why they have enums."""
    (program,) = re.findall(r"```python\n(.+?)```", (ROOT / page).read_text(), re.DOTALL)
    (tmp_path / "as_shown.py").write_text(program)
    (tmp_path / "by_text.py").write_text(program.replace("Retention.ERASE", '"erase"'))
    checked = {name: types_of(tmp_path / f"{name}.py") for name in ("as_shown", "by_text")}
    assert checked["as_shown"].returncode == 0, checked["as_shown"].stdout
    assert "Retention" in checked["by_text"].stdout


def types_of(program: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("ty"), "check", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_makes_a_service(tmp_path):
    (program,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    made = record(lambda: runpy.run_path(str(tmp_path / "program.py")))
    assert made.outputs["queryUrl"].endswith("/query")
