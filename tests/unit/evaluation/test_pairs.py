"""A question set from the rows of a data set."""

import json

import pytest
from tandem_contract.errors import Mistakes

from tandem.evaluation.pairs import read
from tandem.evaluation.questions import Question


def row(*messages):
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in messages]})


def write(folder, *lines):
    path = folder / "test.jsonl"
    path.write_text("\n".join(lines))
    return path


SYSTEM = ("system", "Be brief.")
TURN = (("user", "What does it cost?"), ("assistant", "34 francs"))


def test_rows_become_questions_with_an_answer(tmp_path):
    path = write(
        tmp_path, row(SYSTEM, *TURN), "", row(*TURN), row(SYSTEM, *TURN, ("user", "Now?"), ("assistant", "35"))
    )
    pairs = read(path)
    assert pairs.questions == (
        Question("test-1", "What does it cost?", None, "34 francs", answerable=True),
        Question("test-3", "What does it cost?", None, "34 francs", answerable=True),
    )
    assert pairs.several_turns == (f"{path}:4",)
    assert pairs.systems == ("Be brief.",)
    assert {question.document for question in read(path, "prices.md").questions} == {"prices.md"}


def test_a_row_that_calls_a_tool_is_no_question(tmp_path):
    call = {"function": {"name": "price", "arguments": "{}"}}
    turns = [{"role": "user", "content": "What does it cost?"}, {"role": "assistant", "tool_calls": [call]}]
    answered = [*turns, {"role": "tool", "content": "34"}, {"role": "assistant", "content": "34 francs"}]
    path = write(tmp_path, json.dumps({"messages": turns}), row(*TURN), json.dumps({"messages": answered}))
    pairs = read(path)
    assert [question.id for question in pairs.questions] == ["test-2"]
    assert pairs.several_turns == (f"{path}:1", f"{path}:3")


@pytest.mark.faults
def test_every_row_that_cannot_be_read_is_told(tmp_path):
    path = write(tmp_path, row(*TURN), "{", row(("user", "?"), ("assistant", " ")), row(("assistant", "34")))
    with pytest.raises(Mistakes) as caught:
        read(path)
    lines = [mistake.where.removeprefix(f"{path}:").partition(":")[0] for mistake in caught.value.mistakes]
    assert lines == ["2", "3", "4"]
