"""What happens to data when its stack is destroyed."""

from enum import Enum

import pulumi


class Retention(str, Enum):
    """What `pulumi destroy` does to documents, ledger and index."""

    KEEP = "keep"
    """Refuses: the resources are protected. To let go: `pulumi state unprotect --all`, set `erase`, `pulumi up`."""
    ERASE = "erase"
    """Deletes them with everything in them; for stacks that can be made again."""


def holding_data(parent: pulumi.Resource, retention: Retention) -> pulumi.ResourceOptions:
    """Options for a resource whose loss would lose data."""
    return pulumi.ResourceOptions(parent=parent, protect=retention is Retention.KEEP)
