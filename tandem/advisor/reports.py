"""The advice as text, Markdown and JSON."""

import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tandem.reporting.escape import inert
from tandem.reporting.money import money, plain
from tandem.reporting.tables import Table

from .advice import Advice
from .costs import Amount, Way
from .facts import FIELDS

NONE = "none"


class Section(NamedTuple):
    """A table with a title."""

    title: str
    table: Table


def text(advice: Advice) -> str:
    """For the terminal."""
    parts = (f"{title}\n{textwrap.indent(table.text(), '  ')}" for title, table in _sections(advice))
    return "\n\n".join([_head(advice), *parts]) + "\n"


def markdown(advice: Advice) -> str:
    """For a page or a pull request."""
    parts = (f"**{inert(title)}**\n\n{table.markdown()}" for title, table in _sections(advice))
    return "\n\n".join([f"### {inert(_head(advice))}", *parts]) + "\n"


def as_json(advice: Advice) -> str:
    """For programs: amounts as strings of decimals, None where there is no such thing."""
    facts = advice.facts
    content = {
        "schema_version": 2,
        "way": advice.way.value,
        "stack": advice.stack,
        "reasons": [
            {"rule": rule.key, "points": rule.points, "text": why, "source": rule.source}
            for rule, why in advice.reasons
        ],
        "model": {"where": advice.model, "why": advice.model_why},
        "region": advice.costs.region,
        "costs": [
            {"way": cost.way.value} | {key: _amount_json(getattr(cost, key)) for key in cost._fields if key != "way"}
            for cost in advice.costs.ways
        ],
        "break_even_questions_a_month": {way.value: least for way, least in advice.costs.break_evens.items()},
        "facts": {key: _fact(getattr(facts, key)) for key in FIELDS},
        "measured": {
            metric: {target: dict(zip(found._fields, map(float, found), strict=True)) for target, found in of.items()}
            for metric, of in facts.measured.items()
        },
        "assumed": dict(advice.assumed),
        "measure_next": list(advice.measure),
    }
    return json.dumps(content, indent=2) + "\n"


FORMATS: dict[str, Callable[[Advice], str]] = {"text": text, "markdown": markdown, "json": as_json}


def _head(advice: Advice) -> str:
    start = f"start from {advice.stack}" if advice.stack else "no stack is needed"
    return f"Advice: {advice.way}; {start}."


def _sections(advice: Advice) -> list[Section]:
    facts = advice.facts
    first, cares = ([each for each in advice.reasons if each.rule.points == points] for points in ("first", "care"))
    decides = [reason for reason in advice.reasons if reason not in (*first, *cares)]
    months = ("month, by token", "month, endpoint always on", "month, endpoint that sleeps, at most")
    columns = ("way", *months, "run, expected", "run, at most")
    title = f"What it costs with {facts.questions_a_month:,} questions a month, {advice.costs.region}"
    where = f"{advice.model_why[0].upper()}{advice.model_why[1:]}."
    found = [
        _section("First", ("rule", "what"), ((r.rule.key, r.text) for r in first)),
        _section("Why", ("rule", "for", "reason"), ((r.rule.key, r.rule.points, r.text) for r in decides)),
        _section("Mind", ("rule", "what"), ((r.rule.key, r.text) for r in cares)),
        _section("Assumed, since the file doesn't say", ("fact", "value, and why"), advice.assumed),
        _section(title, columns, ((str(way), *map(_shown, rest)) for way, *rest in advice.costs.ways), (1, 2, 3, 4, 5)),
        _list(f"Where the model runs: {advice.model}", [where, *_break_evens(advice)]),
        _list("NOT PRICED, on top where a ? stands (docs/prices.md)", _open(advice)),
        _list("What to measure next", advice.measure),
        _section("Sources", ("rule", "source"), ((r.rule.key, r.rule.source) for r in advice.reasons)),
    ]
    return [section for section in found if section.table.rows]


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Section:
    return Section(title, Table(columns, tuple(rows), right))


def _list(title: str, lines: Iterable[str]) -> Section:
    return _section(title, ("",), ((line,) for line in lines))


def _shown(amount: Amount | None) -> str:
    if amount is None:
        return NONE
    if not amount.unpriced:
        return money(amount.usd)
    return f"{money(amount.usd)} + ?" if amount.usd else "?"


def _break_evens(advice: Advice) -> list[str]:
    """For the two prompts that there are, where an untuned model answers that a hosted one may be."""
    facts, priced = advice.facts, advice.costs
    pairs = (("with passages in the prompt", Way.RAG), ("without", Way.PROMPT))
    return [
        f"Break-even, {what}: "
        + ("NOT PRICED" if (least := priced.break_evens[way]) is None else f"{least:,} questions a month")
        + f" (one {facts.endpoint_instance} for 730 hours, tokens of {facts.hosted_model})."
        for what, way in pairs
        if advice.way in priced.break_evens
    ]


def _open(advice: Advice) -> list[str]:
    amounts = [amount for _, *found in advice.costs.ways for amount in found if amount]
    return list(dict.fromkeys(text for amount in amounts for text in amount.unpriced))


def _amount_json(amount: Amount | None) -> dict | None:
    return amount and {"usd": plain(amount.usd), "not_priced": list(amount.unpriced)}


def _fact(value: object) -> object:
    return value if isinstance(value, str | int) else float(str(value))
