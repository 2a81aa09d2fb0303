"""Each AWS behaviour that we rely on, one row each, and the page of them: `make docs` writes docs/aws-facts.md.

`make verify-aws` has `saw` write down what an account showed; the days stand in docs/aws-facts-seen.json.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from scripts.local_environment import ROOT
from scripts.verify.probes import NEVER, PROBES

from . import api, bedrock, cluster, events, functions, money, opensearch, serving, training
from .fact import SURE, Fact

PAGE = ROOT / "docs" / "aws-facts.md"
SEEN = ROOT / "docs" / "aws-facts-seen.json"
AREAS = {
    "Bedrock": bedrock.ROWS,
    "OpenSearch": opensearch.ROWS,
    "Documents and events": events.ROWS,
    "API": api.ROWS,
    "Functions": functions.ROWS,
    "Training": training.ROWS,
    "Serving": serving.ROWS,
    "Money": money.ROWS,
    "Cluster": cluster.ROWS,
}
FACTS = [fact for rows in AREAS.values() for fact in rows]
HEAD = """\
# What we rely on of AWS

Written by `make docs` from `scripts/aws_facts`: each behaviour of AWS that Tandem relies on, where it is known from
and when that was read, the test here that holds our side of it, and the day on which `make verify-aws` saw it on an
account, else what it asks about that, why it doesn't, or what would show it. A test here shows what we ask for and what
we make of an answer; it can't show that AWS answers so.

"""


def seen() -> dict[str, str]:
    """The days on which an account showed facts, by key."""
    return json.loads(SEEN.read_text(encoding="utf-8"))


def saw(keys: Iterable[str], day: str, at: Path = SEEN) -> None:
    """Write down that an account showed these facts on a day (`2026-12-31`). Raises KeyError for what is no fact."""
    shown = set(keys)
    if unknown := sorted(shown - {fact.key for fact in FACTS}):
        raise KeyError(f"no fact has the key {', '.join(unknown)}")
    found = json.loads(at.read_text(encoding="utf-8")) | dict.fromkeys(shown, day)
    at.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def page() -> str:
    """The whole page."""
    days = seen()
    lines = [HEAD, *(f"- **{name}**: {meaning}\n" for name, meaning in SURE.items())]
    for area, rows in AREAS.items():
        lines += [f"\n## {area}\n\n", "| what AWS does | how sure | source, read | tested here | seen live |\n"]
        lines += ["| --- | --- | --- | --- | --- |\n"]
        lines += [_row(fact, days.get(fact.key, "")) for fact in rows]
    return "".join(lines)


def _row(fact: Fact, day: str) -> str:
    tested = f"`tests/{fact.tested}`" if fact.tested else "no"
    asked = [f"no; asked: {probe.asks}" for probe in PROBES if probe.fact == fact.key]
    never = [f"no, nor asked: {why}" for key, why in NEVER.items() if key == fact.key]
    live = next(filter(None, (day, *asked, *never)), f"no; by {fact.probe}" if fact.probe else "no")
    cells = (fact.fact, fact.sure, f"{fact.source}; {fact.read}", tested, live)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
