"""Measures of rankings and citations: by hand, against brute force, and what holds for any."""

import math
import random
from itertools import permutations

import pytest

from tandem.evaluation.citations import citation_precision, citation_recall
from tandem.evaluation.retrieval import ndcg, recall, reciprocal_rank

ROUNDS = 300
DOCUMENTS = [f"{letter}.md" for letter in "abcdefghij"]


def cases(most=10):
    """A ranking with repetitions, grades of the relevant documents, k."""
    draws = random.Random(6)  # noqa: S311
    for _ in range(ROUNDS):
        ranking = draws.choices(DOCUMENTS, k=draws.randint(0, 12))
        grades = {document: draws.randint(1, 3) for document in draws.sample(DOCUMENTS, draws.randint(1, most))}
        yield ranking, grades, draws.randint(1, 12)


def test_an_id_counts_once_and_what_follows_moves_up():
    ranking = ["x", "x", "x", "a"]
    assert recall(ranking, ["a"], 2) == 1
    assert reciprocal_rank(ranking, ["a"]) == 0.5
    assert ndcg(ranking, ["a"], 2) == 1 / math.log2(3)
    assert citation_precision(ranking, ["a"]) == 0.5
    assert recall(["a"], ["a", "a", "b"], 5) == 0.5


def test_nothing_found_and_nothing_cited():
    for ranking in ([], ["x"]):
        assert recall(ranking, ["a"], 3) == reciprocal_rank(ranking, ["a"]) == ndcg(ranking, ["a"], 3) == 0
        assert citation_precision(ranking, ["a"]) == citation_recall(ranking, ["a"]) == 0


def test_grades_weigh_and_a_grade_of_zero_is_none():
    grades = {"a": 3, "b": 1, "c": 0}
    assert ndcg(["a", "b"], grades, 2) == ndcg(["a", "b", "c"], grades, 3) == 1
    assert ndcg(["b", "a"], grades, 2) == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))
    assert ndcg(["c"], grades, 1) == 0


def brute_ndcg(ranking, grades, k):
    """Place by place from the definition; the best order is looked for among all."""

    def gain(order):
        return sum(grades.get(order[at], 0) * math.log(2) / math.log(at + 2) for at in range(min(k, len(order))))

    unique = [document for at, document in enumerate(ranking) if document not in ranking[:at]]
    return gain(unique) / max(map(gain, permutations(grades)))


def test_against_brute_force():
    for ranking, grades, k in cases(most=5):
        unique = sorted(set(ranking), key=ranking.index)
        hits = [at for at, document in enumerate(unique, start=1) if document in grades]
        assert ndcg(ranking, grades, k) == pytest.approx(brute_ndcg(ranking, grades, k), abs=1e-12)
        binary = dict.fromkeys(grades, 1)
        assert ndcg(ranking, list(grades), k) == pytest.approx(brute_ndcg(ranking, binary, k), abs=1e-12)
        assert recall(ranking, grades, k) == sum(at <= k for at in hits) / len(grades)
        assert reciprocal_rank(ranking, grades) == (1 / min(hits) if hits else 0)
        assert citation_recall(ranking, grades) == len(hits) / len(grades)
        assert citation_precision(ranking, grades) == (len(hits) / len(unique) if unique else 0)


def measures(ranking, grades, k):
    return {
        "recall": recall(ranking, grades, k),
        "rank": reciprocal_rank(ranking, grades),
        "graded": ndcg(ranking, grades, k),
        "binary": ndcg(ranking, list(grades), k),
        "precision": citation_precision(ranking, grades),
        "cited": citation_recall(ranking, grades),
    }


def test_what_holds_for_any_ranking():
    for ranking, grades, k in cases():
        found = measures(ranking, grades, k)
        assert all(0 <= value <= 1 for value in found.values())
        longer = measures([*ranking, "irrelevant.md"], grades, k)
        assert all(longer[name] <= value for name, value in found.items())
        best = sorted(grades, key=grades.__getitem__, reverse=True)
        perfect = measures(best, grades, k)
        assert perfect.pop("recall") == min(k, len(best)) / len(best)
        assert set(perfect.values()) == {1.0}
        assert recall(ranking, grades, k) <= recall(ranking, grades, k + 1)


@pytest.mark.faults
@pytest.mark.parametrize(
    "measure",
    [
        lambda relevant: recall(["a"], relevant, 1),
        lambda relevant: ndcg(["a"], relevant, 1),
        lambda relevant: reciprocal_rank(["a"], relevant),
        lambda relevant: citation_precision(["a"], relevant),
        lambda relevant: citation_recall(["a"], relevant),
    ],
)
def test_no_relevant_document_is_refused(measure):
    for nothing in ([], (), set()):
        with pytest.raises(ValueError, match="no document is relevant"):
            measure(nothing)


@pytest.mark.faults
def test_unusable_arguments_are_refused():
    for k in (0, -1):
        for measure in (recall, ndcg):
            with pytest.raises(ValueError, match=f"k is {k}"):
                measure(["a"], ["a"], k)
    with pytest.raises(ValueError, match="give a collection of ids"):
        recall(["a"], "a.md", 1)
    with pytest.raises(ValueError, match="no document is relevant"):
        ndcg(["a"], {"a": 0}, 1)
    for grade in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match="a number from 0 up"):
            ndcg(["a"], {"a": grade, "b": 1}, 1)
