"""How often a schedule of EventBridge starts something: `rate(...)` and `cron(...)`."""

import re
from decimal import Decimal

from ..prices import NotPriced
from ..units import HOURS_A_MONTH

_RATE = re.compile(r"rate\(([1-9]\d*) (minute|hour|day)s?\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}
_CRON = re.compile(r"cron\(([^()]+)\)")
_DAYS_OF = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # 365 days are 12 months of 730 hours
_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}


def starts_a_month(expression: str) -> Decimal:
    """Starts in a month of 730 hours, of a year's average; raises `NotPriced` where it can't be told."""
    if found := _RATE.fullmatch(expression):
        return HOURS_A_MONTH * 60 / Decimal(int(found[1]) * _MINUTES[found[2]])
    if found := _CRON.fullmatch(expression):
        try:
            return _cron(*found[1].upper().split())
        except (TypeError, ValueError, KeyError) as error:
            raise NotPriced(f"{expression}: it has parts that aren't counted, as L, W, # and years") from error
    raise NotPriced(f"{expression}: only rate(...) and cron(...) are counted")


def _cron(minutes: str, hours: str, days: str, months: str, weekdays: str, years: str) -> Decimal:
    if years != "*" or (days == "?") == (weekdays == "?"):
        raise ValueError
    in_months = _values(months, 1, 12, _MONTHS)
    if days == "?":
        share = Decimal(len(_values(weekdays, 1, 7, _WEEKDAYS))) / 7
        a_year = sum(_DAYS_OF[month - 1] for month in in_months) * share
    else:
        of_month = _values(days, 1, 31)
        a_year = Decimal(sum(day <= _DAYS_OF[month - 1] for month in in_months for day in of_month))
    return a_year * len(_values(minutes, 0, 59)) * len(_values(hours, 0, 23)) / 12


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    """What a field stands for: `*`, `5`, `MON-FRI`, `0/15`, or several of them apart by commas."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if span == "*" else _number(first, names)
        end = _number(last, names) if dash else high if span == "*" or slash else start
        if not low <= start <= end <= high or (slash and int(step) < 1):
            raise ValueError(part)
        found.update(range(start, end + 1, int(step) if slash else 1))
    return found


def _number(text: str, names: dict[str, int] | None) -> int:
    return int(text) if text.isdecimal() else (names or {})[text]
