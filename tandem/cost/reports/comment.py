"""A comment on a pull request: the reports of one stack or of several in one text, that fits, with commit and run."""

import re
from collections.abc import Mapping

from tandem.reporting.escape import clipped, code
from tandem.reporting.tables import CELL

from .markdown import LIMIT, marker

HEAD = 4  # blocks of a report that stay: its title, verdict, numbers and facts
CUT = "**The rest is left out here**, since a comment has an end; {where} has it."
_TITLE = re.compile(r"\*\*[^*]+\*\*")


def comment(name: str, reports: Mapping[str, str | None], commit: str = "", run: str = "") -> str:
    """The text of the comment that is found again by `name`: each stack's report, in their order.

    None is a stack whose preview failed before it had a report: there are no numbers of it then, rather than those of
    an earlier commit. `run` is a URL. Over `LIMIT` characters the longest report loses its last tables first.
    """
    where = f"[the run]({run})" if run else "the log of its job"
    parts = [_blocks(report) if report else _failed(stack, commit, where) for stack, report in reports.items()]
    last = ": ".join([*([f"Of commit {code(commit[:12])}"] if commit else []), *([where] if run else [])])
    cut: set[int] = set()
    while True:
        texts = [
            "\n\n".join([*part, *([CUT.format(where=where)] if at in cut else [])]) for at, part in enumerate(parts)
        ]
        text = "\n\n".join([marker(name), *texts, *([f"{last}."] if last else [])]) + "\n"
        if len(text) <= LIMIT:
            return text
        longest = max(range(len(parts)), key=lambda at: (len(parts[at]) > HEAD, len(texts[at])))
        if len(parts[longest]) <= HEAD:
            end = f"\n\n{CUT.format(where=where)}\n\n{last}.\n"
            return text[: LIMIT - len(end)].rpartition("\n")[0] + end
        cut.add(longest)
        del parts[longest][-1]
        while len(parts[longest]) > HEAD and _TITLE.fullmatch(parts[longest][-1]):
            del parts[longest][-1]


def _failed(stack: str, commit: str, where: str) -> list[str]:
    of = f" for {code(commit[:12])}" if commit else ""
    said = f"❌ **No numbers{of}:** the preview failed, or what was to make a report of it ({where})."
    return [f"### Cost of {code(clipped(stack, CELL))}", said]


def _blocks(report: str) -> list[str]:
    """What is between empty lines, without the first, hidden one; a folded list is one."""
    found: list[str] = []
    for block in report.strip("\n").split("\n\n")[1:]:
        if found and found[-1].startswith("<details>") and not found[-1].endswith("</details>"):
            found[-1] += f"\n\n{block}"
        else:
            found.append(block)
    return found
