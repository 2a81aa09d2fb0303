"""Question sets: several documents, none, tags, and every mistake at once; `tests/unit/cli` has the command."""

import json

import pytest

from tandem.evaluation.questions import Question, QuestionSetError, encoded, load
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
    with pytest.raises(QuestionSetError) as caught:
        load(file, known={"x.md"})
    assert str(caught.value).removeprefix(f"{file}: ").split("; line ") == [
        "line 2: 'question' is empty: give it a text, or leave out what is optional",
        "2: 'reference' is empty: give it a text, or leave out what is optional",
        "2: document 'gone.md' is none of the 1 known ones: correct it, or ingest it first",
        "2: id 'a' is already used on line 1: each question needs its own",
        "3: 'documents[1]' is empty: give it a text, or leave out what is optional",
        "3: 'documents[2]' is 7, not a string",
        "3: 'tags' is 'price', not a list of strings",
        "3: document 'old.md' is none of the 1 known ones: correct it, or ingest it first",
        "4: both 'document' and 'documents': give one of the two",
        "4: 'documents' names one twice: name it once",
        "5: 'answerable' is false, but a document is named: leave one of the two out",
        "6: 'documents' is None, not a list of strings",
        "6: 'answerable' is 'no': give true or false",
        "7: 'document' is missing: give its key, null for none, or a list as 'documents'",
        "7: 'reference' is None, not a string",
        "8: 'id' is ['g'], not a string",
        "8: 'document' is empty: give it a text, or leave out what is optional",
        next(part for part in str(caught.value).split("; line ") if part.startswith("9: not JSON")),
        "10: not a JSON object: write one on each line",
    ]


@pytest.mark.faults
def test_no_known_document_is_not_the_same_as_not_knowing(tmp_path):
    file = write(tmp_path, {"id": "a", "question": "?", "document": "x.md"})
    assert load(file)
    with pytest.raises(QuestionSetError, match="none of the 0 known ones"):
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
    assert [right(*pair) for pair in zip(questions, replies, strict=True)] == [True, True, False, True, False, False]
    assert str(summarize(questions, replies)) == (
        "2 of 3 cite the labelled document (1 in first place), 0 of 0 refused, 1 of 3 without a label answered"
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
    with pytest.raises(QuestionSetError, match=r"line 1: 'question' is .*half a surrogate pair"):
        load(file)
