"""Tools, calls and their answers in rows of strangers: kept as they are, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import decoded, encoded, messages, tools

from .strange_rows import ANSWER, CALL, DEPTH, USER, read, refused, said


def test_a_tool_call_beside_a_text_is_kept_with_its_tools(tmp_path):
    row = {"messages": [USER, {**ANSWER, "content": "One moment.", "tool_calls": [CALL]}], "tools": [DEPTH]}
    (found,) = read(tmp_path, row)
    assert messages(found)[1] == {"role": "assistant", "content": "One moment.", "tool_calls": [CALL]}
    assert tools(found) == [DEPTH]
    assert json.loads(encoded([found])) == row
    (again,) = decoded(encoded([found]), "train.jsonl")
    assert (messages(again), tools(again)) == (messages(found), tools(found))


def test_a_key_that_stands_twice_in_json_inside_a_text_is_refused(tmp_path):
    calls = [{"function": {"name": "depth", "arguments": '{"shelf": 1, "shelf": 2}'}}]
    row = {"messages": [USER, {**ANSWER, "tool_calls": calls}], "tools": '[{"name": "depth", "name": "height"}]'}
    found = refused(tmp_path, row)
    assert found[0].startswith("1: messages[1].tool_calls[0].arguments.shelf: stands twice")
    assert found[1].startswith("1: tools.name: stands twice")


def test_a_whole_exchange_with_a_tool(tmp_path):
    row = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "name": "depth", "content": "40"},
            ANSWER,
        ],
        "tools": [DEPTH],
        "parallel_tool_calls": False,
    }
    expected = [dict(turn) for turn in row["messages"]]
    expected[0]["role"], expected[2]["content"] = "system", ""
    assert said(tmp_path, row) == expected
    out_of_turn = row | {"messages": row["messages"][:3] + row["messages"][4:]}
    assert "messages[3].role: 'assistant' is not allowed (tool is due here)" in refused(tmp_path, out_of_turn)[0]
    other = row | {"tools": [{"type": "function", "function": {"name": "height"}}]}
    assert "'depth' is not allowed (one of the row's tools: height)" in refused(tmp_path, other)[0]


@pytest.mark.parametrize("identities", [["OTHER", "b"], ["a"], ["a", "a"], [None], ["a", "b", "b"]])
def test_each_call_has_its_answer(tmp_path, identities):
    calls = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "a"}, {**CALL, "id": "b"}]}

    def answered(*identities: str | None) -> dict[str, Any]:
        answers = [{"role": "tool", "tool_call_id": each, "content": "40"} for each in identities]
        return {"messages": [USER, calls, *answers, ANSWER, USER, calls]}

    (found,) = refused(tmp_path, answered(*identities))
    assert found.startswith(
        f"1: messages[1]: the tool's answers: {json.dumps(identities)} is not allowed (one for each"
    )
    assert len(read(tmp_path, answered("b", "a"), answered(None, None))) == 2


def test_calls_and_observations_of_sharegpt(tmp_path):
    row = {
        "conversations": [
            {"from": "human", "value": "Hut?"},
            {"from": "function_call", "value": '{"name": "depth", "arguments": {"shelf": 4}}'},
            {"from": "observation", "value": "40"},
            {"from": "gpt", "value": "Open."},
        ],
        "tools": json.dumps([DEPTH["function"]]),
    }
    (found,) = read(tmp_path, row)
    _, call, answer, _ = messages(found)
    assert call == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{key: CALL[key] for key in ("type", "function")}],
    }
    assert answer == {"role": "tool", "content": "40"} and tools(found) == [DEPTH]
    for told in (json.dumps(CALL["function"]), CALL["function"], [CALL["function"]]):
        row["conversations"][1] = {"role": "function_call", "content": told}
        assert said(tmp_path, row)[1] == call
    row["conversations"][1]["tool_calls"] = [CALL]
    assert len(said(tmp_path, row)[1]["tool_calls"]) == 2
    row["conversations"][1] = {"from": "function_call", "value": "depth(4)"}
    assert "conversations[1].value: 'depth(4)' is not allowed (JSON)" in refused(tmp_path, row)[0]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ({"name": "depth", "parameters": {"shelf": 4}}, {"shelf": 4}),
        ({"function": {"name": "depth", "parameters": '{"shelf": 4}', "arguments": None}, "index": 0}, {"shelf": 4}),
        ({"function": {"name": "depth", "arguments": ""}}, {}),
        ({"name": "depth", "arguments": None, "args": None}, {}),
    ],
)
def test_arguments_of_calls_in_several_spellings(tmp_path, call, arguments):
    (found,) = said(tmp_path, {"messages": [USER, {**ANSWER, "tool_calls": [call]}]})[1]["tool_calls"]
    assert json.loads(found["function"]["arguments"]) == arguments


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ({"function": {"name": ""}}, "messages[1].tool_calls[0]: {"),
        ("depth", "messages[1].tool_calls: 'depth' is not allowed (JSON)"),
        ({"function": {"name": "depth", "arguments": "[1]"}}, "messages[1].tool_calls[0].arguments: '[1]'"),
        ({"function": {"name": "depth", "arguments": "{"}}, "messages[1].tool_calls[0].arguments: '{'"),
        ({"function": {"name": "depth", "arguments": []}}, "messages[1].tool_calls[0].arguments: []"),
        ({"function": {"name": "depth", "args": {"shelf": 4}}}, "messages[1].tool_calls[0].args: nothing here reads"),
        ({"type": "tool_use", "name": "depth", "input": {"shelf": 4}}, "messages[1].tool_calls[0].input: nothing"),
        ({"function": {"name": "depth"}, "arguments": {"shelf": 4}}, "messages[1].tool_calls[0].arguments: nothing"),
        ({"name": "depth", "arguments": {"a": 1}, "parameters": {"a": 2}}, "messages[1].tool_calls[0].parameters: it"),
    ],
)
def test_bad_calls(tmp_path, call, what):
    calls = call if isinstance(call, str) else [call]
    found = refused(tmp_path, {"messages": [USER, {**ANSWER, "tool_calls": calls}]})
    assert found[0].startswith(f"1: {what}")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "12345678901234567890.5", "0.1234567890123456789"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_number_of_tools_and_calls_that_would_be_another_is_refused(tmp_path, number, packed):
    def numbered(number: str) -> Path:
        arguments = f'{{"x": [{number}]}}'
        call = f'{{"name": "depth", "arguments": {json.dumps(arguments) if packed else arguments}}}'
        tools = f'[{{"name": "depth", "parameters": {{"maximum": {number}}}}}]'
        answer = f'{{"role": "assistant", "content": "", "tool_calls": [{call}]}}'
        row = f'{{"messages": [{json.dumps(USER)}, {answer}], "tools": {json.dumps(tools) if packed else tools}, '
        path = tmp_path / "rows.jsonl"
        path.write_text(f'{row} "meta": {number}}}')
        return path

    reader = Reader()
    assert reader.read(numbered(number)) == []
    call, tools = map(str, reader.checks.mistakes)
    assert "rows.jsonl:1: messages[1].tool_calls[0].arguments: " in call and "at most 17 digits" in call
    assert "rows.jsonl:1: tools: " in tools and "at most 17 digits" in tools
    for fine in ("1.10", "-0.5e-7", "12345678901234567890", "100.000000000000000000", "13.404953999999975"):
        reader = Reader()
        (row,) = reader.read(numbered(fine))
        assert json.loads(encoded([row]))["tools"][0]["function"]["parameters"]["maximum"] == json.loads(fine)
        (again,) = decoded(encoded([row]), "train.jsonl")
        assert messages(again) == messages(row)
