"""Requests to AWS services, counted from the logs of the local cloud's parts, which have a line for each.

`python benchmarks/beside/calls.py LOGS COMMAND...` counts those of a command, and of the functions meanwhile.
"""

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SERVICES = ("S3", "DynamoDB", "SQS", "Bedrock", "OpenSearch", "API", "others")
EMULATED = re.compile(r" request (\S+) (\S+) (/.*)")  # localcloud/services/emulator.py
INVOKED = re.compile(r'"POST /model/\S+/(invoke|converse) ')
TARGETS = {"DynamoDB_20120810": "DynamoDB", "AmazonSQS": "SQS"}
PATHS = {"/_aoss/": "OpenSearch", "/_es/": "OpenSearch", "/_aws/execute-api/": "API"}
DATED = re.compile(r"/\d{4}-\d\d-\d\d/")
LATE_SECONDS = 0.5  # a line may be written after its answer


class Calls:
    """Counts requests from now on; `logs` is the local cloud's folder of logs."""

    def __init__(self, logs: Path):
        self._from = {log: log.stat().st_size for log in (logs / "emulator.log", logs / "models.log")}

    def until_now(self) -> Counter[str]:
        """Requests by service."""
        time.sleep(LATE_SECONDS)
        return Counter(found for line in self._lines() if (found := service(line)))

    def _lines(self) -> Iterator[str]:
        for log, begin in self._from.items():
            with log.open("rb") as file:
                file.seek(begin)
                yield from file.read().decode(errors="replace").splitlines()


def service(line: str) -> str:
    """The service that a line of a log is a request to; empty where it is none."""
    if INVOKED.search(line):
        return "Bedrock"
    if not (found := EMULATED.search(line)):
        return ""
    target, _, path = found.groups()
    if path.startswith("/_"):  # the rest of these is the emulator's own
        return next((name for beginning, name in PATHS.items() if path.startswith(beginning)), "")
    if target != "-":
        return TARGETS.get(target.partition(".")[0], "others")
    return "others" if path == "/" or DATED.match(path) else "S3"


if __name__ == "__main__":
    calls = Calls(Path(sys.argv[1]))
    done = subprocess.run(sys.argv[2:], check=False)
    print(*(f"{name}: {count}" for name, count in calls.until_now().most_common()), sep="\n")
    sys.exit(done.returncode)
