"""The paired bootstrap interval: against hand-made and simulated truth."""

import math
import random

import pytest

from tandem.measures.intervals import paired_bootstrap

SIMULATIONS = 200
TRUTH = 0.2


def test_difference_is_the_mean_and_the_interval_holds_it():
    found = paired_bootstrap([0, 1, 0, 0], [1, 1, 1, 0])
    assert found.difference == 0.5
    assert found.low <= found.difference <= found.high
    # Means of four draws out of (1, 0, 1, 0): P(0) = P(1) = 1/16 > 2.5 %, so both ends are reached.
    assert (found.low, found.high) == (0.0, 1.0)


def test_equal_differences_leave_no_doubt():
    assert paired_bootstrap([0.25, 0.5], [0.75, 1.0]) == (0.5, 0.5, 0.5)


def test_same_input_same_interval_and_the_seed_matters():
    draws = random.Random(3)  # noqa: S311
    base, tuned = ([draws.random() for _ in range(50)] for _ in range(2))
    assert paired_bootstrap(base, tuned) == paired_bootstrap(base, tuned)
    assert paired_bootstrap(base, tuned, seed=1) != paired_bootstrap(base, tuned)
    assert paired_bootstrap(tuned, base).difference == -paired_bootstrap(base, tuned).difference


def test_pairing_cancels_what_is_hard_for_both():
    """The same values in another order, so no longer pairs, are far less sure."""
    draws = random.Random(4)  # noqa: S311
    base = [draws.random() for _ in range(100)]
    tuned = [value + 0.1 for value in base]
    paired = paired_bootstrap(base, tuned)
    shuffled = paired_bootstrap(base, draws.sample(tuned, k=100))
    assert paired.high - paired.low < 1e-9
    assert shuffled.high - shuffled.low > 0.1
    assert shuffled.difference == pytest.approx(paired.difference)


@pytest.mark.parametrize("rows", [30, 100])
def test_interval_holds_the_truth(rows):
    """At least 90 % of 200 simulated 95 % intervals contain the true difference, and are no wider than they must be."""
    draws = random.Random(5)  # noqa: S311
    held, widths = 0, 0.0
    for seed in range(SIMULATIONS):
        base = [float(draws.random() < 0.5) for _ in range(rows)]
        tuned = [float(draws.random() < 0.5 + TRUTH) for _ in range(rows)]
        found = paired_bootstrap(base, tuned, resamples=500, seed=seed)
        held += found.low <= TRUTH <= found.high
        widths += found.high - found.low
    assert held >= 0.9 * SIMULATIONS
    # The textbook's width for a mean, of differences whose variance is 0.5 x 0.5 + 0.7 x 0.3.
    assert widths / SIMULATIONS == pytest.approx(2 * 1.96 * math.sqrt(0.46 / rows), rel=0.1)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], []), "no rows to compare"),
        (([0.0], [1.0, 1.0]), "1 base and 2 tuned values"),
        (([0.0], [float("nan")]), "not a finite number"),
        (([0.0], [1.0], 0), "resamples is 0"),
    ],
)
def test_unusable_values_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        paired_bootstrap(*arguments)
