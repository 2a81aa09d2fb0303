"""The estimate as plain text with aligned columns."""

from collections.abc import Sequence

from ..gates import Gate
from ..summary import Summary
from .content import Section, facts, sections

SHOWN = 30  # rows of a list that a comment folds


def terminal(summary: Summary, gates: Sequence[Gate] = ()) -> str:
    """Everything, lists of free and moved resources cut to 30 rows; what is NOT PRICED is never cut."""
    where = f", {summary.region}" if summary.region else ""
    numbers, *rest = sections(summary, gates, SHOWN, None)
    head = f"Cost of {summary.stack}{where}: {summary.verdict.text}."
    return "\n\n".join([head, _table(numbers), "\n".join(facts(summary)), *map(_section, rest)]) + "\n"


def _section(section: Section) -> str:
    more = [f"  and {section.more:,} more"] if section.more else []
    return "\n".join([section.title, _table(section), *more])


def _table(section: Section) -> str:
    header = [section.columns] if any(section.columns) else []
    rows = [[" ".join(cell.split()) for cell in row] for row in (*header, *section.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + _line(row, widths, section.right) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if place in right else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
