"""Question sets: several documents, none, tags, and every mistake at once; `tests/unit/cli` has the command."""

import json

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.questions import Question, encoded, load
from tandem.evaluation.runs import Reply
from tandem.evaluation.summary import right, summarize


def write(folder, *lines):
    file = folder / "set.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return file


def test_what_a_line_says(tmp_path):
    several = {"id": "b", "question": "?", "documents": ["x.md", "y.md"], "tags": ["price", "short"]}
    file = write(
        tmp_path,
        {"id": "a", "question": "?", "document": "x.md", "reference": "34"},
        several,
        {"id": "c", "question": "?", "document": None},
        {"id": "d", "question": "?", "documents": []},
        {"id": "e", "question": "?", "documents": [], "reference": "yes", "answerable": True},
    )
    found = load(file, known=["x.md", "y.md", "z.md"])
    assert found == [
        Question("a", "?", "x.md", "34"),
        Question("b", "?", "x.md", others=("y.md",), tags=("price", "short")),
        Question("c", "?", None),
        Question("d", "?", None),
        Question("e", "?", None, "yes", answerable=True),
    ]
    assert [question.answerable for question in found] == [True, True, False, False, True]
    assert [question.documents for question in found] == [("x.md",), ("x.md", "y.md"), (), (), ()]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    line = json.dumps({"id": "a", "question": "one\u2028two?", "document": None}, ensure_ascii=False)
    assert load(write(tmp_path, line))[0].question == "one\u2028two?"


@pytest.mark.faults
def test_every_mistake_is_reported_at_once(tmp_path):
    file = write(
        tmp_path,
        {"id": "a", "question": "?", "document": "x.md"},
        {"id": "a", "question": " ", "document": "gone.md", "reference": ""},
        {"id": "b", "question": "?", "documents": ["x.md", "", 7, "old.md"], "tags": "price"},
        {"id": "c", "question": "?", "documents": ["x.md", "x.md"], "document": "x.md"},
        {"id": "d", "question": "?", "document": "x.md", "answerable": False},
        {"id": "e", "question": "?", "documents": None, "answerable": "no"},
        {"id": "f", "question": "?", "reference": None},
        {"id": ["g"], "question": "?", "document": "\t"},
        "[" * 100_000,
        "[]",
    )
    with pytest.raises(TandemError) as caught:
        load(file, known={"x.md"})
    head, *lines = str(caught.value).splitlines()
    assert head == f"{file} has 19 mistakes:"
    text = "is not allowed (a text, whole and not empty). Write one, or leave out what is optional."
    unknown = "is none of the 1 known ones. Correct it, or ingest it first."
    assert [line.removeprefix(f"  - {file.name}:") for line in lines] == [
        f"2: question: ' ' {text}",
        f"2: reference: '' {text}",
        f"2: document: 'gone.md' {unknown}",
        "2: id: 'a' is already used on line 1. Give each question its own.",
        f"3: documents[1]: '' {text}",
        "3: tags: 'price' is not allowed (a list of texts). Write it in brackets.",
        f"3: document: '7' {unknown}",
        f"3: document: 'old.md' {unknown}",
        "4: document: stands beside `documents`. Give one of the two.",
        "4: documents: names one twice. Name it once.",
        "5: answerable: is false, but a document is named. Leave one of the two out.",
        "6: documents: null is not allowed (a list of texts). Write it in brackets.",
        "6: answerable: 'no' is not allowed (true or false). Write it without quotes.",
        "7: document: is missing. Give its key, null for none, or a list as `documents`.",
        f"7: reference: null {text}",
        f'8: id: ["g"] {text}',
        f"8: document: '\\t' {text}",
        next(line for line in lines if "9: not JSON" in line).removeprefix(f"  - {file.name}:"),
        "10: not a JSON object. Write one on each line.",
    ]


@pytest.mark.faults
def test_no_known_document_is_not_the_same_as_not_knowing(tmp_path):
    file = write(tmp_path, {"id": "a", "question": "?", "document": "x.md"})
    assert load(file)
    with pytest.raises(TandemError, match="none of the 0 known ones"):
        load(file, known=[])


def test_one_of_several_documents_is_enough_and_unlabelled_ones_are_counted():
    several, none = Question("1", "?", "x.md", others=("y.md",)), Question("2", "?", None, "yes", answerable=True)
    questions = [several, several, several, none, none, none]
    replies = [
        Reply("1", cited=("z.md", "y.md")),
        Reply("1", cited=("y.md",)),
        Reply("1", cited=("z.md",)),
        Reply("2", text="yes"),
        Reply("2", refused=True),
        Reply("2", error="timed out"),
    ]
    assert not right(none, Reply("2", text=" "))
    assert [right(*pair) for pair in zip(questions, replies, strict=True)] == [True, True, False, True, False, False]
    assert str(summarize(questions, replies)) == (
        "2 of 3 have the labelled document among the passages (1 in first place, 0 refused); 3 cite, 2 of them the "
        "labelled document; 0 of 0 refused; 1 of 3 without a label answered"
    )


def test_what_is_written_is_read_again_as_it_was(tmp_path):
    questions = [
        Question("a", "one\u2028two?", "x.md", "34", others=("y.md",), tags=("price",)),
        Question("b", "Wo?", None),
        Question("c", "?", None, "ja", answerable=True),
    ]
    (tmp_path / "set.jsonl").write_text(encoded(questions), encoding="utf-8")
    assert load(tmp_path / "set.jsonl") == questions


@pytest.mark.faults
def test_half_a_character_is_refused(tmp_path):
    file = write(tmp_path, r'{"id": "a", "question": "What is \ud83d?", "document": null}')
    with pytest.raises(TandemError, match=r":1: question: .*\\ud83d.* is not allowed \(a text, whole"):
        load(file)


def test_several_references_numbers_grades_and_a_byte_order_mark(tmp_path):
    file = write(
        tmp_path,
        "\ufeff" + json.dumps({"id": 1, "question": "?", "document": None, "answerable": True, "reference": 2450}),
        {"id": 2.5, "question": 7, "document": None, "answerable": True, "reference": ["2450 m", 2450, "2450 m"]},
        {"id": "c", "question": "?", "documents": {"x.md": 2, "y.md": 0.5, "z.md": 0}},
    )
    found = load(file, known=["x.md", "y.md", "z.md"])
    assert found == [
        Question("1", "?", None, "2450", answerable=True),
        Question("2.5", "7", None, "2450 m", answerable=True, alternatives=("2450",)),
        Question("c", "?", "x.md", others=("y.md",), grades=(2.0, 0.5)),
    ]
    assert [question.references for question in found] == [("2450",), ("2450 m", "2450"), ()]
    file.write_text(encoded(found), encoding="utf-8")
    assert load(file)[:2] == found[:2] and load(file)[2].relevance == {"x.md": 2, "y.md": 0.5}


@pytest.mark.parametrize("number", ["1.10", "1e6", "0.0000001", "2450", "0"])
def test_a_number_stands_for_its_text(tmp_path, number):
    line = f'{{"id": {number}, "question": "?", "document": 0, "reference": [{number}]}}'
    assert load(write(tmp_path, line)) == [Question(number, "?", "0", number, answerable=True)]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"id": "a", "question": "?", "document": None, "reference": "2450 m"}, "add answerable: true"),
        ({"id": "a", "question": "?", "documents": [], "answerable": False, "reference": "x"}, "that is to be refused"),
        ({"id": "a", "question": "?", "document": None, "reference": 0}, "add answerable: true"),
        ({"id": "a", "question": "?", "documents": {"x": 0}, "reference": "2450 m"}, "add answerable: true"),
        ({"id": "a", "question": "?", "document": "x", "reference": []}, "reference: is an empty list"),
        ({"id": "a", "question": "?", "document": "x", "reference": ["a", " "]}, "reference[1]: ' ' is not allowed"),
        ({"id": True, "question": "?", "document": "x"}, "id: true is not allowed"),
        ({"id": "a", "question": "?", "documents": {"x": "good"}}, "documents.x: 'good' is not allowed (a grade"),
        ({"id": "a", "question": "?", "documents": {"x": -1}}, "documents.x: -1 is not allowed"),
        (
            '{"id": "a", "question": "?", "document": "x", "reference": "1", "reference": "2"}',
            "'reference' stands in it",
        ),
    ],
)
def test_a_mistake_in_meaning_is_said(tmp_path, line, said):
    with pytest.raises(TandemError) as caught:
        load(write(tmp_path, line))
    assert said in str(caught.value) and "has 1 mistake" in str(caught.value)
