"""The estimate as a comment on a pull request: the numbers, then what is missing, then the rest folded."""

from collections.abc import Sequence

from tandem.reporting.escape import code, inert

from ..gates import Gate
from ..summary import Summary
from .content import Section, facts, sections, where

LIMIT = 64_000
"""Characters; GitHub takes 65,536."""
FOLDED, LISTED = 60, 200  # rows of a list, if there is room
MARKER = "<!-- tandem-cost: "


def marker(stack: str) -> str:
    """The first line, hidden, by which the comment of a stack (`project/stack`) is found again."""
    return f"{MARKER}{stack.replace('>', '')} -->"


def markdown(summary: Summary, gates: Sequence[Gate] = ()) -> str:
    """The comment. It has no time in it, so the same input gives the same bytes.

    If it gets too long, the folded lists are cut first, then the others; the text says how many rows are left out.
    """
    folded, listed = FOLDED, LISTED
    while True:
        text = _render(summary, gates, sections(summary, gates, folded, listed))
        if len(text) <= LIMIT or not (folded or listed):
            return text
        folded, listed = (folded // 2, listed) if folded else (0, listed // 2)


def _render(summary: Summary, gates: Sequence[Gate], found: Sequence[Section]) -> str:
    numbers, *rest = found
    parts = [
        marker(summary.stack),
        f"### Cost of {code(summary.stack)}{inert(where(summary))}",
        f"{_mark(summary, gates)} {inert(summary.verdict.text)}",
        numbers.table.markdown(),
        "\n".join(f"- {inert(fact)}" for fact in facts(summary)),
        *map(_section, rest),
    ]
    return "\n\n".join(parts) + "\n"


def _mark(summary: Summary, gates: Sequence[Gate]) -> str:
    states = {gate.state for gate in gates}
    if summary.verdict.state == "error" or "failed" in states:
        return "❌ **A gate failed:**" if summary.verdict.state != "error" else "❌ **Error:**"
    if summary.verdict.state == "unknown" or "undecided" in states:
        return "⚠️ **Not known for sure:**"
    return "✅ **Known:**"


def _section(section: Section) -> str:
    more = f"\n\nand {section.more:,} more (`tandem cost --format json` has them all)" if section.more else ""
    if not section.folded:
        return f"**{section.title}**\n\n{section.table.markdown()}{more}"
    count = len(section.table.rows) + section.more
    return f"<details><summary>{section.title} ({count:,})</summary>\n\n{section.table.markdown()}{more}\n\n</details>"
