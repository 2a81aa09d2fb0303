"""Question sets: mistakes in them, and `tandem questions` against an HTTP server."""

import json
import re
import time
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError
from typer.testing import CliRunner

from tandem.cli import questions
from tandem.cli.main import app
from tandem.clients import query_service
from tandem.evaluation.questions import Question, load
from tandem.evaluation.runs import Reply
from tandem.evaluation.summary import summarize
from tests.support.eval_command import lines
from tests.support.query_api import answer

SAMPLES = Path(__file__).parents[3] / "samples"


def test_every_mistake_is_reported_with_its_line(tmp_path):
    file = tmp_path / "questions.jsonl"
    lines = [
        '{"id": "a", "question": "One?", "document": "x.md"}',
        "{not json",
        '{"id": "a", "question": "Two?", "document": null}',
        "",
        '{"id": "b", "question": "", "answer": "?"}',
        '["c"]',
        '{"id": true, "question": "Three?", "document": [8]}',
    ]
    file.write_text("\n".join(lines))
    with pytest.raises(TandemError) as caught:
        load(file)
    message = str(caught.value)
    for expected in (
        "questions.jsonl:2: not JSON",
        "questions.jsonl:3: id: 'a' is already used on line 1",
        "questions.jsonl:5: document: is missing",
        "questions.jsonl:5: answer: is not a field",
        "questions.jsonl:5: question: '' is not allowed (a text, whole and not empty)",
        "questions.jsonl:6: not a JSON object",
        "questions.jsonl:7: id: true is not allowed (a text",
        "questions.jsonl:7: document: [8] is not allowed (a text",
    ):
        assert expected in message


def test_empty_set(tmp_path):
    (tmp_path / "q").write_text("\n")
    with pytest.raises(TandemError, match="no questions"):
        load(tmp_path / "q")


def test_summary_counts_citation_and_refusal():
    answerable, unanswerable = Question("1", "?", "x.md"), Question("2", "?", None)
    pairs = [
        (answerable, Reply("1", cited=("x.md", "y.md"), retrieved=("x.md", "y.md"))),
        (answerable, Reply("1", cited=("y.md",), retrieved=("y.md", "x.md"))),
        (answerable, Reply("1", retrieved=("y.md",))),
        (answerable, Reply("1", refused=True, retrieved=("x.md",))),
        (answerable, Reply("1", cited=("x.md",))),
        (unanswerable, Reply("2", refused=True)),
        (unanswerable, Reply("2", cited=("x.md",))),
    ]
    text = (
        "4 of 5 have the labelled document among the passages (3 in first place, 1 refused); 3 cite, 2 of them the "
        "labelled document; 1 of 2 refused"
    )
    assert str(summarize(*zip(*pairs, strict=True))) == text


@pytest.fixture
def two_questions(tmp_path) -> str:
    file = tmp_path / "two.jsonl"
    file.write_text(
        '{"id": "price", "question": "Bunk?", "document": "a.md"}\n{"id": "none", "question": "?", "document": null}\n'
    )
    return str(file)


def test_command_shows_rows_and_counts(project, api, two_questions):
    api.replies = [(200, {}, answer("a.md"))]
    result = CliRunner().invoke(app, ["questions", two_questions, "--min-found", "1"])
    assert result.exit_code == 0, result.output
    assert "price" in result.output and "0.60" in result.output
    assert "1 of 1 have the labelled document among the passages (1 in first place, 0 refused); 1 cite" in result.output
    assert "0 of 1 refused." in result.output


def test_command_fails_below_the_limits(project, api, two_questions):
    api.replies = [(200, {}, answer("a.md"))]
    result = CliRunner().invoke(app, ["questions", two_questions, "--min-refused", "1", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["summary"]["refused"] == 0
    assert "and 1 be refused" in result.stderr


def test_command_reports_mistakes_before_it_asks(project, api, tmp_path):
    (tmp_path / "q").write_text("{}")
    result = CliRunner().invoke(app, ["questions", str(tmp_path / "q")])
    assert result.exit_code == 1
    assert "q:1: id: is missing" in result.stderr
    assert api.requests == []


BUSY = (503, {"Retry-After": "0.1"}, {"error": "The model gave no answer yet.", "timings_ms": {"generate": 19_600.0}})


@pytest.mark.faults
def test_a_slow_service_is_waited_for_as_long_as_it_answers(project, api, folder, monkeypatch):
    """All together take longer than the timeout, which is that of a standstill."""
    monkeypatch.setattr(query_service, "SPREAD_SECONDS", 0)
    rows = [{"id": f"q{number}", "question": f"Hut {number}?", "document": "a.md"} for number in range(5)]
    file = lines(folder / "five.jsonl", *rows)
    api.replies = [*([BUSY] * 12 + [(200, {}, answer("a.md"))]) * 5]
    started = time.monotonic()
    result = CliRunner().invoke(app, ["questions", str(file), "--min-found", "5", "--timeout", "2"])
    assert result.exit_code == 0, result.output
    assert time.monotonic() - started > 2
    assert "5 of 5 have the labelled document among the passages" in result.stdout
    assert "The model gave no answer yet (503, generate 19.6 s); asking again in" in result.stderr
    assert re.search(r"3 of 5: q\d, \d+\.\d s \(generate 0\.4 s\); 2 left, \d+ s at this rate", result.stderr)
    assert re.search(r"5 asked, one every \d+\.\d s; waited for generate 11\d\d\.\d s, pauses and", result.stderr)


@pytest.mark.faults
def test_a_service_that_never_answers_ends_the_command(project, api, two_questions):
    api.replies = [BUSY]
    result = CliRunner().invoke(app, ["questions", two_questions, "--timeout", "1"])
    assert result.exit_code == 1
    assert re.search(r"the first 2 calls failed.*No answer from http.* within \d+ s; last: The model", result.stderr)


@pytest.mark.faults
def test_one_question_without_an_answer_leaves_the_others_theirs(project, api, two_questions, monkeypatch):
    monkeypatch.setattr(questions, "CONCURRENCY", 1)
    monkeypatch.setattr(query_service, "SPREAD_SECONDS", 0)
    long = (503, {"Retry-After": "30"}, {"error": "The model gave no answer yet."})
    api.replies = [long, (200, {}, answer("a.md"))]
    result = CliRunner().invoke(app, ["questions", two_questions, "--timeout", "1", "--json"])
    first, second = json.loads(result.stdout)["rows"]
    assert "No answer from" in first["error"] and second["cited"] == ["a.md"]


@pytest.mark.faults
def test_a_response_of_another_shape_fails_its_question_alone(project, api, two_questions):
    api.replies = [(200, {}, {"citations": 3}), (200, {}, answer(refused=True, answer=None))]
    result = CliRunner().invoke(app, ["questions", two_questions, "--json"])
    rows = json.loads(result.stdout)["rows"]
    (error,) = [row["error"] for row in rows if row["error"]]
    assert error.startswith("the response has another shape")
    assert [row["refused"] for row in rows if not row["error"]] == [True]
