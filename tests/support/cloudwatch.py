"""CloudWatch as far as alarms go: data points of metrics, the embedded metric format, and the state of an alarm by
AWS's rules (CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data")."""

import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
STATISTICS = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: sum(values) / len(values),
    "SampleCount": len,
}
COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class Metrics:
    """The data of an account, in minutes of some clock."""

    def __init__(self) -> None:
        self._values: dict[Any, dict[int, list[float]]] = {}

    def put(self, namespace: str, metric: str, dimensions: Mapping[str, str], minute: int, value: float) -> None:
        key = (namespace, metric, frozenset(dimensions.items()))
        self._values.setdefault(key, {}).setdefault(minute, []).append(value)

    def read_log(self, output: str, minute: int) -> None:
        """Take the metrics out of what a function has written, as CloudWatch does: the embedded metric format."""
        for line in map(json.loads, output.splitlines()):
            for definition in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                for names in definition["Dimensions"]:
                    for metric in definition["Metrics"]:
                        dimensions = {name: line[name] for name in names}
                        self.put(definition["Namespace"], metric["Name"], dimensions, minute, line[metric["Name"]])

    def watched(self, alarm: Mapping[str, Any]) -> dict[int, list[float]]:
        """The samples of what an alarm watches, by minute."""
        assert not alarm.get("metricQueries"), "an alarm on metric math: teach the evaluator its functions"
        return self._values.get((alarm["namespace"], alarm["metricName"], frozenset(alarm["dimensions"].items())), {})

    def points(self, alarm: Mapping[str, Any], now: int, count: int) -> list[float | None]:
        """The last `count` periods of what an alarm watches, the newest last; None where there is no data."""
        found, minutes = self.watched(alarm), int(alarm["period"]) // 60
        points: list[float | None] = []
        for start in range(now - count * minutes, now, minutes):
            values = [value for minute in range(start, start + minutes) for value in found.get(minute, ())]
            points.append(STATISTICS[alarm["statistic"]](values) if values else None)
        return points


def judged(points: Sequence[bool | None], periods: int, needed: int, missing: str, before: str) -> str:
    """The state for an evaluation range of points, the newest last: whether each is breaching, None for missing.

    AWS looks at more periods than it needs, so that points that are late or few are found; how many isn't published.
    """
    real = [point for point in points if point is not None][-periods:]
    if len(real) == periods:
        return ALARM if sum(real) >= needed else OK
    if not real:
        return {"missing": INSUFFICIENT, "ignore": before, "breaching": ALARM, "notBreaching": OK}[missing]
    if missing in ("breaching", "notBreaching"):
        filled = (periods - len(real)) * (missing == "breaching")
        return ALARM if sum(real) + filled >= needed else OK
    # Few points, all of them breaching, and the oldest old enough: "premature alarm state".
    oldest = len(points) - next(at for at, point in enumerate(points) if point is not None)
    if sum(real) >= needed or (all(real) and oldest >= needed):
        return before if missing == "ignore" else ALARM
    return OK


def state(alarm: Mapping[str, Any], metrics: Metrics, now: int, spare: int = 2, before: str = OK) -> str:
    """The state of an alarm as it is registered, at a minute; `spare` periods are looked at beyond what it needs."""
    periods = int(alarm["evaluationPeriods"])
    breaches, threshold = COMPARISONS[alarm["comparisonOperator"]], alarm["threshold"]
    points = [None if it is None else breaches(it, threshold) for it in metrics.points(alarm, now, periods + spare)]
    needed = int(alarm.get("datapointsToAlarm") or periods)
    return judged(points, periods, needed, alarm.get("treatMissingData", "missing"), before)
