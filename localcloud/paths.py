"""The folders of the local cloud, all inside the checkout and ignored by git.

TANDEM_LOCAL_HOME names another folder: a second local cloud beside the first, as the tests start one. What is built
from the locks and kept by its content, `bin` and `cache`, is the same for both.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("TANDEM_LOCAL_HOME", ROOT / ".tandem"))

BIN = ROOT / ".tandem" / "bin"
CACHE = ROOT / ".tandem" / "cache"
PULUMI = HOME / "pulumi"
STATE = HOME / "state"
OPENSEARCH = HOME / "opensearch"
EMULATOR = HOME / "emulator"
LOGS = HOME / "logs"
RUN = HOME / "run"
