"""`make rehearse`: verifications on the local cloud, killed in `up`, in use and in `destroy`; a second cleans up.

A rehearsal is a verification that gets SIGKILL, with all that it started, and a second one that removes what it left.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from localcloud import paths
from scripts.local_environment import ROOT, local_environment
from scripts.phases import START
from scripts.verify import left
from scripts.verify.journal import Journal

STACKS = ("rag-dev", "finetune-dev", "hybrid-dev", "finetune-eks-dev")
POINTS = ("up", "use", "destroy")
"""Steps of the journal."""
SOME = 10
"""Things that the local cloud holds more in `up`, or fewer in `destroy`, when the kill comes; or looks during a use."""
PATIENCE_SECONDS = 1800.0
POLL_SECONDS = 0.2


class Rehearsed(NamedTuple):
    """One stack, killed at one point."""

    stack: str
    point: str
    result: str
    """Empty if all went well."""
    until_kill: float
    """Seconds."""
    cleaning: float


def verification(stack: str, *options: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "scripts.verify", "--rehearse", "--stack", stack, *options]


def rehearse(stack: str, point: str, journal: Journal, log: Path) -> Rehearsed:
    """Kill a verification of the stack at a point, and have a second one remove what it left."""
    before, began = left.locally(), time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        first = subprocess.Popen(
            verification(stack), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        reached = wait(first, arrived(point, journal))
        kill(first)
        killed = time.monotonic()
        done = subprocess.run(
            verification(stack, "--remove"), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    cleaned = time.monotonic() - killed
    mistakes = [] if reached else [f"not killed: it was over before (see {log})"]
    mistakes += [f"the second call exited {done.returncode} (see {log})"] if done.returncode else []
    mistakes += [f"left: {row}" for row in left.locally() if row not in before]
    return Rehearsed(stack, point, "; ".join(mistakes), killed - began, cleaned)


def arrived(point: str, journal: Journal) -> Callable[[], bool]:
    """Whether a verification is in the middle of a step by now: what `up` makes, and `destroy` takes, is counted."""
    counts: list[int] = []

    def now() -> bool:
        steps = journal.unfinished()
        if not steps or steps[-1]["step"] != point:
            return False
        counts.append(len(left.locally()))
        return len(counts) >= SOME if point == "use" else max(counts) - min(counts) >= SOME

    return now


def wait(process: subprocess.Popen, until: Callable[[], bool]) -> bool:
    """Whether it came to be while the process ran."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if until():
            return True
        time.sleep(POLL_SECONDS)
    return False


def kill(process: subprocess.Popen) -> None:
    """End a process at once with all that came of it: the engine's plugins have process groups of their own."""
    for pid in [*descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> list[int]:
    """The processes that came of one, and of those."""
    listed = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid="], text=True).split()
    parents = dict(zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True))
    found, more = [], {pid}
    while more := {child for child, parent in parents.items() if parent in more}:
        found += sorted(more)
    return found


def table(rows: Sequence[Rehearsed]) -> Table:
    """Each environment, by point."""
    found = Table("environment", "killed in", "seconds until then", "seconds to clean up", "result")
    for row in rows:
        found.add_row(
            row.stack, row.point, f"{row.until_kill:.0f}", f"{row.cleaning:.0f}", row.result or "nothing left"
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", action="append", choices=STACKS, help="this one only; may be given again")
    parser.add_argument("--point", action="append", choices=POINTS, help="killed there only; may be given again")
    options = parser.parse_args()
    stacks = options.stack or STACKS
    kubernetes = ["--kubernetes"] if "finetune-eks-dev" in stacks else []
    if subprocess.run([*map(str, START.command), *kubernetes], cwd=ROOT, check=False).returncode:
        return 1
    os.environ.update(local_environment())
    rows = []
    for stack in stacks:
        journal = Journal(paths.HOME / "rehearsal" / f"{stack}.jsonl")
        for point in options.point or POINTS:
            print(f"{stack}, killed in {point}", flush=True)
            rows.append(rehearse(stack, point, journal, paths.HOME / "rehearsal" / f"{stack}-{point}.log"))
            print(rows[-1].result or "nothing left", flush=True)
    Console().print(table(rows))
    return 1 if any(row.result for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
