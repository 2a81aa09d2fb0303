"""Stored runs: what is written is read again, byte for byte the same for the same answers, and broken ones are told."""

import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.questions import Question
from tandem.evaluation.runs import Price, Reply, Run, digest, find, load, save, write
from tandem.evaluation.scoring import measured, score
from tandem.evaluation.spread import latency

QUESTIONS = (
    Question("a", "Was kostet es? ☃\u2028", "a.md", "34 Franken", others=("b.md",), tags=("price",)),
    Question("b", "?", None),
    Question("c", "?", None, "yes", answerable=True),
)
REPLIES = (
    Reply("a", "34 Franken [1]", cited=("a.md",), retrieved=("b.md", "a.md"), model="nova", input_tokens=9, seconds=1),
    Reply("b", refused=True, retrieved=(), seconds=0.5, at_once=4),
    Reply("c", error="timed out", seconds=60),
)


def stored(folder: Path, name: str = "rag", **changes) -> Run:
    scores = score(QUESTIONS, REPLIES, documents=True)
    made = Run(
        name=name,
        folder=folder / name,
        target={"kind": "stack", "stack": "rag-dev"},
        settings={"k": 5, "format": {"regex": "a+"}, "similarity": None, "concurrency": 4},
        questions=QUESTIONS,
        set_name="set",
        digest=digest(QUESTIONS),
        replies=REPLIES,
        scores=scores,
        metrics=measured(QUESTIONS, scores, REPLIES),
        latency=latency(None if reply.error else reply.seconds for reply in REPLIES),
        price=Price(Decimal("0.000001"), "tokens", ("a row",)),
        started_at="2026-11-28T10:00:00+00:00",
        finished_at="2026-11-28T10:01:00+00:00",
    )
    run = replace(made, **changes)
    save(run, versions={"tandem": "0.1.0"})
    return run


def test_a_run_is_read_as_it_was_written(tmp_path):
    run = stored(tmp_path)
    assert load(run.folder) == run
    for price in (None, Price(None, "nobody knows")):
        run = stored(tmp_path, price=price)
        assert load(run.folder).price == price


def test_quality_is_told_apart_from_time(tmp_path):
    slow = tuple(replace(reply, seconds=reply.seconds + 7) for reply in REPLIES)
    first = stored(tmp_path, "first")
    second = stored(tmp_path, "second", replies=slow, finished_at="2026-11-28T12:00:00+00:00")
    assert (first.folder / "metrics.json").read_bytes() == (second.folder / "metrics.json").read_bytes()


def test_the_order_of_a_set_is_not_its_identity():
    assert digest(QUESTIONS) == digest(QUESTIONS[::-1])
    assert digest(QUESTIONS) != digest(QUESTIONS[:-1])
    assert digest(QUESTIONS) != digest((*QUESTIONS[:-1], replace(QUESTIONS[-1], reference="no")))


def test_a_run_is_found_by_its_name_or_its_folder(tmp_path, monkeypatch):
    run = stored(tmp_path / "evaluations")
    assert find("rag", tmp_path / "evaluations") == run.folder
    assert find(str(run.folder)) == run.folder
    with pytest.raises(TandemError, match=r"no run 'tuned' in .*\(there are: rag\)"):
        find("tuned", tmp_path / "evaluations")
    (tmp_path / "evaluations" / "half").mkdir()
    with pytest.raises(TandemError, match=r"half has no run\.json"):
        find("half", tmp_path / "evaluations")


@pytest.mark.faults
@pytest.mark.parametrize("interrupted_at", ["questions.jsonl", "replies.jsonl", "metrics.json", "run.json"])
def test_a_run_that_was_interrupted_while_it_was_written_is_not_taken_for_whole(tmp_path, monkeypatch, interrupted_at):
    """Also where there was a whole one before."""
    run = stored(tmp_path)
    replace_file = os.replace

    def interrupted(source, target):
        if Path(target).name == interrupted_at:
            raise KeyboardInterrupt
        replace_file(source, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path, price=None)
    monkeypatch.undo()
    with pytest.raises(TandemError, match=r"has no run\.json"):
        load(run.folder)
    stored(tmp_path)
    assert load(run.folder) == run


@pytest.mark.faults
def test_a_run_that_cannot_be_read_says_why(tmp_path):
    run = stored(tmp_path)
    about = json.loads((run.folder / "run.json").read_text())

    def broken(name: str, text: str) -> str:
        whole = (run.folder / name).read_text()
        write(run.folder / name, text)
        with pytest.raises(TandemError) as caught:
            load(run.folder)
        write(run.folder / name, whole)
        return str(caught.value)

    assert "its format is 1, this version reads 2" in broken("run.json", json.dumps(about | {"format": 1}))
    assert "can't be read" in broken("run.json", "{")
    assert "can't be read" in broken("run.json", json.dumps({"format": 2}))
    assert "can't be read" in broken("replies.jsonl", '{"question": "a"}\n')
    assert "not those to its questions" in broken("replies.jsonl", "")
    assert "can't be read" in broken("questions.jsonl", "")
    assert "can't be read" in broken("metrics.json", '{"metrics": {"mrr": {"scores": []}}}')
    (run.folder / "metrics.json").unlink()
    with pytest.raises(TandemError, match=r"has no metrics\.json"):
        load(run.folder)
