"""The time of a preview, against that of an empty program on the same toolchain."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from scripts.local_environment import ROOT

from .report import Say, Table, median_ratio

ROUNDS = 5
EMPTY = "empty program"
EMPTY_STACK = "empty"


def run(stack: str, say: Say) -> Table:
    """Preview both, alternating. The empty project and its stack are removed afterwards."""
    times: dict[str, list[float]] = {EMPTY: [], stack: []}
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        project = _empty_project(Path(folder))
        file = project / f"Pulumi.{EMPTY_STACK}.yaml"
        _pulumi(project, "stack", "init", EMPTY_STACK, "--no-select")
        try:
            for number in range(ROUNDS + 1):
                empty = _seconds(project, EMPTY_STACK, "--config-file", str(file))
                ours = _seconds(ROOT, stack)
                if number:  # the first only warms the disk cache
                    times[EMPTY].append(empty)
                    times[stack].append(ours)
                say(f"{f'round {number} of {ROUNDS}' if number else 'warm-up'}: empty {empty:.2f} s, ours {ours:.2f} s")
        finally:
            _pulumi(project, "stack", "rm", EMPTY_STACK, "--yes", "--force")
    resources = json.loads(_pulumi(ROOT, "stack", "export", "--stack", stack))["deployment"]["resources"]
    rows = [
        [name, count, f"{median(seconds):.2f}", f"{median_ratio(seconds, times[EMPTY]):.1f}"]
        for (name, seconds), count in zip(times.items(), ("0", str(len(resources))), strict=True)
    ]
    return Table(["preview", "resources", "median s", "of the empty program"], rows)


def _empty_project(folder: Path) -> Path:
    options = {"toolchain": "pip", "virtualenv": sys.prefix}
    project = {"name": "tandem-bench", "runtime": {"name": "python", "options": options}}
    (folder / "Pulumi.yaml").write_text(json.dumps(project))  # JSON is YAML
    (folder / "__main__.py").touch()
    return folder


def _seconds(folder: Path, stack: str, *options: str) -> float:
    start = time.monotonic()
    _pulumi(folder, "preview", "--stack", stack, *options)
    return time.monotonic() - start


def _pulumi(folder: Path, *arguments: str) -> str:
    command = ["pulumi", *arguments, "--non-interactive"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout
