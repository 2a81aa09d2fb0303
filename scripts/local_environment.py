"""The environment of the local cloud, for the scripts that start commands in it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def local_environment() -> dict[str, str]:
    """This process's environment with what `tandem local env` sets; it says on stderr what it has to build first."""
    script = f'eval "$({BIN}/tandem local env)" && env -0'
    printed = subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode()
    return dict(entry.split("=", 1) for entry in printed.split("\0") if "=" in entry)
