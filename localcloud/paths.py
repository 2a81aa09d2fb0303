"""The folders of the local cloud, all inside the checkout and ignored by git."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".tandem"

BIN = HOME / "bin"
PULUMI = HOME / "pulumi"
STATE = HOME / "state"
OPENSEARCH = HOME / "opensearch"
EMULATOR = HOME / "emulator"
LOGS = HOME / "logs"
RUN = HOME / "run"
CACHE = HOME / "cache"
