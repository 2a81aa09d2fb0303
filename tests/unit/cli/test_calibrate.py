"""`tandem eval calibrate`, against an HTTP server."""

import json

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tests.support.query_api import answer

SCORES = {"Warm?": 0.62, "Cold?": 0.58, "Who won?": 0.31}
TITAN = "amazon.titan-embed-text-v2:0"


@pytest.fixture
def questions(project, api, tmp_path):
    """Two questions that documents answer, one of them asked twice, and one that none does; in force is too much."""
    project.has(queryUrl=api.url, region="eu-north-1")

    def reply(request):
        place = {
            "document": "a.md",
            "page": None,
            "heading": None,
            "score": SCORES[request["question"]],
            "exact": False,
        }
        return answer(retrieved=[place], embedder=TITAN, index="docs-1", min_score=0.6)

    api.replies = [(200, {}, reply)]
    file = tmp_path / "questions.jsonl"
    rows = [
        {"id": str(number), "question": text, "document": None if text == "Who won?" else "a.md"}
        for number, text in enumerate([*SCORES, "Warm?"])
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def run(*arguments, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["eval", "calibrate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_it_proposes_and_changes_nothing(questions, api):
    printed = run(questions, "--stack", "docs-dev")
    rows = [" ".join(line.split()) for line in printed.splitlines()]
    assert "proposed 0.44 0 of 2 (0% to 66%) 0 of 1 (0% to 79%)" in rows
    assert "in force 0.6 1 of 2 (9% to 91%) 0 of 1 (0% to 79%)" in rows
    assert f"It holds for {TITAN} (index docs-1) and these documents. Nothing was changed." in printed
    assert "pulumi config set tandem:minScore 0.44 --stack docs-dev" in printed
    assert sorted(request["question"] for request in api.requests) == sorted(SCORES)
    assert all(request["generate"] is False for request in api.requests)


def test_as_json(questions):
    content = json.loads(run(questions, "--json"))
    both = {"answerable": 2, "unanswerable": 1, "let_through": 0}
    assert content == {
        "embedder": TITAN,
        "index": "docs-1",
        "proposed": {"min_score": 0.44, "refused": 0, **both},
        "in_force": {"min_score": 0.6, "refused": 1, **both},
    }


def test_questions_of_one_kind_are_refused_before_any_is_asked(questions, api):
    questions.write_text('{"id": "1", "question": "Warm?", "document": "a.md"}')
    assert "no question that no document answers" in run(questions, code=1)
    assert api.requests == []


def test_an_index_that_changes_meanwhile(questions, api):
    [(status, headers, reply)] = api.replies
    api.replies = [(status, headers, lambda request: reply(request) | {"index": "docs-2"}), (status, headers, reply)]
    assert "The index changed while it was asked" in run(questions, code=1)


def test_an_earlier_releases_api(questions, api):
    api.replies = [
        (200, {}, lambda request: answer(retrieved=[{"document": "a.md", "score": SCORES[request["question"]]}]))
    ]
    printed = run(questions)
    assert "0.44" in printed and "in force" not in printed
