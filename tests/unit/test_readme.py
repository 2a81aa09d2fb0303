"""What the README says that something else decides."""

import re

import pytest

from scripts.recorder import ROOT

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
