"""The threshold that a question set proposes."""

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.calibration import Found, at, check_kinds, found, proposed
from tandem.evaluation.questions import Question


def good(*scores: float | None) -> list[Found]:
    return [Found(True, score, False) for score in scores]


def bad(*scores: float | None) -> list[Found]:
    return [Found(False, score, False) for score in scores]


def counts(threshold) -> tuple[float, int, int]:
    return threshold.value, sum(threshold.refused), sum(threshold.let_through)


def test_between_what_is_to_be_answered_and_what_is_not():
    assert counts(proposed([*good(0.8, 0.6, 0.7), *bad(0.1, 0.4, 0.2)])) == (0.5, 0, 0)


def test_a_value_that_is_rounded_still_separates():
    assert counts(proposed([*good(0.4538, 0.9), *bad(0.4532, 0.1)])) == (0.4535, 0, 0)


def test_both_kinds_count_by_their_share():
    """One of two good ones is more than three of ten others."""
    questions = [*good(0.5, 0.9), *bad(*[0.1] * 7, 0.6, 0.7, 0.8)]
    assert counts(proposed(questions))[1:] == (0, 3)


def test_an_identifier_passes_and_nothing_found_never_does():
    exact = Found(True, 0.1, True)
    questions = [exact, *good(0.8, None), *bad(0.3, None)]
    value, refused, let_through = counts(proposed(questions))
    assert (refused, let_through) == (1, 0) and 0.3 < value <= 0.8
    assert at(questions, 1.0).refused == [False, True, True]


@pytest.mark.faults
@pytest.mark.parametrize(
    "questions",
    [
        [*good(None), *bad(None)],
        [*good(0.5), *bad(0.5)],
        [*good(0.1, 0.2), *bad(0.3, 0.4)],
        [*good(-0.2), *bad(-0.1)],
    ],
)
def test_where_scores_tell_nothing_none_is_proposed(questions):
    with pytest.raises(TandemError, match="No threshold separates"):
        proposed(questions)


def test_the_least_score_is_at_least_zero():
    assert 0 <= proposed([*good(-0.1, 0.4), *bad(-0.3, -0.2)]).value <= 0.4


@pytest.mark.faults
def test_what_is_no_number_is_no_score():
    with pytest.raises(TandemError, match="another shape"):
        found(Question("1", "?", "a.md"), {"retrieved": [{"score": float("nan")}]})


@pytest.mark.parametrize(("document", "missing"), [("a.md", "that no document answers"), (None, "documents ans")])
def test_one_kind_alone_proposes_nothing(document, missing):
    with pytest.raises(TandemError, match=missing):
        check_kinds([Question("1", "?", document)])


def test_what_a_response_says():
    places = [{"score": 0.4, "exact": False}, {"score": 0.5, "exact": True}]
    assert found(Question("1", "?", "a.md"), {"retrieved": places}) == Found(True, 0.5, True)
    assert found(Question("1", "?", None), {"retrieved": []}) == Found(False, None, False)
    assert found(Question("1", "?", None), {"retrieved": [{"score": 0.4}]}) == Found(False, 0.4, False)
    with pytest.raises(TandemError, match="another shape"):
        found(Question("1", "?", None), {"answer": "x"})
