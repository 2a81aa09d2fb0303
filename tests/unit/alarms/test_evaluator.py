"""The evaluator of alarms says what AWS's own tables say."""

import pytest

from tests.support.cloudwatch import ALARM, INSUFFICIENT, OK, Metrics, judged, state

RETAIN = "retain"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
# CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data", both tables; "O" is "0" there.
TABLES = {
    3: """
        O - X - X   OK OK OK OK
        O - - - -   OK OK OK OK
        - - - - -   INSUFFICIENT_DATA retain ALARM OK
        O X X - X   ALARM ALARM ALARM ALARM
        - - X - -   ALARM retain ALARM OK
    """,
    2: """
        O - X - X   ALARM ALARM ALARM ALARM
        O O X O X   ALARM ALARM ALARM ALARM
        O - X - -   OK OK ALARM OK
        - - - - O   OK OK ALARM OK
        - - - X -   ALARM retain ALARM OK
    """,
}
ROWS = [
    (needed, row[:5], treatment, expected)
    for needed, table in TABLES.items()
    for row in (line.split() for line in table.strip().splitlines())
    for treatment, expected in zip(TREATMENTS, row[5:], strict=True)
]


@pytest.mark.parametrize(("needed", "signs", "treatment", "expected"), ROWS)
@pytest.mark.parametrize("before", [OK, ALARM, INSUFFICIENT])
def test_it_is_as_in_awss_tables(needed, signs, treatment, expected, before):
    points = [{"O": False, "X": True, "-": None}[sign] for sign in signs]
    assert judged(points, 3, needed, treatment, before) == (before if expected == RETAIN else expected)


def test_points_are_of_whole_periods_and_each_statistic_of_its_samples():
    metrics = Metrics()
    for minute, value in ((0, 1), (1, 3), (1, 5), (5, 7)):
        metrics.put("N", "M", {"D": "d"}, minute, value)
    alarm = {"namespace": "N", "metricName": "M", "dimensions": {"D": "d"}, "period": 120}
    expected = {
        "Sum": [9, None, 7], "Maximum": [5, None, 7], "Minimum": [1, None, 7], "Average": [3, None, 7],
        "SampleCount": [3, None, 1],
    }  # fmt: skip
    for statistic, points in expected.items():
        assert metrics.points(alarm | {"statistic": statistic}, 6, 3) == points
    assert metrics.points(alarm | {"statistic": "Sum", "dimensions": {}}, 6, 3) == [None] * 3
    assert state(alarm | {"statistic": "Sum", "evaluationPeriods": 1, "threshold": 6, "treatMissingData": "missing",
                          "comparisonOperator": "GreaterThanThreshold"}, metrics, 6) == ALARM  # fmt: skip


def test_metric_math_is_not_guessed():
    with pytest.raises(AssertionError, match="metric math"):
        Metrics().points({"metricQueries": [{"id": "e", "expression": "a+b"}]}, 1, 1)
