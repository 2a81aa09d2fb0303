"""The main job: from nothing to answered questions on the local cloud, with the time of each phase."""

import argparse
import os
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from scripts.local_environment import BIN, ROOT, local_environment

SAMPLES = ROOT / ".tandem" / "samples"
GATE = ["--min-cited", "12", "--min-refused", "4"]
console = Console()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="rag-dev")
    stack = parser.parse_args().stack
    phases = [
        ("Start the local cloud", [BIN / "tandem", "local", "up"]),
        ("Deploy: pulumi up", ["pulumi", "up", "--stack", stack, "--yes", "--suppress-permalink"]),
        ("Collect the sample documents", [sys.executable, "samples/collect.py"]),
        ("Ingest them", [BIN / "tandem", "ingest", SAMPLES, "--stack", stack]),
        ("Ask twenty questions", [BIN / "tandem", "questions", "samples/questions.jsonl", "--stack", stack, *GATE]),
    ]
    times, environment = Table("phase", "seconds", title="What each phase took"), dict(os.environ)
    begun = time.monotonic()
    for title, command in phases:
        console.rule(title)
        started = time.monotonic()
        failed = subprocess.run([str(part) for part in command], cwd=ROOT, env=environment, check=False).returncode
        times.add_row(title, f"{time.monotonic() - started:.1f}")
        if failed:
            console.print(times)
            console.print(f"[red]Stopped: {title!r} failed.[/] Logs are in .tandem/logs; `make rag` goes on from here.")
            return failed
        if title == phases[0][0]:
            environment = local_environment()
    times.add_row("all", f"{time.monotonic() - begun:.1f}")
    console.print(times)
    console.print(
        "The service runs. Ask it: [bold]eval \"$(.venv/bin/tandem local env)\"; tandem ask 'YOUR QUESTION'[/]"
        "\nEnd it: [bold]pulumi destroy --stack " + stack + " --yes; tandem local down[/]"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
