"""Cost gates: limits that a change must keep, from a file; the result of each, and the exit code."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tandem_contract.checks import NOT_EMPTY, Checks
from tandem_contract.errors import TandemError

from tandem import yaml_file
from tandem.reporting.money import money

from .model import OTHERS, Number
from .prices import load, regions
from .summary import Figure, Summary
from .units import MOST

AMOUNTS = {
    "max_idle_floor": Number.IDLE,
    "max_run_ceiling": Number.RUN_CEILING,
    "max_cost_per_1k_queries": Number.QUERIES,
}
KEYS = (*AMOUNTS, "max_increase_pct", "fail_on_unpriced", "accept", "max_price_age_days", "discount_pct", "month")
DEFAULTS = {"fail_on_unpriced": True}
MONTH = ("questions", "runs")
ACCEPTED = {
    "type": ("a type as in a preview", "Write it as aws:sqs/queue:Queue.", r"[^:\s]+:[^:\s]+:[^:\s]+"),
    "why": ("a text", "Write why nobody needs to know its price.", NOT_EMPTY),
}
FAILED = 3
"""The exit code of a change that doesn't keep a limit."""
TITLES = {
    Number.IDLE: "idle floor",
    Number.RUN_EXPECTED: "expected run",
    Number.RUN_CEILING: "run ceiling",
    Number.QUERIES: "1,000 queries",
}


class Gate(NamedTuple):
    """What came of one limit. `undecided`: something NOT PRICED could break it."""

    key: str
    state: Literal["passed", "failed", "undecided"]
    text: str


def read(path: Path) -> dict[str, Any]:
    """Read a gate file; raises `TandemError`, with every mistake in it."""
    what = f"a mapping of gates; there are {', '.join(KEYS)} and stacks"
    content = yaml_file.read(path, what)
    if not content:
        raise TandemError(f"{path}: is not {what}.")
    top = {key: value for key, value in content.items() if key != "stacks"}
    checks = Checks()
    _check_gates(top, (*KEYS, "stacks"), checks)
    stacks = checks.mapping("stacks", content.get("stacks", {}), "Give a mapping of stack names to gates.")
    for name, gates in stacks.items():
        given = checks.under("stacks").mapping(name, gates, "Give a mapping of gates.")
        _check_gates(given, KEYS, checks.under("stacks").under(name))
    checks.finish(str(path))
    return {**top, "stacks": stacks}


def limits_of(stack: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """The limits of a stack (`project/stack`): those at the top, and over them what `stacks` has for it."""
    stacks = file["stacks"]
    limits = {**DEFAULTS, **file, **stacks.get(stack.rsplit("/", 1)[-1], {}), **stacks.get(stack, {})}
    return {key: limits[key] for key in KEYS if limits.get(key) is not None}


def month_of(limits: Mapping[str, Any]) -> dict[str, list[float]]:
    """How many questions and runs a month is assumed to have; empty where nobody says."""
    return {name: value if isinstance(value, list) else [value] for name, value in limits.get("month", {}).items()}


def check(limits: Mapping[str, Any], summary: Summary, today: date | None = None) -> tuple[Gate, ...]:
    """What comes of every limit; `today` ends what was accepted until a day.

    What AWS doesn't offer in the region fails whatever the limits are, if the change adds or alters it: what is there
    and stays as it is, somebody has got.
    """
    amounts = {key: Decimal(str(limits[key])) for key in AMOUNTS if key in limits}
    gates = [_amount(key, AMOUNTS[key], limit, summary) for key, limit in amounts.items()]
    if "max_increase_pct" in limits:
        gates += _increases(Decimal(str(limits["max_increase_pct"])), summary)
    if limits.get("fail_on_unpriced"):
        gates.append(_unpriced(summary, limits.get("accept", ()), today or datetime.now(UTC).date()))
    if "max_price_age_days" in limits:
        gates.append(_age(limits["max_price_age_days"], summary))
    if missing := [gap for gap in summary.not_offered if gap.touched]:
        gates.append(Gate("not offered", "failed", f"{len(missing)} added or changed, not offered in the region"))
    return tuple(gates)


def exit_code(gates: Iterable[Gate]) -> int:
    """0, or `FAILED`; what is undecided doesn't fail by itself."""
    return FAILED if any(gate.state == "failed" for gate in gates) else 0


def _check_gates(gates: Mapping[Any, Any], known: tuple[str, ...], checks: Checks) -> None:
    checks.known(gates, known, "a gate")
    for key, value in gates.items():
        if key not in KEYS or value is None:  # None turns off the limit from the top
            continue
        if key == "fail_on_unpriced":
            checks.flag(key, value)
        elif key == "accept":
            _check_accepted(checks.sequence(key, value), checks)
        elif key == "month":
            _check_month(checks.mapping(key, value, "Give questions and runs."), checks.under(key))
        elif key == "discount_pct":
            _check_discounts(checks.mapping(key, value, "Give per cent by service."), checks.under(key))
        else:
            unit = {"max_increase_pct": "per cent", "max_price_age_days": "days"}.get(key, "US dollars")
            checks.number(key, value, 0, math.inf, unit, "Give a number, or null for no limit.")


def _check_accepted(accepted: Iterable[Any], checks: Checks) -> None:
    seen: set[Any] = set()
    for place, given in enumerate(accepted):
        name = f"accept[{place}]"
        entry = checks.mapping(name, given, "Give {type: , why: , until: }.")
        own = checks.under(name)
        own.known(entry, (*ACCEPTED, "until"), "a key of what is accepted")
        for key, (allowed, remedy, pattern) in ACCEPTED.items():
            if entry:
                own.text(key, entry.get(key), allowed, remedy, pattern)
        if entry and _day(entry.get("until")) is None:
            own.refuse("until", entry.get("until"), "a day as 2027-06-30", "Name the last day on which it holds.")
        if isinstance(type_ := entry.get("type"), str):
            if type_ in seen:
                own.add("type", f"{type_} stands twice", "Leave one of them out.")
            seen.add(type_)


def _check_discounts(discounts: Mapping[Any, Any], checks: Checks) -> None:
    services = sorted({row.service for region in regions() for row in load(region)})
    checks.known(discounts, (OTHERS, *services), "a service of the price rows")
    for service, value in discounts.items():
        checks.number(service, value, 0.0, 100.0, "per cent", "Give what is taken off.")


def _check_month(month: Mapping[Any, Any], checks: Checks) -> None:
    checks.known(month, MONTH, "what a month has")
    for name, value in month.items():
        amounts = value if isinstance(value, list) else [value]
        if len(amounts) not in (1, 3):
            checks.refuse(name, value, "a number, or three: low, base and high", "Give one or three.")
        for amount in amounts:
            checks.number(name, amount, 0, MOST, remedy="Give a number, or a list of low, base and high.")
        numbers = [amount for amount in amounts if isinstance(amount, int | float)]
        if numbers != sorted(numbers):
            checks.refuse(name, value, "low, base and high in that order", "Put the smallest first.")


def _day(value: Any) -> date | None:
    """A day; YAML reads one as that, and JSON has a text."""
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _amount(key: str, number: Number, limit: Decimal, summary: Summary) -> Gate:
    figure = summary.figures[number]
    known = figure.after or Decimal(0)
    if known > limit:
        return Gate(key, "failed", f"{money(known)} is more than {money(limit)}")
    if figure.after_open:
        return Gate(key, "undecided", f"{money(known)} of {money(limit)} are known; the rest is NOT PRICED")
    if figure.after is None:
        return Gate(key, "passed", "there is no such thing in the stack")
    return Gate(key, "passed", f"{money(known)} is at most {money(limit)}")


def _increases(limit: Decimal, summary: Summary) -> Iterable[Gate]:
    if summary.new:
        yield Gate("max_increase_pct", "passed", "the stack is new: there is nothing to compare with")
        return
    for number, figure in summary.figures.items():
        if figure.delta is not None or figure.before_open or figure.after_open:
            yield _increase(TITLES[number], figure, limit)


def _increase(title: str, figure: Figure, limit: Decimal) -> Gate:
    key, before, after = "max_increase_pct", figure.before or Decimal(0), figure.after or Decimal(0)
    exceeded = after > before * (1 + limit / 100)
    # What is missing after can only add to the increase; what is missing before could make it small.
    if exceeded and not figure.before_open:
        grown = f"by {(after / before - 1) * 100:.1f} %" if before else "from nothing"
        return Gate(key, "failed", f"{title}: grows {grown}, to {money(after)}; {limit.normalize():f} % are allowed")
    if exceeded or figure.delta_open:
        known = f"{money(before)} before and {money(after)} after"
        return Gate(key, "undecided", f"{title}: {known} are known; the rest is NOT PRICED")
    return Gate(key, "passed", f"{title}: grows by no more than {limit.normalize():f} %")


def _unpriced(summary: Summary, accepted: Iterable[Mapping[str, Any]], today: date) -> Gate:
    touched, *elsewhere = (
        Counter(gap.resource.type for gap in gaps if gap.touched)
        for gaps in (summary.not_priced, *(each.gaps for each in summary.no_tables))
    )
    said = []
    for entry in accepted:
        type_, why, until = entry["type"], entry["why"], _day(entry["until"])
        found = [types for types in (touched, *elsewhere) if type_ in types]
        if found and until and today <= until:
            said.append(f"{type_} is accepted until {until} ({why})")
            for types in found:
                del types[type_]
        elif found:
            said.append(f"{type_} was accepted until {until}, which is over ({why})")
    failed = [f"{count} x {type_} added or changed, NOT PRICED" for type_, count in sorted(touched.items())]
    failed += [
        f"{types.total()} added or changed, NOT PRICED: {each.reason}"
        for each, types in zip(summary.no_tables, elsewhere, strict=True)
        if types
    ]
    failed += [f"{len(summary.problems)} not understood in the preview"] if summary.problems else []
    state = "failed" if failed else "passed"
    return Gate("fail_on_unpriced", state, "; ".join([*(failed or ["what is added or changed has a price"]), *said]))


def _age(limit: float, summary: Summary) -> Gate:
    key, oldest = "max_price_age_days", summary.oldest
    if oldest is None:
        return Gate(key, "passed", "no price is used")
    what = f"{oldest.row.service} {oldest.row.key} was read on {oldest.row.read_at}"
    if oldest.days > limit:
        return Gate(key, "failed", f"{what}, more than {limit:g} days ago")
    return Gate(key, "passed", f"{what}, at most {limit:g} days ago")
