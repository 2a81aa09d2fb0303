"""Verdicts and intervals: against exact tests, hand-made cases and simulated truth."""

import math
import random

import numpy
import pytest

from tandem.measures.intervals import mean_interval, paired_interval

SIMULATIONS = 100
TRUTH = 0.2


def one_right(questions, after, before):
    """The interval of two runs of 0 and 1 of which only one has so many questions right."""
    rest = [0.0] * (questions - after - before)
    return paired_interval([0.0] * after + [1.0] * before + rest, [1.0] * after + [0.0] * before + rest)


def verdict(found):
    return "better" if found.low > 0 else "worse" if found.high < 0 else "not sure"


def test_difference_is_the_mean_and_the_interval_holds_it():
    found = paired_interval([0, 1, 0, 0, 0, 0.5], [1, 1, 1, 0, 0.5, 0])
    assert found.difference == pytest.approx(1 / 3)
    assert found.low <= found.difference <= found.high


@pytest.mark.faults
@pytest.mark.parametrize(
    ("questions", "after", "before", "p", "said"),
    [
        (1, 1, 0, 1, "not sure"),
        (2, 2, 0, 0.5, "not sure"),
        (4, 4, 0, 0.125, "not sure"),
        (5, 0, 5, 0.0625, "not sure"),
        (10, 4, 0, 0.125, "not sure"),
        (50, 4, 0, 0.125, "not sure"),
        (200, 5, 0, 0.0625, "not sure"),
        (30, 7, 1, 0.0703, "not sure"),
        (50, 9, 2, 0.0654, "not sure"),
        (50, 10, 3, 0.0923, "not sure"),
        (30, 6, 0, 0.03125, "better"),
        (60, 12, 3, 0.0352, "better"),
        (60, 3, 12, 0.0352, "worse"),
        (40, 3, 3, 1, "not sure"),
    ],
)
def test_better_that_is_not_by_the_exact_sign_test(questions, after, before, p, said):
    found = one_right(questions, after, before)
    assert found.p == pytest.approx(p, abs=5e-5)
    assert verdict(found) == said


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_nothing_is_sure_below_six_questions_that_differ(count):
    draws = random.Random(count)  # noqa: S311
    for _ in range(20):
        base = [draws.random() / 2 for _ in range(count)] + [0.3] * draws.randrange(60)
        tuned = [value + draws.random() / 2 for value in base[:count]] + base[count:]
        found = paired_interval(base, tuned)
        assert (found.p >= 0.05, verdict(found)) == (True, "not sure")


def test_the_flip_test_against_every_way_of_signs():
    draws = random.Random(7)  # noqa: S311
    for _ in range(100):
        count = draws.randint(2, 9)
        base, tuned = ([draws.choice((0, 0.25, 0.5, draws.random())) for _ in range(count)] for _ in range(2))
        differences = [after - before for before, after in zip(base, tuned, strict=True)]
        seen = abs(math.fsum(differences)) - 1e-9
        flipped = [
            abs(math.fsum(-value if ways >> at & 1 else value for at, value in enumerate(differences)))
            for ways in range(2**count)
        ]
        assert paired_interval(base, tuned).p == sum(total >= seen for total in flipped) / 2**count


def test_a_sample_of_subsets_is_near_the_exact_test():
    draws = random.Random(9)  # noqa: S311
    tuned = [draws.uniform(-0.3, 0.7) for _ in range(19)]
    totals = numpy.zeros(1)
    for value in tuned:
        totals = numpy.concatenate([totals + value, totals - value])
    exact = float(numpy.mean(numpy.abs(totals) >= abs(math.fsum(tuned)) - 1e-9))
    assert 0.01 < exact < 0.3
    assert paired_interval([0.0] * 30, [*tuned, *[0.0] * 11]).p == pytest.approx(exact, abs=0.01)


def test_a_verdict_and_its_interval_never_contradict_each_other():
    draws = random.Random(8)  # noqa: S311
    for _ in range(80):
        count, kinds = draws.randint(1, 40), draws.choice([(0, 1), (0, 0.5, 1), (0, 0.2, 0.4, 1)])
        base, tuned = ([draws.choice(kinds) for _ in range(count)] for _ in range(2))
        found = paired_interval(base, tuned)
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
        assert found.low <= found.difference <= found.high


def test_equal_differences_leave_doubt():
    assert paired_interval([0.25, 0.5], [0.75, 1.0]) == (0.5, -1, 1, 0.5)
    ten = paired_interval([0.0] * 10, [1.0] * 10)
    assert (ten.difference, ten.high) == (1, 1)
    assert 0.3 < ten.low < 0.4  # Clopper and Pearson: a share of 0.69 to 1 of ten signs
    assert paired_interval([0.5] * 10, [0.5] * 10) == (0, 0, 0, 1)


def test_same_input_same_interval():
    draws = random.Random(3)  # noqa: S311
    base, tuned = ([draws.random() for _ in range(50)] for _ in range(2))
    assert paired_interval(base, tuned) == paired_interval(base, tuned)
    there, back = paired_interval(base, tuned), paired_interval(tuned, base)
    assert (there.difference, there.p) == (-back.difference, back.p)


def test_pairing_cancels_what_is_hard_for_both():
    """The same values in another order, so no longer pairs, are far less sure."""
    draws = random.Random(4)  # noqa: S311
    base = [draws.random() for _ in range(100)]
    tuned = [value + draws.uniform(0.05, 0.15) for value in base]
    paired = paired_interval(base, tuned)
    shuffled = paired_interval(base, draws.sample(tuned, k=100))
    assert paired.high - paired.low < 0.02
    assert shuffled.high - shuffled.low > 0.1
    assert shuffled.difference == pytest.approx(paired.difference)


@pytest.mark.parametrize("rows", [30, 100])
def test_interval_holds_the_truth(rows):
    """At least 93 % of 100 simulated 95 % intervals contain the true difference, and are no wider than they must be."""
    draws = random.Random(5)  # noqa: S311
    held, widths = 0, 0.0
    for seed in range(SIMULATIONS):
        base = [float(draws.random() < 0.5) for _ in range(rows)]
        tuned = [float(draws.random() < 0.5 + TRUTH) for _ in range(rows)]
        found = paired_interval(base, tuned, seed=seed)
        held += found.low <= TRUTH <= found.high
        widths += found.high - found.low
    assert held >= 0.93 * SIMULATIONS
    # The textbook's width for a mean, of differences whose variance is 0.5 x 0.5 + 0.7 x 0.3.
    assert widths / SIMULATIONS == pytest.approx(2 * 1.96 * math.sqrt(0.46 / rows), rel=0.15)


def alike_binary(draws):
    return float(draws.random() < 0.6)


def alike_words(draws):
    return draws.choice((0, 0, 1, 1, 0.5, 0.4, draws.random()))


@pytest.mark.parametrize("questions", [5, 10, 20, 50])
@pytest.mark.parametrize("value", [alike_binary, alike_words])
@pytest.mark.parametrize("runs", [100, pytest.param(2000, marks=pytest.mark.soak)])
def test_false_alarms_of_models_that_are_alike(questions, value, runs):
    """At most one in twenty; the bound of the short case leaves room for its 100 draws."""
    draws = random.Random(questions)  # noqa: S311
    alarms = 0
    for seed in range(runs):
        base, tuned = ([value(draws) for _ in range(questions)] for _ in range(2))
        alarms += paired_interval(base, tuned, seed=seed).p < 0.05
    assert alarms / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # By his closed form, worked out apart.
    [(3, 3, 0.4385030, 1.0), (0, 3, 0.0, 0.5614970), (9, 10, 0.5958500, 0.9821238), (50, 100, 0.4038315, 0.5961685)],
)
def test_the_interval_of_a_share_is_wilsons(right, count, low, high):
    values = [1.0] * right + [0.0] * (count - right)
    assert mean_interval(values) == pytest.approx((low, high), abs=1e-6)


def test_the_interval_of_a_mean():
    draws = random.Random(6)  # noqa: S311
    values = [0.2 + draws.random() / 2 for _ in range(100)]
    low, high = mean_interval(values)
    arm = 1.96 * math.sqrt(1 / 48 / 100) * 1  # the standard deviation of a uniform half is 0.5 / sqrt(12)
    assert (high - low) / 2 == pytest.approx(arm, rel=0.15)
    assert low < math.fsum(values) / 100 < high
    assert mean_interval([0.5, 0.6]) == (0.0, 1.0)  # of two values nothing is known


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([], []), "no rows to compare"),
        (([0.0], [1.0, 1.0]), "1 base and 2 tuned values"),
        (([0.0], [float("nan")]), "not a finite number"),
    ],
)
def test_unusable_values_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        paired_interval(*arguments)
