"""What of an estimate isn't known: resources without a price, regions without any, inputs that no price considers."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from .model import SECRET, Assessment, Change, Line, Resource
from .pricers import INPUTS

LABELS = ("tags", "tagsAll", "__defaults")
"""Inputs of any type that bill nothing: tags, and what Pulumi writes beside the inputs."""


class Gap(NamedTuple):
    """A resource that isn't priced, or not offered in its region."""

    resource: Resource
    when: Literal["added", "changed", "kept", "gone"]
    """`gone`: only what was before isn't priced."""
    reasons: tuple[str, ...]
    no_table: bool = False
    """Whether there are no prices at all where it is."""

    @property
    def touched(self) -> bool:
        """Whether the change makes it, or makes it other than it was."""
        return self.when in ("added", "changed")


class NoTable(NamedTuple):
    """The resources where there are no prices at all: one finding, whatever their number."""

    reason: str
    gaps: tuple[Gap, ...]


class Unconsidered(NamedTuple):
    """The inputs of a type that are set and that no price considers."""

    type: str
    inputs: Mapping[str, str]
    """Path -> why; empty for one that this program doesn't know, as a newer provider's."""
    names: tuple[str, ...]
    """The resources in which one of them is set."""


def kind(assessment: Assessment) -> Literal["priced", "usage_assumed", "free", "not_priced", "not_offered"]:
    """The one thing that a resource is; NOT PRICED also if only a part of it is, or if nothing was said of it."""
    if assessment.unavailable:
        return "not_offered"
    if assessment.unpriced:
        return "not_priced"
    if assessment.charges and not all(charge.assumed for charge in assessment.charges):
        return "priced"
    if assessment.charges or assessment.assumed:
        return "usage_assumed"
    return "free" if assessment.free else "not_priced"


def unchanged(line: Line) -> bool:
    """Whether the change leaves a resource as it is."""
    # A deletion with both sides leaves the resource where it is.
    left = line.change.op == "delete" and line.after is not None
    return line.change.op in ("same", "refresh") or left or _is_relabelled(line.change)


def _is_relabelled(change: Change) -> bool:
    """Whether only tags change, which cost nothing whatever the type is. Behind a secret anything may change."""
    before, after = change.before, change.after
    if change.op != "update" or not (before and after) or before.region != after.region:
        return False
    rest = [{name: value for name, value in side.inputs.items() if name not in LABELS} for side in (before, after)]
    return rest[0] == rest[1] and before.inputs != after.inputs and SECRET not in json.dumps(rest[0])


def gaps_of(lines: Iterable[Line], wanted: str) -> tuple[Gap, ...]:
    """Those of the resources that are of a kind, what the change touches first."""
    gaps = (_gap(line, wanted) for line in lines)
    return tuple(sorted((gap for gap in gaps if gap), key=lambda gap: (gap.when == "kept", gap.resource.urn)))


def _gap(line: Line, wanted: str) -> Gap | None:
    found = [(side, side is line.after) for side in (line.after, line.before) if side and kind(side) == wanted]
    if not found:
        return None
    side, exists = found[0]
    when: Literal["added", "changed", "kept", "gone"] = "changed"
    if not exists:
        when = "gone"
    elif line.before is None:
        when = "added"
    elif unchanged(line):
        when = "kept"
    # What isn't offered may have parts that aren't priced as well: both are said.
    reasons = (*side.unavailable, *side.unpriced) or ("its pricer says nothing of it",)
    return Gap(side.resource, when, reasons, side.no_table)


def no_tables_of(gaps: Iterable[Gap]) -> tuple[NoTable, ...]:
    """Those where there are no prices at all, by the reason."""
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        if gap.no_table:
            found.setdefault(gap.reasons[0], []).append(gap)
    return tuple(NoTable(reason, tuple(of)) for reason, of in sorted(found.items()))


def not_considered_of(after: Iterable[Assessment]) -> tuple[Unconsidered, ...]:
    """The inputs of what will exist that no price considers, by type."""
    inputs: dict[str, dict[str, str]] = {}
    names: dict[str, set[str]] = {}
    for resource in (assessment.resource for assessment in after):
        known = INPUTS.get(resource.type)
        if found := known.not_considered(resource.inputs) if known else {}:
            inputs.setdefault(resource.type, {}).update(found)
            names.setdefault(resource.type, set()).add(resource.name)
    return tuple(
        Unconsidered(type_, dict(sorted(found.items())), tuple(sorted(names[type_])))
        for type_, found in sorted(inputs.items())
    )
