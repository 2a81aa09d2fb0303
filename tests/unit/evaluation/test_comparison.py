"""Two runs: verdicts, what isn't compared, and different question sets."""

from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.comparison import compare, left_out
from tandem.evaluation.questions import Question
from tandem.evaluation.runs import Reply, Run, digest
from tandem.evaluation.scoring import measured
from tandem.evaluation.spread import latency

QUESTIONS = tuple(Question(str(number), f"{number}?", None, "yes", answerable=True) for number in range(20))


def run(name, scores, questions=QUESTIONS, **settings):
    replies = tuple(Reply(question.id, "yes") for question in questions)
    scores = {metric: tuple(values) for metric, values in scores.items()}
    return Run(
        name=name,
        folder=Path(name),
        target={"kind": "openai"},
        settings=settings,
        questions=questions,
        set_name="set",
        digest=digest(questions),
        replies=replies,
        scores=scores,
        metrics=measured(questions, scores, replies),
        latency=latency([1.0] * len(replies)),
        price=None,
        started_at="",
        finished_at="",
    )


HARD = [0.0, 1.0] * 10


def test_what_is_better_what_is_worse_and_what_cannot_be_told():
    before = run("old", {"exact_match": HARD, "token_f1": [0.5] * 20, "mrr": HARD, "refusal_accuracy": HARD})
    after = run("new", {"exact_match": [1.0] * 20, "token_f1": [0.4] * 20, "mrr": HARD, "refusal_accuracy": HARD[::-1]})
    found = {difference.metric: difference for difference in compare(before, after)}
    assert {metric: difference.verdict for metric, difference in found.items()} == {
        "exact_match": "better",
        "token_f1": "worse",
        "mrr": "not sure",
        "refusal_accuracy": "not sure",
    }
    exact = found["exact_match"]
    assert (exact.before, exact.after, exact.interval.difference, exact.count) == (0.5, 1.0, 0.5, 20)
    assert 0 < exact.interval.low < 0.5 < exact.interval.high < 1


def test_pairs_are_questions_and_not_places():
    before = run("old", {"mrr": HARD})
    after = run("new", {"mrr": HARD[::-1]}, questions=QUESTIONS[::-1])
    (found,) = compare(before, after)
    assert found.interval == (0, 0, 0, 1)


def test_only_questions_that_a_metric_applies_to_in_both_are_compared():
    before = run("old", {"mrr": [None] * 5 + [0.0] * 15})
    after = run("new", {"mrr": [1.0] * 15 + [None] * 5})
    (found,) = compare(before, after)
    assert (found.count, found.before, found.after) == (10, 0, 1)


def test_what_was_not_measured_alike_is_left_out():
    scores = {"exact_match": HARD, "token_f1": HARD, "similarity": HARD, "format_adherence": HARD}
    form = {"regex": "a"}
    before = run("old", scores | {"recall@5": HARD}, format=form, similarity="titan")
    after = run("new", scores | {"recall@10": HARD}, format={"regex": "b"}, similarity="cohere")
    lacking = left_out(before, after)
    assert lacking.keys() == {"similarity", "format_adherence", "recall@5", "recall@10"}
    assert lacking["recall@5"] == "not measured in new"
    assert "another --similarity" in lacking["similarity"]
    assert "another --format" in lacking["format_adherence"]
    assert [found.metric for found in compare(before, after)] == ["exact_match", "token_f1"]
    named = run("named", scores, format={"regex": "(?P<answer>a)"}, similarity="titan")
    assert compare(before, named) == []  # only a part of the answer was held against the reference
    assert len(compare(named, named)) == 4


@pytest.mark.faults
def test_other_questions_are_refused_with_their_numbers():
    changed = Question("1", "1?", None, "no", answerable=True)
    before = run("old", {"mrr": HARD})
    after = run("new", {"mrr": HARD}, questions=(QUESTIONS[0], changed, *QUESTIONS[2:19], Question("x", "?", None)))
    with pytest.raises(TandemError, match=r"2 questions only in old, 2 only in new, 18 in both.*--common"):
        compare(before, after)
    (found,) = compare(before, after, common=True)
    assert found.count == 18
    strange = run("strange", {"mrr": [1.0]}, questions=(Question("x", "?", None),))
    with pytest.raises(TandemError, match="no question in common"):
        compare(before, strange, common=True)
