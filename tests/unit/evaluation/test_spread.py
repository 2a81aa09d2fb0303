"""Means and percentiles with failed calls in them, and similarity by a made-up embedder."""

import math
import random
import statistics

import pytest

from tandem.evaluation.similarity import cosine, semantic_similarity
from tandem.evaluation.spread import latency, mean, percentile

VECTORS = {"warm": (1, 0), "hot": (0.8, 0.6), "wet": (0, 2), "cold": (-1, 0), "?": (0, 0)}


def embed(texts):
    return [VECTORS[text] for text in texts]


def test_failed_calls_stay_in_the_denominator():
    assert mean([1.0, None, 0.5, None]) == (0.375, 4, 2)
    assert mean([None]) == (0.0, 1, 1)
    assert mean(iter([True, False])) == (0.5, 2, 0)


def test_latency_is_of_the_answers_and_failures_are_told_apart():
    assert latency([0.4, None, 0.2, 0.3]) == (0.3, pytest.approx(0.39), 4, 1)
    assert latency([None, None]) == (None, None, 2, 2)
    assert latency([]) == (None, None, 0, 0)


def test_percentile_against_the_standard_library():
    draws = random.Random(7)  # noqa: S311
    for _ in range(100):
        values = [draws.expovariate(1) for _ in range(draws.randint(2, 60))]
        cuts = statistics.quantiles(values, n=20, method="inclusive")
        found = [percentile(values, share / 20) for share in range(1, 20)]
        assert found == pytest.approx(cuts, abs=1e-12)
        assert percentile(values, 0) == min(values) and percentile(values, 1) == max(values)


@pytest.mark.faults
def test_unusable_values_are_refused():
    for values, says in (([], "no values"), ([1.0, math.nan], "not a finite number")):
        with pytest.raises(ValueError, match=says):
            mean(values)
    with pytest.raises(ValueError, match="not a finite number"):
        latency([math.inf])
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    with pytest.raises(ValueError, match="share is 95"):
        percentile([1.0], 95)


@pytest.mark.parametrize(
    ("answer", "similarity"),
    [("warm", 1.0), ("hot", 0.8), ("wet", 0.0), ("cold", 0.0), ("?", 0.0), ("", 0.0), (" \n", 0.0)],
)
def test_similarity_from_0_to_1(answer, similarity):
    assert semantic_similarity(answer, "warm", embed) == pytest.approx(similarity)


def test_cosine_is_of_the_angle_alone():
    draws = random.Random(8)  # noqa: S311
    for _ in range(100):
        first, second = ([draws.gauss() for _ in range(8)] for _ in range(2))
        found = cosine(first, second)
        plain = (
            sum(map(math.prod, zip(first, second, strict=True)))
            / math.dist(first, [0] * 8)
            / math.dist(second, [0] * 8)
        )
        assert found == pytest.approx(plain, abs=1e-12)
        assert cosine(second, [3 * value for value in first]) == pytest.approx(found)
        assert cosine(first, first) == pytest.approx(1)
        assert 0 <= semantic_similarity("a", "b", lambda _, both=(first, second): both) <= 1


@pytest.mark.faults
def test_unusable_vectors_are_refused():
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        cosine([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="not a finite number"):
        cosine([1, math.nan], [1, 2])
