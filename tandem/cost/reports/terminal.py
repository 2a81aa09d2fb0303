"""The estimate as plain text with aligned columns."""

import textwrap
from collections.abc import Sequence

from tandem.reporting.escape import lined

from ..gates import Gate
from ..policies import Policies
from ..summary import Summary
from .content import Section, facts, sections, where

SHOWN = 30  # rows of a list that a comment folds


def terminal(summary: Summary, gates: Sequence[Gate] = (), policies: Policies | None = None) -> str:
    """Everything, lists of free and moved resources cut to 30 rows; what is NOT PRICED is never cut."""
    numbers, *rest = sections(summary, gates, policies, SHOWN, None)
    head = lined(f"Cost of {summary.stack}{where(summary)}: {summary.verdict.text}.")
    return "\n\n".join([head, _table(numbers), "\n".join(facts(summary, policies)), *map(_section, rest)]) + "\n"


def _section(section: Section) -> str:
    more = [f"  and {section.more:,} more"] if section.more else []
    return "\n".join([section.title, _table(section), *more])


def _table(section: Section) -> str:
    return textwrap.indent(section.table.text(), "  ")
