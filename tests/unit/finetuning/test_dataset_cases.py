"""What rows of strangers mean: read, or refused with the line and the field; never another thing with exit 0."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tandem.finetuning.dataset import folder
from tandem.finetuning.dataset.collect import Collected, collect
from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import decoded, encoded, messages

from .strange_rows import ANSWER, CHAT, USER, read, refused, said, written

TEXTS = {"name": "faq", "licence": "CC0-1.0", "source": "made up"}


def imported(tmp_path: Path, rows: list[Any], split: str = "60/20/20", **options: Any) -> Collected:
    return collect([written(tmp_path / "rows.jsonl", *rows)], Reader(**options), split, TEXTS)


def turns(*texts: str, system: str | None = None) -> dict[str, Any]:
    roles = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}, *roles] if system else roles}


# The cases, each as its file has it.


def test_an_answer_of_weight_0_is_kept_as_context(tmp_path):
    row = turns("When does parcel 4 leave?", "WRONG: parcel 4 is lost.", "That isn't so.", "At 4:00.")
    row["messages"][1]["weight"], row["messages"][3]["weight"] = 0, 1
    (found,) = read(tmp_path, row)
    assert [turn.get("weight", 1) for turn in messages(found)] == [1, 0, 1, 1]
    (again,) = decoded(encoded([found]), "train.jsonl")
    assert messages(again) == messages(found)
    assert said(tmp_path, json.loads(encoded([found]))) == messages(found)


def test_unwanted_answers_are_refused_or_skipped_and_counted(tmp_path):
    rows = [turns(f"May I enter hall {at}?", f"Answer {at}.") | {"label": at % 2 == 1} for at in range(40)]
    found = refused(tmp_path, *rows)
    assert len(found) == 20
    assert found[0].startswith("1: label: false is not allowed (true: the answer is a good one).")
    collected = imported(tmp_path, rows, skip=True)
    assert (collected.read, collected.record) == (20, {"left_out": {"label": 20}, "skipped": 20})
    assert len([warning for warning in collected.warnings if ": label: false" in warning]) == 20
    assert len(read(tmp_path, *rows[1::2])) == 20
    assert refused(tmp_path, CHAT | {"label": "returns"})[0].startswith("1: label: 'returns' is not allowed")
    assert refused(tmp_path, CHAT | {"label": 0})[0].startswith("1: label: 0 is not allowed")


def test_system_and_history_of_alpaca_are_read(tmp_path):
    history = [["Wie tief ist Regal 0?", "10 cm."]]
    row = {"system": "Auf Deutsch.", "history": history, "instruction": "Und Regal 100?", "input": "", "output": "110."}
    expected = turns("Wie tief ist Regal 0?", "10 cm.", "Und Regal 100?", "110.", system="Auf Deutsch.")
    assert said(tmp_path, row) == said(tmp_path, row, system="Not this.") == expected["messages"]
    assert "history[0][1]: 5" in refused(tmp_path, row | {"history": [["a", 5]]})[0]
    assert 'history: [["a"]]' in refused(tmp_path, row | {"history": [["a"]]})[0]
    assert said(tmp_path, row | {"history": None, "system": ""}) == turns("Und Regal 100?", "110.")["messages"]


def test_system_beside_conversations_is_read_and_two_are_refused(tmp_path):
    talk = [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "Arr!"}]
    row = {"system": "You are a pirate.", "conversations": talk}
    assert said(tmp_path, row) == turns("Where?", "Arr!", system="You are a pirate.")["messages"]
    two = {**row, "conversations": [{"from": "system", "value": "No."}, *talk]}
    assert refused(tmp_path, two)[0].startswith("1: conversations[0].from: 'system' is not allowed (user is due here)")


@pytest.mark.parametrize("field", ["images", "image", "videos", "audios", "chosen", "rejected", "context"])
def test_what_an_answer_depends_on_is_refused_by_line(tmp_path, field):
    row = {"instruction": "Who?", "output": "Ann."}
    found = refused(tmp_path, row, row | {field: ["bay-0.jpg"]}, row | {field: "x"})
    assert [line.partition(":")[0] for line in found] == ["2", "3"]
    assert f"2: {field}: " in found[0]
    assert len(read(tmp_path, row | {field: []}, row | {field: None})) == 2  # tables write every column into every row


def test_placeholders_of_images_are_counted_in_a_warning(tmp_path):
    rows = [turns(f"How many boxes are in bay {at}?", f"{at}.") for at in range(40)]
    rows += [
        turns("<image>\nHow many?", "4."),
        turns("And here? <video>\n", "5."),
        turns("Is <image> SVG?", "A."),
    ]
    (warning,) = imported(tmp_path, rows).warnings
    assert warning.startswith("2 rows have <image> or the like") and "rows.jsonl:41;" in warning


def test_preference_data_say_where_they_belong(tmp_path):
    for row in ({"prompt": "a", "chosen": "b", "rejected": "c"}, CHAT | {"rejected": "c"}):
        assert "belong to preference tuning (DPO)" in refused(tmp_path, row)[0]


@pytest.mark.parametrize("system", [None, "Today is 2026-{month:02}-01."])
def test_rows_of_one_conversation_share_a_split(tmp_path, system):
    rows = []
    for talk in range(40):
        said = [f"{kind} {talk}.{at}" for at in range(3) for kind in ("Question", "Answer")]
        rows += [turns(*said[: 2 * length], system=system and system.format(month=length)) for length in range(1, 4)]
    collected = imported(tmp_path, rows)
    assert collected.warnings == [] and collected.read == 120
    where = {
        row.messages[-1][1].split()[1].split(".")[0]: set() for found in collected.splits.values() for row in found
    }
    for name, found in collected.splits.items():
        for row in found:
            where[row.messages[-1][1].split()[1].split(".")[0]].add(name)
    assert len(where) == 40 and all(len(names) == 1 for names in where.values())


def test_same_question_under_another_system_message_shares_a_split(tmp_path):
    rows = [turns(f"Size of bolt {at}?", f"M{at}", system=f"Today is {day}.") for at in range(40) for day in "ab"]
    splits = imported(tmp_path, rows).splits
    asked = [{row.messages[1][1] for row in found} for found in splits.values()]
    assert sum(map(len, asked)) == 40 and sum(map(len, splits.values())) == 80


def test_normal_forms_of_unicode_are_the_same_question_and_stay_as_written(tmp_path):
    texts = [
        unicodedata.normalize(form, f"Où est la caisse n° {at} au deuxième étage ?")
        for at in range(40)
        for form in ("NFC", "NFD")
    ]
    splits = imported(tmp_path, [turns(text, "Là.") for text in texts]).splits
    kept = {name: {row.messages[0][1] for row in found} for name, found in splits.items()}
    assert set().union(*kept.values()) == set(texts)
    assert sum(len({unicodedata.normalize("NFC", text) for text in found}) for found in kept.values()) == 40


@pytest.mark.parametrize("wrap", ["{}\n", "[{}]"])
def test_a_key_that_stands_twice_is_refused(tmp_path, wrap):
    twice = '{"instruction": "Name it.", "output": "first", "output": "second"}'
    inside = '{"messages": [{"role": "user", "content": "a", "content": "b"}, {"role": "assistant", "content": "c"}]}'
    for text, key in ((twice, "output"), (inside, "content")):
        (tmp_path / "rows.jsonl").write_text(wrap.format(text))
        reader = Reader()
        assert reader.read(tmp_path / "rows.jsonl") == []
        (mistake,) = reader.checks.mistakes
        assert mistake.where.endswith(f"rows.jsonl:1: {key}") and "stands twice" in mistake.problem


# More of each kind.


@pytest.mark.parametrize("field", ["weight", "train", "loss", "loss_weight"])
@pytest.mark.parametrize("value", [0, 0.0, False])
def test_spellings_of_weight(tmp_path, field, value):
    row = turns("a", "b", "c", "d")
    row["messages"][1][field] = value
    row["messages"][2][field] = value  # a question is never learned
    assert [turn.get("weight") for turn in said(tmp_path, row)] == [None, 0, None, None]
    row["messages"][1][field] = 0.5
    assert f"messages[1].{field}: 0.5 is not allowed" in refused(tmp_path, row)[0]
    row["messages"][1][field], row["messages"][2][field] = 1, 1
    assert f"messages[2].{field}: 1 stands at a message that isn't the assistant's" in refused(tmp_path, row)[0]


def test_weights_of_1_change_nothing(tmp_path):
    row = {"messages": [USER, {**ANSWER, "weight": 1}]}
    assert said(tmp_path, row) == CHAT["messages"]


def test_a_last_answer_of_weight_0_is_never_the_reference(tmp_path):
    row = turns("a", "right", "c", "WRONG")
    row["messages"][3]["weight"] = 0
    reader = Reader()
    (found,) = reader.read(written(tmp_path / "rows.jsonl", row))
    assert messages(found) == turns("a", "right")["messages"] and reader.cut == [found.place]
    row["messages"][1]["weight"] = 0
    assert "every answer has weight 0" in refused(tmp_path, row)[0]


@pytest.mark.parametrize("key", ["weight", "train", "loss", "loss_weight", "thinking", "value"])
def test_what_a_part_has_beside_its_text_is_refused(tmp_path, key):
    parts = [{"type": "text", "text": "WRONG first.", key: False}, {"type": "text", "text": "Open.", key: None}]
    found = refused(tmp_path, {"messages": [USER, {**ANSWER, "content": parts}]})
    assert found[0].startswith(f"1: messages[1].content[0].{key}: false ") and len(found) == 1
    part = {"type": "text", "text": "Open.", "cache_control": {"type": "ephemeral"}, "citations": [{"a": 1}]}
    assert said(tmp_path, {"messages": [USER, {**ANSWER, "content": [part]}]}) == CHAT["messages"]


@pytest.mark.parametrize("field", ["instruction", "input", "output", "system", "prompt", "completion"])
def test_a_list_of_alternatives_is_no_text(tmp_path, field):
    row = {"prompt": "Hut?", "completion": "Open."}
    if field not in row:
        row = {"instruction": "Hut?", "input": "At noon.", "output": "Open.", "system": "Be brief."}
    several = ["Yes, it is.", "No, it isn't."]
    for choice in (several, [{"text": told} for told in several]):
        (found,) = refused(tmp_path, row | {field: choice})
        assert found.startswith(f"1: {field}: ") and "Several may be alternatives" in found
    parts = [{"type": "text", "text": told} for told in several]
    assert said(tmp_path, row | {field: [row[field]]}) == said(tmp_path, row)
    assert "Yes, it is.No, it isn't." in str(said(tmp_path, row | {field: parts}))


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hut?", "completion": "Open."},
        {"prompt": [USER], "completion": [ANSWER]},
        {"schemaVersion": "bedrock-conversation-2024", "messages": [{**USER, "content": [{"text": "Hut?"}]}, ANSWER]},
        {"messages": [USER, {**ANSWER, "content": [{"type": "text", "text": "Op"}, {"type": "text", "value": "en."}]}]},
        {"conversations": [USER, ANSWER]},
        {"messages": [{"from": "human", "value": "Hut?"}, {"from": "gpt", "value": "Open."}]},
        {"instruction": "Hut?", "output": "Open.", "history": [], "system": None, "id": 5, "meta": {"a": 1}},
        {
            "messages": [{**USER, "name": None, "id": "m1"}, {**ANSWER, "refusal": None, "annotations": []}],
            "tools": None,
        },
    ],
)
def test_forms_of_the_field_give_the_same_row(tmp_path, row):
    assert said(tmp_path, row) == CHAT["messages"]


def test_rows_of_several_forms_in_one_file(tmp_path):
    found = read(tmp_path, CHAT, {"instruction": "Hut?", "output": "Open."}, {"prompt": "Hut?", "completion": "Open."})
    assert [messages(row) for row in found] == [CHAT["messages"]] * 3
    both = CHAT | {"instruction": "Hut?", "output": "Open."}
    assert "it has instruction and messages: two formats" in refused(tmp_path, both)[0]
    assert said(tmp_path, both, leave_out=("instruction", "output")) == CHAT["messages"]


def test_an_unknown_field_is_refused_once_and_left_out_if_asked(tmp_path):
    rows = [turns(f"Question {at}?", "Yes.") | {"rating": at} for at in range(40)]
    (found,) = refused(tmp_path, *rows)
    assert found == (
        "1: rating: nothing here reads such a field (40 rows have it, this one 0). "
        "If the rows mean the same without it: --leave-out 'rating'."
    )
    collected = imported(tmp_path, rows, leave_out=("rating",))
    manifest, _ = folder.write(tmp_path / "made", collected.splits, **TEXTS, record=collected.record)
    assert manifest["left_out"] == {"rating": 40}
    assert folder.read(tmp_path / "made")[0] == manifest
    assert "Did you mean `output`?" in refused(tmp_path, {"instruction": "a", "output": "b", "ouptut": "c"})[0]


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("split", "Give a file for each split (--train, --validation, --test)"),
        ("weight", "A weight stands in its message. If "),
        ("history", "). If the rows"),
        ("prompt", "). If the rows"),
    ],
)
def test_a_field_that_means_something_elsewhere(tmp_path, field, remedy):
    (found,) = refused(tmp_path, CHAT | {field: "test"}, form="chat")
    assert found.startswith(f"1: {field}: nothing here reads") and remedy in found
    assert f"--leave-out '{field}'" in found and f"Did you mean `{field}`" not in found
    assert said(tmp_path, CHAT | {field: "test"}, leave_out=(field,)) == CHAT["messages"]


def test_an_unknown_field_of_messages(tmp_path):
    row = {"messages": [{**USER, "name": "Ann"}, {**ANSWER, "reasoning_content": "Well."}]}
    assert [line.split(": ")[1] for line in refused(tmp_path, row)] == [
        "messages[].name",
        "messages[].reasoning_content",
    ]
    reader = Reader(leave_out=("messages[].name", "messages[].reasoning_content"))
    assert [messages(found) for found in reader.read(written(tmp_path / "rows.jsonl", row))] == [CHAT["messages"]]
    assert reader.left_out == {"messages[].name": 1, "messages[].reasoning_content": 1}


def test_a_field_of_control_signs_and_half_characters_can_be_printed(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps(CHAT | {"\x1b[31m\ud800": 1}))
    reader = Reader()
    reader.read(tmp_path / "rows.jsonl")
    (mistake,) = reader.checks.mistakes
    assert str(mistake).encode().decode().isprintable()


def test_rows_that_differ_in_white_space_at_the_end_are_there_twice(tmp_path):
    rows = [turns(f"Question {at}?", answer) for at in range(60) for answer in ("Yes.", "Yes. \n")]
    collected = imported(tmp_path, rows)
    assert (collected.read, collected.duplicates, collected.warnings) == (120, 60, [])
