"""Retention of data at `pulumi destroy`: kept (protected) or erased."""

from enum import Enum

import pulumi
from tandem_contract.fields import Field


class Retention(str, Enum):
    """What `pulumi destroy` does to documents, ledger and index."""

    KEEP = "keep"
    """Refuses: the resources are protected. To let go: `pulumi state unprotect --all`, set `erase`, `pulumi up`."""
    ERASE = "erase"
    """Deletes them with everything in them; for stacks that can be made again."""


def retention_of(data: str) -> Field:
    """The key that decides what becomes of this data."""
    text = f"What destroy does to {data}: `keep` refuses (protect), `erase` deletes them."
    return Field("keep", text, choices=Retention)


def holding_data(parent: pulumi.Resource, retention: Retention) -> pulumi.ResourceOptions:
    """Options for a resource whose loss would lose data."""
    return pulumi.ResourceOptions(parent=parent, protect=retention is Retention.KEEP)
