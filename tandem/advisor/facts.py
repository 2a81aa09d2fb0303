"""The facts that advice is made from: the file that has them, and what is assumed where it has none.

The schema is in `docs/advisor.md`.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract import defaults

CHANGES = ("never", "yearly", "monthly", "weekly", "daily", "hourly")
FORMATS = ("none", "some", "strict")
PRIVACY = ("hosted", "account", "own-weights")
METRICS = ("correctness", "format_adherence")
TARGETS = ("base", "rag", "tuned", "hybrid")
_MOST = 10**12


class FactsError(ValueError):
    """A file of facts can't be used; the text lists every mistake in it."""


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
    "hosted_model": Field("the name of a model in the price rows", "the stack files' generator"),
    "endpoint_instance": Field("an instance type in the price rows", "the environments' default"),
}
"""In the order of the documentation; `measured` comes on top."""
KNOWN = (*FIELDS, "measured")


def read(path: Path) -> Facts:
    """Read a file of facts; raises `FactsError` with every mistake in it."""
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"{path}: can't be read ({error})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that no calendar has
        raise FactsError(f"{path}: is neither YAML nor JSON ({' '.join(str(error).split())})") from error
    try:
        return facts_of({} if raw is None else raw)
    except FactsError as error:
        raise FactsError(f"{path}: {error}") from None


def facts_of(raw: Any) -> Facts:
    """Facts from a mapping; null is the same as not given. Raises `FactsError` with every mistake."""
    if not isinstance(raw, Mapping):
        raise FactsError(f"is not a mapping of facts; there are {', '.join(KNOWN)}")
    given = {key: value for key, value in raw.items() if value is not None}
    mistakes = [*_unknown("", given, KNOWN)]
    mistakes += [m for key in FIELDS if key in given for m in _mistake(key, given[key])]
    mistakes += _measured_mistakes(given.get("measured", {}))
    if not mistakes:
        mistakes += _contradictions(given)
    if mistakes:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
        raise FactsError("\n".join([count, *(f"  {mistake}" for mistake in mistakes)]))
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


def _unknown(where: str, given: Mapping[Any, Any], known: Iterable[str]) -> Iterable[str]:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            yield f"{where}{key} is unknown: {remedy}"


def _mistake(key: str, value: Any) -> Iterable[str]:
    allowed = FIELDS[key].allowed
    if isinstance(allowed, tuple):
        good, remedy = value in allowed, f"one of {', '.join(allowed)}"
    elif key == "citations":
        good, remedy = isinstance(value, bool), allowed
    elif key in ("hosted_model", "endpoint_instance"):
        good, remedy = isinstance(value, str) and value.strip() != "", allowed
    elif key == "latency_seconds":
        good, remedy = _number(value) and 0 < value <= _MOST, f"{allowed}, more than 0"
    else:
        good, remedy = _number(value) and isinstance(value, int) and 0 <= value <= _MOST, f"{allowed}, 0 or more"
    if not good:
        yield f"{key} is {value!r}: give {remedy}"


def _measured_mistakes(measured: Any) -> Iterable[str]:
    if not isinstance(measured, Mapping):
        yield f"measured is {measured!r}: give a mapping of {', '.join(METRICS)}"
        return
    yield from _unknown("measured.", measured, METRICS)
    for metric in METRICS:
        targets = measured.get(metric, {})
        if not isinstance(targets, Mapping):
            yield f"measured.{metric} is {targets!r}: give a mapping of {', '.join(TARGETS)}"
            continue
        yield from _unknown(f"measured.{metric}.", targets, TARGETS)
        for target in TARGETS:
            if target in targets and not _is_interval(targets[target]):
                remedy = "give {value: , low: , high: } from 0 to 1, low the least and high the most"
                yield f"measured.{metric}.{target} is {targets[target]!r}: {remedy}"


def _is_interval(found: Any) -> bool:
    if not isinstance(found, Mapping) or set(found) != set(Interval._fields):
        return False
    value, low, high = (found[key] for key in Interval._fields)
    return all(map(_number, (value, low, high))) and 0 <= low <= value <= high <= 1


def _interval(found: Mapping[str, Any]) -> Interval:
    return Interval(*(Decimal(str(found[key])) for key in Interval._fields))


def _contradictions(given: Mapping[str, Any]) -> Iterable[str]:
    if given.get("corpus_pages") == 0:
        changes = given.get("knowledge_changes", "never")
        if changes != "never":
            yield f"knowledge_changes is {changes} and corpus_pages 0: give the pages of what changes, or never"
        if given.get("citations"):
            yield "citations is true and corpus_pages 0: give the pages to cite, or false"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
