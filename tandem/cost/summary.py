"""Summary of an estimate: the numbers on both sides, by component, what changed, and what isn't known."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from .consequences import consequences
from .figures import Figure, Figures, Month, exact, months
from .gaps import Gap, NoTable, Unconsidered, gaps_of, kind, no_tables_of, not_considered_of, unchanged
from .model import Assessment, Assumption, Charge, Estimate, Line, Number, Resource, ancestors, type_of
from .prices import Row
from .units import HOURS_A_MONTH
from .usage import KINDS, PARAMETER, STACK, is_envelope, is_usage

OLD, STALE = 90, 365
"""Days after which a price should be read again, and after which it is no longer to be relied on."""
_ORDER = {number: place for place, number in enumerate(Number)}


class Component(NamedTuple):
    """A component's part of the numbers."""

    name: str
    """`environment / component`, or the environment alone for what is directly in it."""
    figures: Figures


class Moved(NamedTuple):
    """A resource that changes a number, or of which there is something to say."""

    op: str
    resource: Resource
    deltas: Mapping[Number, Decimal]
    remark: str
    before: Mapping[Number, Decimal]
    """What it adds to each number; empty where it isn't there."""
    after: Mapping[Number, Decimal]


class Changed(NamedTuple):
    """A usage parameter with other assumptions, and what it moves: these, and whatever else changed in it."""

    name: str
    assumptions: tuple[Assumption, ...]
    deltas: Mapping[Number, Decimal]


class Group(NamedTuple):
    """The resources of which the same is said."""

    text: str
    names: tuple[str, ...]


class Coverage(NamedTuple):
    """How many of the resources that will exist are what."""

    resources: int
    priced: int
    usage_assumed: int
    free: int
    not_priced: int
    not_offered: int


class Age(NamedTuple):
    """The price that was read longest ago."""

    row: Row
    days: int
    state: Literal["fresh", "old", "stale"]


class Basis(NamedTuple):
    """What a number is made of: one charge of one resource that will exist."""

    resource: Resource
    charge: Charge


class Verdict(NamedTuple):
    """What to make of it; only `more`, `less` and `same` are known for sure."""

    state: Literal["error", "unknown", "more", "less", "same"]
    text: str


@dataclass(frozen=True)
class Summary:
    """All that the reports show."""

    stack: str
    region: str
    regions: tuple[str, ...]
    """Where that is which isn't free, the stack's own first."""
    new: bool
    """Whether nothing was there before."""
    figures: Figures
    components: tuple[Component, ...]
    moved: tuple[Moved, ...]
    """The biggest first."""
    coverage: Coverage
    free: tuple[Group, ...]
    usage_assumed: tuple[Group, ...]
    not_priced: tuple[Gap, ...]
    """What the change touches first, without those where there are no prices at all."""
    no_tables: tuple[NoTable, ...]
    not_offered: tuple[Gap, ...]
    not_considered: tuple[Unconsidered, ...]
    """Of what will exist; it leaves the numbers as they are."""
    changed: tuple[Changed, ...]
    """Assumptions, apart from resources."""
    oldest: Age | None
    forgotten: tuple[tuple[Resource, Decimal], ...]
    """What bills by the hour, US dollars a day, the biggest first."""
    basis: tuple[Basis, ...]
    """The biggest first."""
    notes: tuple[Group, ...]
    consequences: tuple[str, ...]
    """What the change does beside the bill."""
    problems: tuple[str, ...]
    verdict: Verdict
    discounts: Mapping[str, Decimal]
    """Per cent by service that the amounts are less than the price rows say."""
    compared: Literal["deployed", "base"]
    """What `before` is: what is deployed, or a preview of the base."""
    months: tuple[Month, ...]
    """The idle floor with the use that somebody assumes a month to have."""

    @property
    def forgotten_usd(self) -> Decimal:
        """What it costs to forget all this for a day."""
        return sum((usd for _, usd in self.forgotten), Decimal(0))


def summarize(
    estimate: Estimate,
    today: date | None = None,
    month: Mapping[str, Sequence[float]] | None = None,
    compared: Literal["deployed", "base"] = "deployed",
) -> Summary:
    """Add up an estimate; `today` decides the age of prices.

    `month` says how many `questions` and `runs` a month has: one amount of each, or low, base and high.
    """
    lines = estimate.lines
    after = [line.after for line in lines if line.after]
    kinds = [(kind(assessment), assessment) for assessment in after]
    counts = Counter(found for found, _ in kinds)
    unpriced, not_offered = (gaps_of(lines, name) for name in ("not_priced", "not_offered"))
    not_priced, no_tables = tuple(gap for gap in unpriced if not gap.no_table), no_tables_of(unpriced)
    figures = _figures(lines, bool(estimate.problems))
    changed = _changed(estimate)
    names = {item.name for item in changed}
    basis = [Basis(a.resource, charge) for a in after for charge in a.charges]
    return Summary(
        stack=estimate.stack,
        region=estimate.region,
        regions=_regions(estimate),
        new=not any(line.before for line in lines),
        figures=figures,
        components=_components(estimate),
        moved=_moved(line for line in lines if line.change.urn.rsplit("::", 1)[-1] not in names),
        coverage=Coverage(len(after), *(counts[name] for name in Coverage._fields[1:])),
        free=_groups((a.free, a) for found, a in kinds if found == "free"),
        usage_assumed=_groups(
            (a.assumed or "assumes how much it is used", a) for found, a in kinds if found == "usage_assumed"
        ),
        not_priced=not_priced,
        no_tables=no_tables,
        not_offered=not_offered,
        not_considered=not_considered_of(after),
        changed=changed,
        oldest=_oldest(lines, today),
        forgotten=_forgotten(after),
        basis=tuple(sorted(basis, key=lambda part: (_ORDER[part.charge.number], -part.charge.usd, part.resource.urn))),
        notes=_groups((note, a) for a in after for note in a.notes),
        consequences=consequences(line.change for line in lines),
        problems=tuple(sorted(set(estimate.problems))),
        verdict=_verdict(figures, not_priced, no_tables, not_offered, len(estimate.problems)),
        discounts=estimate.discounts,
        compared=compared,
        months=tuple(months(figures, month or {})),
    )


def _open(assessment: Assessment | None) -> tuple[Number, ...]:
    """The numbers on top of which something of it may come that isn't priced."""
    if assessment is None or kind(assessment) not in ("not_priced", "not_offered"):
        return ()
    if assessment.open is not None:
        return tuple(assessment.open)
    if is_envelope(assessment.resource):
        return (Number.RUN_CEILING,)
    if is_usage(assessment.resource):
        # A kind that can't be read could be either.
        rag, finetuning = (f'"{kind}"' in str(assessment.resource.inputs.get("insecureValue")) for kind in KINDS)
        return (
            Number.IDLE,
            *(() if finetuning else (Number.QUERIES,)),
            *(() if rag else (Number.RUN_EXPECTED, Number.RUN_CEILING)),
        )
    # A run is what its parameters say (runs are not resources). Of the other two it can't be told.
    return Number.IDLE, Number.QUERIES


def _figures(lines: Sequence[Line], problems: bool = False) -> dict[Number, Figure]:
    return {number: _figure(lines, number, problems) for number in Number}


def _figure(lines: Sequence[Line], number: Number, problems: bool) -> Figure:
    (before, before_open), (after, after_open) = (
        _side([side for side in sides if side], number)
        for sides in ([x.before for x in lines], [x.after for x in lines])
    )
    delta = None if before is after is None else (after or Decimal(0)) - (before or Decimal(0))
    moving = (before_open or after_open) and any(
        not unchanged(line) and number in (*_open(line.before), *_open(line.after)) for line in lines
    )
    return Figure(before, after, delta, before_open or problems, after_open or problems, moving or problems)


def _side(assessments: Sequence[Assessment], number: Number) -> tuple[Decimal | None, bool]:
    usd = [charge.usd for side in assessments for charge in side.charges if charge.number is number]
    may_come = [side.resource for side in assessments if number in _open(side)]
    # Where nobody asks, a resource without a price doesn't make it that somebody does; an unreadable parameter may.
    there = bool(usd) or number is Number.IDLE
    is_open = bool(may_come) if there else any(resource.type == PARAMETER for resource in may_come)
    return (exact(sum(usd, Decimal(0))) if there else None), is_open


def _components(estimate: Estimate) -> tuple[Component, ...]:
    """Those of which a number says something; the others' resources are free."""
    sides = [line.change.after or line.change.before for line in estimate.lines]
    parents = {side.urn: side.parent for side in sides if side} | dict(estimate.parents)
    members: dict[str, list[Line]] = {}
    for line, side in zip(estimate.lines, sides, strict=True):
        members.setdefault(_component(side.parent if side else "", parents, estimate.parents), []).append(line)
    found = [Component(name, _figures(lines)) for name, lines in sorted(members.items())]
    return tuple(component for component in found if any(map(_says, component.figures.values())))


def _says(figure: Figure) -> bool:
    return any((figure.before, figure.after, figure.before_open, figure.after_open))


def _component(parent: str, parents: Mapping[str, str], components: Mapping[str, str]) -> str:
    """The way from the outermost component to the innermost environment's direct child."""
    path = [urn for urn in ancestors(parent, parents) if urn in components and type_of(urn) != STACK][::-1]
    environments = [place for place, urn in enumerate(path) if type_of(urn).endswith("Environment")]
    return " / ".join(urn.split("::", 3)[3] for urn in path[: max(environments, default=0) + 2]) or "(no component)"


def _moved(lines: Iterable[Line]) -> tuple[Moved, ...]:
    found = []
    for line in lines:
        deltas = {number: exact(line.delta(number)) for number in Number}
        resource = line.change.after or line.change.before
        if resource and (any(deltas.values()) or line.change.remark):
            sides = (
                {number: exact(side.usd(number)) for number in Number} if side else {}
                for side in (line.before, line.after)
            )
            found.append(Moved(line.change.op, resource, deltas, line.change.remark, *sides))
    return tuple(sorted(found, key=lambda item: (-max(map(abs, item.deltas.values())), item.resource.urn)))


def _changed(estimate: Estimate) -> tuple[Changed, ...]:
    by_name: dict[str, list[Assumption]] = {}
    for assumption in estimate.assumptions:
        by_name.setdefault(assumption.environment, []).append(assumption)
    deltas = dict.fromkeys(by_name, dict.fromkeys(Number, Decimal(0)))
    for line in estimate.lines:
        name = line.change.urn.rsplit("::", 1)[-1]
        if name in by_name:
            deltas[name] = {number: deltas[name][number] + exact(line.delta(number)) for number in Number}
    return tuple(Changed(name, tuple(items), deltas[name]) for name, items in sorted(by_name.items()))


def _groups(said: Iterable[tuple[str, Assessment]]) -> tuple[Group, ...]:
    names: dict[str, dict[str, None]] = {}
    for text, assessment in said:
        names.setdefault(text, {})[assessment.resource.name] = None
    return tuple(Group(text, tuple(sorted(found))) for text, found in sorted(names.items()))


def _regions(estimate: Estimate) -> tuple[str, ...]:
    """Those of what isn't free, since free things are in the stack's region only by name."""
    sides = (line.after or line.before for line in estimate.lines)
    found = {side.resource.region for side in sides if side and kind(side) != "free"} - {""} or {estimate.region}
    return tuple(sorted(found - {""}, key=lambda name: (name != estimate.region, name)))


def _oldest(lines: Iterable[Line], today: date | None) -> Age | None:
    sides = (side for line in lines for side in (line.before, line.after) if side)
    rows = {row for side in sides for charge in side.charges for row in charge.rows}
    if not rows:
        return None
    row = min(rows, key=lambda row: (-row.age_days(today), row.region, row.service, row.key))
    days = row.age_days(today)
    return Age(row, days, "stale" if days > STALE else "old" if days > OLD else "fresh")


def _forgotten(after: Iterable[Assessment]) -> tuple[tuple[Resource, Decimal], ...]:
    found = []
    for assessment in after:
        month = sum((charge.usd for charge in assessment.charges if charge.hourly), Decimal(0))
        if month:
            found.append((assessment.resource, exact(month * 24 / HOURS_A_MONTH)))
    return tuple(sorted(found, key=lambda item: (-item[1], item[0].urn)))


def _verdict(
    figures: Figures,
    not_priced: Sequence[Gap],
    no_tables: Sequence[NoTable],
    not_offered: Sequence[Gap],
    problems: int,
) -> Verdict:
    # What is there and stays as it is can be had: it runs.
    if missing := [gap for gap in not_offered if gap.touched]:
        return Verdict("error", f"{len(missing)} can't be had: AWS doesn't offer it in the region")
    # What is kept as it is costs what it did: nobody knows how much, but the change doesn't move it.
    touched = sum(gap.when != "kept" for gap in (*not_priced, *not_offered))
    touched += sum(any(gap.when != "kept" for gap in each.gaps) for each in no_tables)
    if unknown := touched + problems:
        return Verdict("unknown", f"{unknown} NOT PRICED or not understood in what changes: dollars are missing")
    deltas = [figure.delta or Decimal(0) for figure in figures.values()]
    if not any(deltas):
        return Verdict("same", "no number moves")
    if all(delta <= 0 for delta in deltas):
        return Verdict("less", "nothing costs more")
    return Verdict(
        "more", "it costs more" if all(delta >= 0 for delta in deltas) else "some of it costs more, some less"
    )
