"""Content of the terminal report and of the comment: sections of rows, cut to a length."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from tandem.reporting.escape import clipped, lined
from tandem.reporting.money import digits, money, signed
from tandem.reporting.tables import Table

from ..gaps import Gap, NoTable, Unconsidered
from ..gates import Gate
from ..model import OTHERS, Number
from ..policies import Policies
from ..summary import Figure, Figures, Group, Month, Moved, Summary

TITLES = {
    Number.IDLE: "Idle floor, a month",
    Number.RUN_EXPECTED: "One fine-tuning run, expected",
    Number.RUN_CEILING: "One fine-tuning run, at most",
    Number.QUERIES: "1,000 RAG queries",
}
SHORT = {
    Number.IDLE: "idle",
    Number.RUN_EXPECTED: "run, expected",
    Number.RUN_CEILING: "run, at most",
    Number.QUERIES: "1,000 queries",
}
NAMES = 5  # of resources of which the same is said, of inputs of a type
UNCONSIDERED, PATH = 12, 120  # types of which inputs aren't considered, characters of a path
SENTENCE = 600  # characters of a fact: names may be of any length
NONE, OPEN = "none", "?"
CODE = ("resource", "type", "component", "usage of", "assumption", "gate", "resources", "rule")
"""Columns of names."""


class Section(NamedTuple):
    """A table with a title."""

    title: str
    table: Table
    more: int = 0
    """How many rows were left out."""
    folded: bool = False
    """Whether a comment shows it only when asked to."""


def sections(
    summary: Summary, gates: Sequence[Gate], policies: Policies | None, folded: int | None, listed: int | None
) -> list[Section]:
    """All that there is to say, the numbers first: `folded` rows of each folded list, `listed` of the other lists."""
    found = [
        _cut("", ("", "before", "after", "delta"), _numbers(summary), None, (1, 2, 3)),
        _cut("Gates", ("gate", "", "what came of it"), ((g.key, g.state, g.text) for g in gates), None),
        _cut("Policies", ("level", "rule", "resource", "what"), _violations(policies), listed),
        _cut("NOT OFFERED in the region", _GAP, map(_gap, summary.not_offered), listed),
        _cut("NOT PRICED: no prices where it is", _NO_TABLE, map(_no_table, summary.no_tables), None),
        _cut("NOT PRICED", _GAP, map(_gap, summary.not_priced), listed),
        _cut("NOT UNDERSTOOD in the preview", ("",), ((problem,) for problem in summary.problems), listed),
        _cut("Changed assumptions", ("usage of", "assumption", "before", "after"), _assumptions(summary), listed),
        _cut("What changed assumptions move", ("usage of", "by"), _by_assumptions(summary), listed),
        _cut("Resources that move the numbers", _MOVED, _moved(summary), folded, folds=True),
        _cut("By component", _COMPONENT, _components(summary), folded, (1, 2, 3), folds=True),
        _cut("What the numbers are made of", _BASIS, _basis(summary), folded, (4,), folds=True),
        _cut("What it costs a day to forget it", ("resource", "a day"), _forgotten(summary), folded, (1,), folds=True),
        _cut("Causes of cost that aren't dollars yet", _GROUP, _groups(summary.notes), folded, folds=True),
        _cut("Priced by assumptions about usage", _GROUP, _groups(summary.usage_assumed), folded, folds=True),
        _cut("Free, and why", _GROUP, _groups(summary.free), folded, folds=True),
    ]
    return [section for section in found if section.table.rows or section.more]


def facts(summary: Summary, policies: Policies | None = None) -> list[str]:
    """The sentences under the numbers."""
    return [clipped(lined(fact), SENTENCE) for fact in _facts(summary, policies)]


def _facts(summary: Summary, policies: Policies | None) -> list[str]:
    said = [_COMPARED[summary.compared], *(f"BEWARE: {text}" for text in summary.consequences)]
    if policies and not policies.judged:
        said.append("Policies: NOT JUDGED, or not all of it: their own preview failed, and its log says why.")
    elif policies and not policies.violations:
        said.append("Policies: none is violated.")
    if summary.forgotten:
        said.append(f"Forgetting it costs {money(summary.forgotten_usd)} a day.")
    cover = summary.coverage
    said.append(
        f"{cover.resources:,} resources: {cover.priced:,} priced, {cover.usage_assumed:,} usage-assumed, "
        f"{cover.free:,} free, {cover.not_priced:,} NOT PRICED, {cover.not_offered:,} not offered in the region."
    )
    said += _not_considered(summary.not_considered)
    if summary.oldest:
        row = summary.oldest.row
        state = {
            "fresh": "",
            "old": " Read it again: it is more than 90 days old.",
            "stale": " STALE: it is more than 365 days old.",
        }[summary.oldest.state]
        said.append(f"Oldest price: {row.service} {row.key}, read on {row.read_at} ({row.source}).{state}")
    if any(figure.before_open or figure.after_open for figure in summary.figures.values()):
        said.append("?: something that is NOT PRICED or not offered comes on top.")
    less = [
        f"{'all others' if service == OTHERS else service} {percent.normalize():f} %"
        for service, percent in summary.discounts.items()
    ]
    before = f"before taxes and free allowances, less discounts: {', '.join(less)}"
    said.append(f"US dollars, on demand, {before if less else 'before taxes, discounts and free allowances'}.")
    return said


def _not_considered(found: Sequence[Unconsidered]) -> Iterable[str]:
    """The inputs that no price considers, a line for each of the first types."""
    for type_, inputs, _ in found[:UNCONSIDERED]:
        paths = [path if len(path) <= PATH else f"{path[:PATH]}..." for path in list(inputs)[:NAMES]]
        rest = [f"{len(inputs) - NAMES:,} more"] if len(inputs) > NAMES else []
        yield f"not considered: {', '.join([*paths, *rest])} of {type_}"
    if len(found) > UNCONSIDERED:
        yield f"not considered: inputs of {len(found) - UNCONSIDERED:,} more types"


_COMPARED = {
    "deployed": "Before is what is deployed, after is this preview.",
    "base": "Before is the preview of the base, after is this preview; what is deployed may be neither.",
}
_GAP = ("resource", "type", "is", "why")
_NO_TABLE = ("resources", "are", "why")
_MOVED = ("operation", "resource", "type", "from and to", "remark")
_COMPONENT = ("component", "idle before", "after", "delta", "per run and 1,000 queries")
_BASIS = ("number", "resource", "what", "quantity", "US dollars", "")
_GROUP = ("what", "resources")


def _cut(
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    limit: int | None,
    right: tuple[int, ...] = (),
    *,
    folds: bool = False,
) -> Section:
    every = tuple(rows)
    kept = every[:limit]
    names = tuple(place for place, column in enumerate(columns) if column in CODE)
    return Section(title, Table(columns, kept, right, names), len(every) - len(kept), folds)


def _numbers(summary: Summary) -> Iterable[tuple[str, ...]]:
    for number, title in TITLES.items():
        figure = summary.figures[number]
        yield title, _before(figure), _after(figure), _delta(figure)
    for month in summary.months:
        yield _month(month, summary.figures), _before(month.figure), _after(month.figure), _delta(month.figure)


def _month(month: Month, figures: Figures) -> str:
    used = [
        f"{digits(count)} {what}"
        for number, count, what in (
            (Number.QUERIES, month.questions, "questions"),
            (Number.RUN_EXPECTED, month.runs, "runs"),
        )
        if count and any((figures[number].before, figures[number].after, figures[number].after_open))
    ]
    return f"A month, {month.level}: {' and '.join(used) or 'no use'}"


def _before(figure: Figure) -> str:
    """What it was; `+ ?`: something NOT PRICED comes on top."""
    return side(figure.before, figure.before_open)


def _after(figure: Figure) -> str:
    """What it will be."""
    return side(figure.after, figure.after_open)


def side(usd: Decimal | None, is_open: bool) -> str:
    """One side of a number; `+ ?`: something NOT PRICED comes on top."""
    if usd is None:
        return OPEN if is_open else NONE
    return money(usd) + (" + ?" if is_open else "")


def _delta(figure: Figure) -> str:
    """By how much it moves; `± ?`: something NOT PRICED moves as well."""
    if figure.delta is None:
        return OPEN if figure.delta_open else NONE
    return signed(figure.delta) + (" ± ?" if figure.delta_open else _percent(figure))


def _percent(figure: Figure) -> str:
    """How much that is of what was; nothing where that was nothing, or isn't known."""
    if not figure.before or not figure.delta or figure.before_open:
        return ""
    percent = figure.delta / figure.before * 100
    return f" ({percent:+,.{0 if abs(percent) >= 10 else 1}f} %)"


def _violations(policies: Policies | None) -> Iterable[tuple[str, ...]]:
    return ((v.level, v.rule, v.resource, v.text) for v in (policies.violations if policies else ()))


def _gap(gap: Gap) -> tuple[str, ...]:
    return gap.resource.name, gap.resource.type, gap.when, "; ".join(gap.reasons)


def _no_table(found: NoTable) -> tuple[str, ...]:
    whens = Counter(gap.when for gap in found.gaps)
    counts = ", ".join(f"{count:,} {when}" for when, count in whens.items())
    return _some([gap.resource.name for gap in found.gaps]), counts, found.reason


def where(summary: Summary) -> str:
    """The regions, as a heading ends with them; empty where nothing says one."""
    return "".join(f", {region}" for region in summary.regions if region)


def _by(deltas: Mapping[Number, Decimal]) -> str:
    return ", ".join(f"{SHORT[number]} {signed(usd)}" for number, usd in deltas.items() if usd) or "no number"


def _assumptions(summary: Summary) -> Iterable[tuple[str, ...]]:
    for changed in summary.changed:
        for item in changed.assumptions:
            yield changed.name, item.key, _value(item.before), _value(item.after)


def _value(value: object) -> str:
    return NONE if value is None else str(value)


def _by_assumptions(summary: Summary) -> Iterable[tuple[str, ...]]:
    return ((changed.name, _by(changed.deltas)) for changed in summary.changed)


def _moved(summary: Summary) -> Iterable[tuple[str, ...]]:
    return (
        (moved.op, moved.resource.name, moved.resource.type, _from_to(moved), moved.remark) for moved in summary.moved
    )


def _from_to(moved: Moved) -> str:
    sides = (
        (
            SHORT[number],
            *(NONE if side.get(number) is None else money(side[number]) for side in (moved.before, moved.after)),
        )
        for number, usd in moved.deltas.items()
        if usd
    )
    return ", ".join(f"{number} {before} -> {after}" for number, before, after in sides) or "no number"


def _components(summary: Summary) -> Iterable[tuple[str, ...]]:
    for component in summary.components:
        idle = component.figures[Number.IDLE]
        others = [
            f"{SHORT[number]} {_way(figure)}"
            for number, figure in component.figures.items()
            if number is not Number.IDLE and (figure.before is not None or figure.after is not None)
        ]
        yield component.name, _before(idle), _after(idle), _delta(idle), "; ".join(others)


def _way(figure: Figure) -> str:
    before, after = _before(figure), _after(figure)
    return after if before in (after, NONE) else f"{before} -> {after}"


def _basis(summary: Summary) -> Iterable[tuple[str, ...]]:
    for resource, charge in summary.basis:
        times = " x" if charge.unit[:1].isdigit() else ""  # 0.657 x 1M requests
        quantity = f"{digits(charge.quantity)}{times} {charge.unit}"
        usd = money(charge.usd)
        what = charge.what if len(summary.regions) == 1 else f"{charge.what}, {charge.rows[0].region}"
        yield SHORT[charge.number], resource.name, what, quantity, usd, "assumed" if charge.assumed else ""


def _forgotten(summary: Summary) -> Iterable[tuple[str, ...]]:
    return ((resource.name, money(usd)) for resource, usd in summary.forgotten)


def _groups(groups: Iterable[Group]) -> Iterable[tuple[str, ...]]:
    return ((text, _some(names)) for text, names in groups)


def _some(names: Sequence[str]) -> str:
    rest = [f"and {len(names) - NAMES:,} more"] if len(names) > NAMES else []
    return ", ".join([*names[:NAMES], *rest])
