"""The main job: from nothing to answered questions on the local cloud, with the time of each phase."""

import argparse
import sys

from scripts.local_environment import BIN, ROOT
from scripts.phases import START, Phase, end, run

SAMPLES = ROOT / ".tandem" / "samples"
GATE = ["--min-found", "14", "--min-refused", "5"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="rag-dev")
    stack = parser.parse_args().stack
    questions = [BIN / "tandem", "questions", "samples/questions.jsonl", "--stack", stack, *GATE]
    phases = [
        START,
        Phase("Deploy: pulumi up", ["pulumi", "up", "--stack", stack, "--yes", "--suppress-permalink"]),
        Phase("Collect the sample documents", [sys.executable, "samples/collect.py"]),
        Phase("Ingest them", [BIN / "tandem", "ingest", SAMPLES, "--stack", stack]),
        Phase("Ask twenty questions", questions),
    ]
    if failed := run(phases, "rag"):
        return failed
    ask = "eval \"$(.venv/bin/tandem local env)\"; tandem ask 'YOUR QUESTION'"
    end(f"The service runs. Ask it: [bold]{ask}[/]", stack)
    return 0


if __name__ == "__main__":
    sys.exit(main())
