"""A main job: commands one after the other, a heading for each, and a table of times at the end."""

import os
import subprocess
import time
from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from localcloud.services.supervisor import load
from scripts.local_environment import BIN, ROOT, local_environment

console = Console()


class Phase(NamedTuple):
    """A command with its title; `local` ones get the local cloud's environment, which is there once that is up."""

    title: str
    command: list
    local: bool = True


BUSY = 1.5  # programs that want each processor
START = Phase("Start the local cloud", [BIN / "tandem", "local", "up"], local=False)


def run(phases: Iterable[Phase], target: str) -> int:
    """Run the phases until one fails; `target` is what make calls the job. Returns the exit code of the last."""
    times, environment = Table("phase", "seconds", title="What each phase took"), dict(os.environ)
    begun = time.monotonic()
    if (sharing := load()) > BUSY:
        console.print(f"This machine is busy: {sharing:.1f} programs want each processor. All takes longer, and ends.")
    for phase in phases:
        console.rule(phase.title)
        started = time.monotonic()
        if phase.local and "AWS_ENDPOINT_URL" not in environment:
            environment = local_environment()
        command = [str(part) for part in phase.command]
        failed = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        times.add_row(phase.title, f"{time.monotonic() - started:.1f}")
        if failed:
            console.print(times)
            console.print(
                f"[red]Stopped: {phase.title!r} failed.[/] Logs are in .tandem/logs; `make {target}` goes on from here."
            )
            return failed
    times.add_row("all", f"{time.monotonic() - begun:.1f}")
    console.print(times)
    return 0


def end(sentence: str, *stacks: str) -> None:
    """Say what there is now, and how to end it."""
    destroy = "; ".join(f"pulumi destroy --stack {stack} --yes" for stack in stacks)
    console.print(sentence)
    console.print(f'End it: [bold]eval "$(.venv/bin/tandem local env)"; {destroy}; tandem local down[/]')
