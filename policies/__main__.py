"""Serves Tandem's rules to the Pulumi engine, at the levels of the stack that it works on.

Written by `tandem policies`. Rules of your own go into the list: `[*policies(kind), *yours]`.
"""

import os

from pulumi_policy import PolicyPack
from tandem_policies.levels import kind_of
from tandem_policies.pack import policies

kind = kind_of(os.environ.get("PULUMI_STACK", ""))  # which the engine sets for a policy pack
PolicyPack("tandem", policies(kind))  # serves until the engine ends it
