"""The estimate as a comment on a pull request: the numbers, then what is missing, then the rest folded."""

from collections.abc import Sequence

from tandem.reporting.escape import clipped, code, inert, lined
from tandem.reporting.tables import CELL

from ..gates import Gate
from ..policies import Policies
from ..summary import Summary
from .content import Section, facts, sections, where

LIMIT = 64_000
"""Characters; GitHub takes 65,536, or answers "Body is too long (maximum is 65536 characters)"."""
FOLDED, LISTED = 60, 200  # rows of a list, if there is room
MARKER = "<!-- tandem-cost: "
STILL = "✅ **Known:** no number moves"  # a line of its own, which no name can be


def marker(name: str) -> str:
    """A first line, hidden: of a report the stack's (`project/stack`), of a comment that by which it is found again."""
    return f"{MARKER}{clipped(lined(name).replace('>', ''), CELL)} -->"


def moves(report: str) -> bool:
    """Whether a report has anything to say: a number that moves, or something that isn't as it should be."""
    return f"\n{STILL}\n" not in report


def markdown(summary: Summary, gates: Sequence[Gate] = (), policies: Policies | None = None) -> str:
    """The comment. It has no time in it, so the same input gives the same bytes.

    If it gets too long, the folded lists are cut first, then the others; the text says how many rows are left out.
    """
    folded, listed = FOLDED, LISTED
    while True:
        text = _render(summary, gates, policies, sections(summary, gates, policies, folded, listed))
        if len(text) <= LIMIT or not (folded or listed):
            return text
        folded, listed = (folded // 2, listed) if folded else (0, listed // 2)


def _render(summary: Summary, gates: Sequence[Gate], policies: Policies | None, found: Sequence[Section]) -> str:
    numbers, *rest = found
    parts = [
        marker(summary.stack),
        f"### Cost of {code(clipped(summary.stack, CELL))}{inert(clipped(where(summary), CELL))}",
        f"{_mark(summary, gates, policies)} {inert(summary.verdict.text)}",
        numbers.table.markdown(),
        "\n".join(f"- {inert(fact)}" for fact in facts(summary, policies)),
        *map(_section, rest),
    ]
    return "\n\n".join(parts) + "\n"


def _mark(summary: Summary, gates: Sequence[Gate], policies: Policies | None) -> str:
    states = {gate.state for gate in gates}
    if summary.verdict.state == "error" or "failed" in states:
        return "❌ **A gate failed:**" if summary.verdict.state != "error" else "❌ **Error:**"
    if policies and policies.block:
        return "❌ **A policy is violated:**"
    if (policies and not policies.judged) or summary.verdict.state == "unknown" or "undecided" in states:
        return "⚠️ **Not known for sure:**"
    if policies and policies.violations:
        return "⚠️ **Advice of a policy:**"
    return "✅ **Known:**"


def _section(section: Section) -> str:
    more = f"\n\nand {section.more:,} more (`tandem cost --format json` has them all)" if section.more else ""
    if not section.folded:
        return f"**{section.title}**\n\n{section.table.markdown()}{more}"
    count = len(section.table.rows) + section.more
    return f"<details><summary>{section.title} ({count:,})</summary>\n\n{section.table.markdown()}{more}\n\n</details>"
