"""What the unit tier asks of AWS, as a golden: who, service and operation, a line each; of a function, of what too.

Each run fails for what was asked and isn't in it; one of the whole tier also for what is in it and wasn't asked.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_requests import ASKED

GOLDEN = Path(__file__).parents[1] / "unit" / "goldens" / "asked.txt"
UNIT = "not local and not kubernetes and not soak"
"""The marks by which the tier is chosen (Makefile)."""
KEY = "asked"
RECORD = "TANDEM_RECORD_ASKED" in os.environ
compares = pytest.mark.skipif(RECORD, reason="this run writes what it compares with: run it again without")
"""Of tests that compare with the golden."""


def golden() -> set[tuple[str, ...]]:
    """The words of each line."""
    return {tuple(line.split()) for line in GOLDEN.read_text().splitlines()}


def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of xdist was asked."""
    ASKED.update(map(tuple, getattr(node, "workeroutput", {}).get(KEY, ())))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare what was asked with the golden, or write it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[KEY] = sorted(ASKED)
        return
    written, whole = golden(), not session.testsfailed and is_whole(session.config)
    if RECORD:
        lines = sorted(ASKED if whole else ASKED | written)
        GOLDEN.write_text("".join(f"{' '.join(line)}\n" for line in lines))
        return
    says = [f"+ {' '.join(line)}" for line in sorted(ASKED - written)]
    says += [f"- {' '.join(line)}" for line in sorted(written - ASKED)] if whole else []
    if says:
        print(f"\n{GOLDEN} isn't what was asked of AWS; `TANDEM_RECORD_ASKED=1 make unit` writes it:", *says, sep="\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def is_whole(config: pytest.Config) -> bool:
    """Whether all of the tier runs: only then is what wasn't asked asked no more."""
    chosen = config.option
    parts = chosen.keyword or chosen.deselect or chosen.ignore or chosen.ignore_glob or chosen.collectonly
    return config.args == config.getini("testpaths") and chosen.markexpr in (UNIT, "") and not parts
