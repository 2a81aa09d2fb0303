"""The facts that advice is made from: the file that has them, and what is assumed where it has none.

The schema is in `docs/advisor.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract import defaults
from tandem_contract.checks import Checks, is_number

from tandem import yaml_file

CHANGES = ("never", "yearly", "monthly", "weekly", "daily", "hourly")
FORMATS = ("none", "some", "strict")
PRIVACY = ("hosted", "account", "own-weights")
METRICS = ("correctness", "format_adherence")
TARGETS = ("base", "rag", "tuned", "hybrid")
MOST = 10**12
PROMPT_PAGES = 500
"""That a prompt holds at most."""
TOKENS_A_PAGE = 400


class Interval(NamedTuple):
    """A measured share, and the bounds that it lies between."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True)
class Facts:
    """What is known about the work. The defaults are what is assumed."""

    knowledge_changes: str = "monthly"
    corpus_pages: int = 1000
    citations: bool = False
    format: str = "some"
    latency_seconds: Decimal = Decimal(10)
    questions_a_month: int = 10_000
    labelled_rows: int = 0
    privacy: str = "account"
    hosted_model: str = defaults.GENERATOR
    endpoint_instance: str = defaults.ENDPOINT_INSTANCE
    measured: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    """Metric -> target -> what was measured."""
    assumed: tuple[str, ...] = ()
    """The facts that nobody gave."""

    def found(self, metric: str, *targets: str) -> list[Interval]:
        """What was measured of these targets."""
        return [found for target in targets if (found := self.measured.get(metric, {}).get(target))]


class Field(NamedTuple):
    """One fact of the file: what may be given, and why its default is assumed."""

    allowed: tuple[str, ...] | str
    """The values to choose from, or what kind of value it is."""
    why: str


FIELDS = {
    "knowledge_changes": Field(CHANGES, "what a team writes down seldom stands still for a year"),
    "corpus_pages": Field("a whole number of pages", "more than a prompt holds"),
    "citations": Field("true or false", "nobody asked for them"),
    "format": Field(FORMATS, "people read the answers, no program does"),
    "latency_seconds": Field("a number of seconds", "what a person at a screen waits"),
    "questions_a_month": Field("a whole number of questions", "some 450 a working day"),
    "labelled_rows": Field("a whole number of rows", "none that anybody mentioned"),
    "privacy": Field(PRIVACY, "nothing leaves the AWS account"),
    "hosted_model": Field("the name of a model in the price rows", "the default generator"),
    "endpoint_instance": Field("an instance type in the price rows", "the environments' default"),
}
"""In the order of the documentation; `measured` comes on top."""
KNOWN = (*FIELDS, "measured")


def read(path: Path) -> Facts:
    """Read a file of facts; raises `TandemError`, with every mistake in it."""
    return facts_of(yaml_file.read(path, f"a mapping of facts; there are {', '.join(KNOWN)}"), str(path))


def facts_of(raw: Mapping[Any, Any], subject: str = "What is known") -> Facts:
    """Facts from a mapping; null is the same as not given. Raises `Mistakes` about `subject`."""
    given = {key: value for key, value in raw.items() if value is not None}
    checks = Checks()
    checks.known(given, KNOWN, "a fact")
    for key in FIELDS:
        if key in given:
            _check(key, given[key], checks)
    _check_measured(given.get("measured", {}), checks)
    if not checks.mistakes:
        _check_contradictions(given, checks)
    checks.finish(subject)
    values: dict[str, Any] = {key: given[key] for key in FIELDS if key in given}
    if "latency_seconds" in values:
        values["latency_seconds"] = Decimal(str(values["latency_seconds"]))
    if values.get("corpus_pages") == 0:
        values.setdefault("knowledge_changes", "never")  # there is nothing to change
    measured = {
        metric: {target: _interval(found) for target, found in of.items()}
        for metric, of in given.get("measured", {}).items()
    }
    return Facts(**values, measured=measured, assumed=tuple(key for key in FIELDS if key not in values))


def _check(key: str, value: Any, checks: Checks) -> None:
    allowed = FIELDS[key].allowed
    unit = str(allowed).rpartition(" ")[2]
    if isinstance(allowed, tuple):
        checks.choice(key, value, allowed)
    elif key == "citations":
        checks.flag(key, value)
    elif key in ("hosted_model", "endpoint_instance"):
        checks.text(key, value, allowed, "docs/prices.md has them.")
    elif key == "latency_seconds":
        checks.number(key, value, 0.001, MOST, unit, "Give the longest that may be waited.")
    else:
        checks.number(key, value, 0, MOST, unit, "Give what is to be expected.")


def _check_measured(measured: Any, checks: Checks) -> None:
    metrics = checks.mapping("measured", measured, f"Give a mapping of {', '.join(METRICS)}.")
    checks = checks.under("measured")
    checks.known(metrics, METRICS, "a metric")
    for metric in METRICS:
        targets = checks.mapping(metric, metrics.get(metric, {}), f"Give a mapping of {', '.join(TARGETS)}.")
        own = checks.under(metric)
        own.known(targets, TARGETS, "a target")
        for target in TARGETS:
            if target in targets and not _is_interval(targets[target]):
                allowed = "{value: , low: , high: } from 0 to 1"
                own.refuse(target, targets[target], allowed, "low is the least of the three, high the most.")


def _is_interval(found: Any) -> bool:
    if not isinstance(found, Mapping) or set(found) != set(Interval._fields):
        return False
    value, low, high = (found[key] for key in Interval._fields)
    return all(map(is_number, (value, low, high))) and 0 <= low <= value <= high <= 1


def _interval(found: Mapping[str, Any]) -> Interval:
    return Interval(*(Decimal(str(found[key])) for key in Interval._fields))


def _check_contradictions(given: Mapping[str, Any], checks: Checks) -> None:
    if given.get("corpus_pages") == 0:
        changes = given.get("knowledge_changes", "never")
        if changes != "never":
            checks.add("knowledge_changes", f"is {changes}, and corpus_pages 0", "Give the pages, or never.")
        if given.get("citations"):
            checks.add("citations", "is true, and corpus_pages 0", "Give the pages to cite, or false.")
