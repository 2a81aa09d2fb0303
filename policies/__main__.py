"""Serves the rules to the Pulumi engine, at the levels of the stack that it works on."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # The engine runs this folder, not the package that it is.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from pulumi_policy import PolicyPack

    from policies.levels import kind_of
    from policies.pack import policies

    # The engine sets the variable for a policy pack. PolicyPack serves until the engine ends it.
    PolicyPack("tandem", policies(kind_of(os.environ.get("PULUMI_STACK", ""))))
