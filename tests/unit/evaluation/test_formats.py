"""Question sets of others, and what is said of a file that is none."""

import json

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation import formats
from tandem.evaluation.questions import Question, encoded, load, load_others

HOTPOT = {
    "_id": "h1",
    "question": "Which hut is higher?",
    "answer": "Mittersee",
    "supporting_facts": [["Mittersee", 0], ["Obersee", 1], ["Mittersee", 2]],
    "context": [["Mittersee", ["It stands high."]]],
    "type": "comparison",
    "level": "hard",
}


def write(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode(encoding))
    return path


def read(path, document=None):
    questions, found = load_others(path, document)
    (path.parent / "set.jsonl").write_text(encoded(questions), encoding="utf-8")
    assert load(path.parent / "set.jsonl") == questions  # what is imported can be run
    return questions, found


def test_squad_2(tmp_path):
    qas = [
        {
            "id": "s1",
            "question": "How high?",
            "answers": [{"text": "2450 m"}, {"text": "2450 m"}, {"text": "2450 metres"}],
        },
        {
            "id": "s2",
            "question": "Who built it?",
            "answers": [],
            "plausible_answers": [{"text": "x"}],
            "is_impossible": True,
        },
    ]
    path = write(tmp_path, "dev.json", {"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"qas": qas}]}]})
    questions, found = read(path)
    assert questions == [
        Question("s1", "How high?", None, "2450 m", answerable=True, alternatives=("2450 metres",)),
        Question("s2", "Who built it?", None, answerable=False),
    ]
    assert (found.name, found.notes) == (
        "SQuAD",
        ["left out, since a question set has no place for them: plausible_answers"],
    )
    assert [question.document for question in read(path, "hut.md")[0]] == ["hut.md", None]


def test_squad_as_lines_with_the_answers_in_columns(tmp_path):
    row = {
        "id": "1",
        "title": "T",
        "context": "c",
        "question": "?",
        "answers": {"text": ["a", "b"], "answer_start": [1]},
    }
    none = row | {"id": "2", "answers": {"text": [], "answer_start": []}}
    questions, _ = read(write(tmp_path, "train.jsonl", f"{json.dumps(row)}\n{json.dumps(none)}\n"))
    assert [(each.references, each.answerable) for each in questions] == [(("a", "b"), True), ((), False)]


def test_hotpotqa_with_the_titles_of_its_facts(tmp_path):
    (question,), found = read(write(tmp_path, "hotpot.json", [HOTPOT]))
    assert question == Question(
        *("h1", "Which hut is higher?", "Mittersee", "Mittersee"),
        others=("Obersee",),
        tags=("comparison", "hard"),
        answerable=True,
    )
    assert found.name == "HotpotQA"
    columns = HOTPOT | {"supporting_facts": {"title": ["Obersee", "Obersee"], "sent_id": [0, 1]}}
    (question,), _ = read(write(tmp_path, "hotpot.jsonl", f"{json.dumps(columns)}\n"))
    assert question.documents == ("Obersee",)


def test_beir_with_grades(tmp_path):
    write(tmp_path, "scifact/queries.jsonl", '{"_id": "1", "text": "How high?"}\n{"_id": "2", "text": "Who?"}\n')
    qrels = write(
        tmp_path, "scifact/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t1\n1\td3\t0\n2\td1\t0\n"
    )
    write(tmp_path, "scifact/qrels/train.tsv", "query-id\tcorpus-id\tscore\n2\td1\t1\n")
    expected = [Question("1", "How high?", "d1", others=("d2",), grades=(2, 1), answerable=True)]
    assert load_others(tmp_path / "scifact")[0] == load_others(qrels)[0] == expected
    assert expected[0].relevance == {"d1": 2, "d2": 1}
    assert "2 queries are there, 2 of them in test.tsv, 1 of these" in load_others(qrels)[1].notes[1]
    assert read(tmp_path / "scifact" / "qrels" / "train.tsv")[0][0].id == "2"


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("t.csv", 'question,answer,tags\r\n"How, high?",2450 m,"hut, de"\r\n', "utf-8"),
        ("t.csv", "Question;Reference;Tags\nHow, high?;2450 m;hut,de\n", "utf-8-sig"),
        ("t.tsv", "question\tground_truth\ttags\tnotes\nHow, high?\t2450 m\thut,de\tx\n", "utf-16"),
        (
            "t.jsonl",
            '{"user_input": "How, high?", "reference": "2450 m", "tags": ["hut", "de"], "response": "x"}',
            "utf-8",
        ),
    ],
)
def test_tables_and_lines_of_other_names(tmp_path, name, content, encoding):
    (question,), _ = read(write(tmp_path, name, content, encoding))
    number = 1 if name == "t.jsonl" else 2
    assert question == Question(f"t-{number}", "How, high?", None, "2450 m", tags=("hut", "de"), answerable=True)


def test_cells_of_a_table(tmp_path):
    table = 'id,question,references,document,answerable\n1,?,"[""a"", ""b""]",x.md,\n2,??,,,false\n3,???,a,,TRUE\n'
    questions, _ = read(write(tmp_path, "t.csv", table))
    assert questions == [
        Question("1", "?", "x.md", "a", answerable=True, alternatives=("b",)),
        Question("2", "??", None, answerable=False),
        Question("3", "???", None, "a", answerable=True),
    ]


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_the_answer_of_a_model_is_no_reference_where_the_right_one_is_there(tmp_path, name):
    row = {"question": "Which capital?", "answer": "Sydney", "contexts": "x", "ground_truth": "Canberra"}
    none = row | {"question": "Which river?", "ground_truth": ""}
    table = "".join(f"{','.join(line)}\n" for line in (row, row.values(), none.values()))
    path = write(
        tmp_path, name, json.dumps(row) if name == "t.jsonl" else table.replace("\nWhich river?,Sydney,x,", "")
    )
    (question,), found = read(path)
    assert question.references == ("Canberra",)
    assert found.notes[0] == "left out, since 'ground_truth' is there, which is taken: 'answer'"
    with pytest.raises(TandemError, match=r"t.csv:3: document: is missing"):
        load_others(write(tmp_path, "t.csv", table))


@pytest.mark.parametrize("no", ["1", "yes", "TRUE", "1.0"])
def test_what_is_impossible_however_it_is_written(tmp_path, no):
    questions, _ = read(write(tmp_path, "t.csv", f"question,answer,Is_impossible\n?,x,{no}\n??,a,0\n???,b,\n"))
    assert [question.answerable for question in questions] == [False, True, True]
    lines = "".join(
        f"{json.dumps({'question': '?', 'answers': {'text': ['x']}, 'is_impossible': said})}\n"
        for said in (no, 1, False)
    )
    assert [question.answerable for question in read(write(tmp_path, "t.jsonl", lines))[0]] == [False, False, True]


def test_a_table_whose_lines_end_as_in_old_spreadsheets(tmp_path):
    (question,), _ = read(write(tmp_path, "t.csv", "question,answer\rWhere?,Paris\r,\r"))
    assert question == Question("t-2", "Where?", None, "Paris", answerable=True)


def test_lines_of_other_names_with_a_document(tmp_path):
    row = {"question": "How high?", "answer": 2450.0, "document": "hut.md"}
    path = write(tmp_path, "t.jsonl", json.dumps(row))
    assert read(path)[0] == [Question("t-1", "How high?", "hut.md", "2450.0", answerable=True)]
    with pytest.raises(TandemError, match="it is lines with other fields than a set's"):
        load(path)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "question,answer\n?,\n", "t.csv:2: document: is missing"),
        ("t.csv", "question,answer,answerable\n?,a,perhaps\n", "t.csv:2: answerable: 'perhaps' is not allowed"),
        (
            "d.json",
            {"data": [{"paragraphs": [{"qas": [{"id": 1, "question": "?", "answers": [{"t": 1}]}, 7]}]}]},
            "reference",
        ),
        ("h.json", [HOTPOT, HOTPOT], "id: 'h1' is already used"),
        ("t.jsonl", '{"query": "?", "answer": "a"}\n\n{"query"\n{"query": "?", "answer": "b"}', "t.jsonl:3: not JSON"),
        ("t.jsonl", '{"query": "?", "answer": "a"}\n7\n', "t.jsonl:2: not a JSON object"),
        (
            "t.jsonl",
            '{"query": "?", "answer": "Paris", "answer": "Rome"}',
            "t.jsonl:1: not JSON ('answer' stands in it",
        ),
        ("t.json", '[{"query": "?", "answer": "a", "answer": "b"}]', "in an object 'answer' stands in it twice"),
        ("t.json", [{"query": "?", "answer": "a"}, "?"], "t.json:2: not a JSON object"),
        (
            "d.json",
            {"data": [{"paragraphs": [{"qas": [{"id": 1, "question": "?", "answers": []}, 7]}]}]},
            "d.json:2: not",
        ),
        (
            "t.csv",
            "id,question,reference\n1,Where, exactly?,Paris\n",
            "t.csv:2: the row: 4 cells are not allowed (3, as",
        ),
        ("t.csv", "id,question,reference\n1,Where\n", "t.csv:2: the row: 2 cells are not allowed"),
        ("t.csv", 'question,answer\n?,a\n"?,b\n?,c\n', "t.csv:3: isn't a whole row of a table"),
        ("t.csv", "question,reference, Reference\n?,a,b\n", "t.csv:1: column 'reference' stands twice. Keep one"),
        ("t.csv", "question,answer,is_impossible\n?,a,maybe\n", "t.csv:2: is_impossible: 'maybe' is not allowed"),
        ("t.jsonl", '{"question": "?", "answers": ["a"], "is_impossible": 2}', "is_impossible: 2 is not allowed"),
        (
            "t.csv",
            "question,answer\n?,\"['Paris', 'Rome']\"\n",
            "t.csv:2: answer: \"['Paris', 'Rome']\" begins as a list",
        ),
        (
            "t.csv",
            "question,answer\n?,\"{'text': array(['Paris'])}\"\n",
            "Write it with json.dumps, or all of them with",
        ),
        ("t.csv", 'question,document\n?,"[""a.md"","\n', "begins as a list or an object, and isn't JSON"),
        ("t.csv", "question,correct\n?,a\n", "none of reference, references, ground_truth,"),
        ("h.json", [HOTPOT | {"supporting_facts": True}], "supporting_facts: true has no titles"),
        ("h.json", [HOTPOT | {"supporting_facts": "T1"}], "supporting_facts: 'T1' has no titles"),
        ("h.json", [HOTPOT | {"supporting_facts": ["T1"]}], 'supporting_facts: ["T1"] has no titles'),
        ("x/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\td\t1\n1\td\t0\n", "have the grade 1 above, and 0 here"),
        ("q.jsonl", '{"_id": "1", "text": "?"}', "is a part of BEIR's data sets: give the folder"),
        ("x/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\td\tgood\n", "isn't a query, a document and a grade"),
    ],
)
def test_mistakes_in_others_sets_are_told_with_their_place(tmp_path, name, content, said):
    write(tmp_path, "x/queries.jsonl", '{"_id": "1", "text": "?"}')
    with pytest.raises(TandemError) as caught:
        load_others(write(tmp_path, name, content))
    assert said in str(caught.value)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"data": [{"paragraphs": [{"qas": [{"id": "1", "question": "?", "answers": []}]}]}]},
            "it is SQuAD. Make a set",
        ),
        ([HOTPOT], "it is HotpotQA. Make a set of it: tandem eval import other.json --to"),
        ("question;answer\n?;a\n", "it is a table"),
        ('{"_id": "1", "text": "?"}', "it is BEIR. Make a set of it: tandem eval import FOLDER"),
        ('{"user_input": "?", "reference": "a"}', "it is lines with other fields than a set's"),
        ('{"messages": [{"role": "user", "content": "?"}]}', "it is rows of a data set"),
        ("prompts: [a]\ntests:\n  - vars: {q: a}\n", "it is promptfoo's configuration. Write its questions"),
    ],
)
def test_a_file_of_another_format_is_named_once(tmp_path, content, said):
    with pytest.raises(TandemError) as caught:
        load(write(tmp_path, "other.json", content))
    assert said in str(caught.value) and "has 1 mistake:" in str(caught.value)


@pytest.mark.faults
def test_an_encoding_is_told_with_line_byte_and_remedy(tmp_path):
    path = write(tmp_path, "set.jsonl", '{"id": "a"}\n{"id": "größe"}', "latin-1")
    with pytest.raises(TandemError, match=r"set.jsonl:2: isn't UTF-8 \(byte 0xf6\).*iconv -f LATIN1"):
        load(path)


def test_a_cell_of_any_length_is_read(tmp_path):
    """Python's csv takes 131,072 characters by default; and the line of a JSON text isn't taken for a table's."""
    (question,), *_ = load_others(write(tmp_path, "t.csv", "question,answer\n?," + "x" * 200_000))
    assert len(question.references[0]) == 200_000
    with pytest.raises(TandemError, match="1: not JSON"):
        load(write(tmp_path, "set.jsonl", '{"question": "' + "x" * 200_000))


def test_what_is_none_of_these_is_left_to_others(tmp_path):
    for content in (
        '{"messages": []}',
        '{"id": "a", "question": "?", "document": null}',
        "",
        "[]",
        "[" * 100_000,
        "x,y\n",
    ):
        assert formats.read(write(tmp_path, "file", content)) is None
