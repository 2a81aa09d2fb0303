"""The numbers on both sides, and a month that is made of them and of how much is used."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from .model import Number

_DUST = Decimal("1e-9")  # thirds of an hour aren't exact: what is smaller than this is their rounding


class Figure(NamedTuple):
    """One number on both sides; None: there is no such thing, as runs where only questions are answered.

    `*_open`: something NOT PRICED may come on top of it.
    """

    before: Decimal | None
    after: Decimal | None
    delta: Decimal | None
    before_open: bool = False
    after_open: bool = False
    delta_open: bool = False


Figures = Mapping[Number, Figure]


class Month(NamedTuple):
    """A month with its use."""

    level: Literal["low", "base", "high"]
    questions: Decimal
    runs: Decimal
    figure: Figure


def exact(usd: Decimal) -> Decimal:
    """An amount without what is rounding alone."""
    return usd.quantize(_DUST)


def months(figures: Figures, month: Mapping[str, Sequence[float]]) -> Iterator[Month]:
    """The idle floor with `questions` and `runs`: one amount of each, or low, base and high."""
    amounts = {name: [Decimal(str(amount)) for amount in given] for name, given in month.items()}
    levels: tuple[Literal["low", "base", "high"], ...] = ("low", "base", "high")
    for place, level in enumerate(levels):
        if any(len(given) > 1 for given in amounts.values()) or (amounts and level == "base"):
            questions, runs = (
                (amounts.get(name) or [Decimal(0)])[place if len(amounts.get(name, ())) > 1 else 0]
                for name in ("questions", "runs")
            )
            times = {Number.IDLE: Decimal(1), Number.QUERIES: questions / 1000, Number.RUN_EXPECTED: runs}
            yield Month(level, questions, runs, _sum(figures, times))


def _sum(figures: Figures, times: Mapping[Number, Decimal]) -> Figure:
    """So many times each number; of what the stack hasn't, nothing."""
    parts = [(figures[number], count) for number, count in times.items() if count]
    before, after = (
        exact(sum(((getattr(figure, side) or Decimal(0)) * count for figure, count in parts), Decimal(0)))
        for side in ("before", "after")
    )
    opened = (any(getattr(figure, name) for figure, _ in parts) for name in ("before_open", "after_open", "delta_open"))
    return Figure(before, after, after - before, *opened)
