"""Metrics against cases worked by hand."""

import sys

import pytest
from tandem_contract.errors import TandemError

from tandem.measures.metrics import exact_match, format_adherence, token_f1

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "sources": {"type": "array", "items": {"$ref": "#/$defs/source"}}},
    "required": ["answer"],
    "additionalProperties": False,
    "$defs": {"source": {"type": "string", "minLength": 1}},
}


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        # Case, punctuation, articles and white space are no words.
        ("The Denver  Broncos!", "denver broncos", 1.0, 1.0),
        ("A.B. an apple", "ab apple", 1.0, 1.0),
        # A word that only holds an article keeps it.
        ("another theme", "other me", 0.0, 0.0),
        # 2 of 3 words shared, reference of 2: precision 2/3, recall 1, F1 4/5.
        ("carolina panthers won", "the Carolina Panthers", 0.0, 0.8),
        # 1 of 4 and 1 of 2: precision 1/4, recall 1/2, F1 1/3.
        ("in the year of 1066", "October 1066", 0.0, 2 * (1 / 4) * (1 / 2) / (3 / 4)),
        # Words count as often as they stand: shared 1, precision 1/3, recall 1, F1 1/2.
        ("yes yes yes", "yes", 0.0, 0.5),
        ("no", "yes", 0.0, 0.0),
        # Without words on one side, 1 only if there are none on the other (SQuAD 2.0: no answer).
        ("", "", 1.0, 1.0),
        ("The.", "", 0.0, 0.0),
        ("", "yes", 0.0, 0.0),
        ("yes", "", 0.0, 0.0),
    ],
)
def test_words(answer, reference, exact, f1):
    assert exact_match(answer, reference) == exact
    assert token_f1(answer, reference) == pytest.approx(f1, abs=1e-12)
    assert token_f1(reference, answer) == pytest.approx(f1, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "pattern", "adheres"),
    [
        ("\n Yes: 12 \n", r"(Yes|No): \d+", 1.0),
        ("Yes: 12 and more", r"(Yes|No): \d+", 0.0),
        ("well, Yes: 12", r"(Yes|No): \d+", 0.0),
        ("one\ntwo", r"one.two", 0.0),
        ("one\ntwo", r"(?s)one.two", 1.0),
        ("yes: 12", r"Yes: \d+", 0.0),
    ],
)
def test_pattern_matches_all_of_the_answer(answer, pattern, adheres):
    assert format_adherence(answer, {"regex": pattern}) == adheres


@pytest.mark.parametrize(
    ("answer", "adheres"),
    [
        ('{"answer": "34 francs", "sources": ["prices.md"]}', 1.0),
        (' \n{"answer": ""}\n', 1.0),
        ('{"answer": "34 francs", "sources": [""]}', 0.0),
        ('{"answer": "34 francs", "tone": "dry"}', 0.0),
        ("{}", 0.0),
        ('```json\n{"answer": "34 francs"}\n```', 0.0),
        ('{"answer": "34 francs"} I hope this helps.', 0.0),
        ('{"answer": NaN}', 0.0),
        ("[" * 100_000, 0.0),
        ("", 0.0),
    ],
)
def test_schema_accepts_json_and_nothing_around_it(answer, adheres):
    assert format_adherence(answer, {"json_schema": SCHEMA}) == adheres


@pytest.mark.faults
@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "give either"),
        ({"regex": "a", "json_schema": {}}, "give either"),
        ({"xml": "a"}, "give either"),
        ({"regex": "(yes"}, r"format.regex is '\(yes'"),
        ({"regex": 7}, "format.regex is 7"),
        ({"json_schema": {"type": "text"}}, "is not a JSON Schema: 'text' is not valid"),
        ({"json_schema": {"$ref": "https://example.com/answer.json"}}, "which is not in it"),
        ({"json_schema": {"$ref": "#/$defs/answer"}}, "which is not in it"),
    ],
)
def test_unusable_format_is_refused_whatever_the_answer(form, says):
    for answer in ('{"answer": "yes"}', "{}"):
        with pytest.raises(TandemError, match=says):
            format_adherence(answer, form)


@pytest.mark.faults
def test_missing_package_names_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(TandemError, match="pip install jsonschema"):
        format_adherence("{}", {"json_schema": {}})
    assert format_adherence("{}", {"regex": r"\{\}"}) == 1.0
