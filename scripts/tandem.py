"""The command in a clone where nothing of ours is installed: `python -m scripts.tandem`, as in the environment that
Pulumi makes of requirements.txt."""

import sys
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    if not find_spec("tandem_contract"):
        sys.path.append(str(Path(__file__).resolve().parents[1] / "components"))
    from tandem.cli.main import app

    app(prog_name="tandem")
