"""The estimate as JSON, for programs; `docs/cost.schema.json` is its schema."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tandem.reporting.money import plain

from ..gaps import Gap
from ..gates import Gate
from ..model import Number, Resource
from ..policies import Policies
from ..prices import Row
from ..summary import Figure, Figures, Group, Summary

VERSION = 2
"""Of the schema: it changes when a reader of the last one would break."""


def as_json(summary: Summary, gates: Sequence[Gate] = (), policies: Policies | None = None) -> str:
    """Everything, nothing cut. Amounts are decimals as strings, in US dollars."""
    content = {
        "schema_version": VERSION,
        "stack": summary.stack,
        "region": summary.region,
        "regions": list(summary.regions),
        "currency": "USD",
        "discount_pct": {service: plain(percent) for service, percent in summary.discounts.items()},
        "new": summary.new,
        "compared": summary.compared,
        "verdict": summary.verdict._asdict(),
        "numbers": _figures(summary.figures),
        "months": [
            _fields(month, "level", "questions", "runs") | {"figure": _fields(month.figure, *Figure._fields)}
            for month in summary.months
        ],
        "components": [{"name": name, "numbers": _figures(figures)} for name, figures in summary.components],
        "moved": [
            _resource(moved.resource)
            | {
                "op": moved.op,
                "before": _deltas(moved.before),
                "after": _deltas(moved.after),
                "delta": _deltas(moved.deltas),
                "remark": moved.remark,
            }
            for moved in summary.moved
        ],
        "coverage": summary.coverage._asdict(),
        "not_priced": _gaps(summary.not_priced),
        "no_tables": [{"reason": each.reason, "resources": _gaps(each.gaps)} for each in summary.no_tables],
        "not_offered": _gaps(summary.not_offered),
        "not_considered": [
            {
                "type": each.type,
                "inputs": [{"path": path, "why": why} for path, why in each.inputs.items()],
                "resources": list(each.names),
            }
            for each in summary.not_considered
        ],
        "usage_assumed": _groups(summary.usage_assumed),
        "free": _groups(summary.free),
        "changed_assumptions": [
            {
                "name": changed.name,
                "delta": _deltas(changed.deltas),
                "assumptions": [
                    {"key": item.key, "before": item.before, "after": item.after} for item in changed.assumptions
                ],
            }
            for changed in summary.changed
        ],
        "charges": [
            _resource(resource)
            | {"number": charge.number.value}
            | _fields(charge, "what", "quantity", "unit", "usd", "assumed", "hourly")
            | {"prices": [_row(row) for row in charge.rows]}
            for resource, charge in summary.basis
        ],
        "forgotten_a_day": {
            "usd": plain(summary.forgotten_usd),
            "resources": [_resource(resource) | {"usd": plain(usd)} for resource, usd in summary.forgotten],
        },
        "oldest_price": summary.oldest
        and {**_row(summary.oldest.row), "age_days": summary.oldest.days, "state": summary.oldest.state},
        "notes": _groups(summary.notes),
        "consequences": list(summary.consequences),
        "problems": list(summary.problems),
        "gates": [gate._asdict() for gate in gates],
        "policies": policies
        and {"judged": policies.judged, "violations": [violation._asdict() for violation in policies.violations]},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    return text.encode(errors="backslashreplace").decode()  # half a sign of UTF-16, as JSON has it


def _figures(figures: Figures) -> dict[str, Any]:
    return {number.value: _fields(figure, *Figure._fields) for number, figure in figures.items()}


def _deltas(deltas: Mapping[Number, Decimal]) -> dict[str, str]:
    return {number.value: plain(usd) for number, usd in deltas.items()}


def _resource(resource: Resource) -> dict[str, Any]:
    return _fields(resource, "urn", "name", "type")


def _row(row: Row) -> dict[str, Any]:
    return _fields(row, "service", "key", "region", "unit", "usd", "source", "read_at")


def _fields(source: object, *names: str) -> dict[str, Any]:
    values = {name: getattr(source, name) for name in names}
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _gaps(gaps: Iterable[Gap]) -> list[dict[str, Any]]:
    return [_resource(gap.resource) | {"when": gap.when, "reasons": list(gap.reasons)} for gap in gaps]


def _groups(groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [{"text": group.text, "resources": list(group.names)} for group in groups]
