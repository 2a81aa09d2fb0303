"""The folders of the local cloud, all inside the checkout, where git ignores them, or without one the current folder.

Tools are made once for a checkout. What a local cloud holds is below HOME: TANDEM_LOCAL_HOME names another folder for a
second cloud beside the first, as the tests start one.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ROOT = CHECKOUT if (CHECKOUT / "localcloud" / "pyproject.toml").exists() else Path.cwd()
TOOLS = ROOT / ".tandem"
HOME = Path(os.environ.get("TANDEM_LOCAL_HOME", TOOLS)).resolve()

BIN = TOOLS / "bin"
PULUMI = TOOLS / "pulumi"
OPENSEARCH = TOOLS / "opensearch"
CACHE = TOOLS / "cache"

STATE = HOME / "state"
EMULATOR = HOME / "emulator"
SAGEMAKER = HOME / "sagemaker"
SEARCH = HOME / "search"
KUBERNETES = HOME / "kubernetes"
LOGS = HOME / "logs"
RUN = HOME / "run"


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Hold the lock of a file, which is made with its folder: one process at a time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
