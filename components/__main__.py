"""Hosts the components as a Pulumi plugin for programs in any language."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    from pulumi_tandem.plugin import run

    run()
