"""Retention of data at `pulumi destroy`: kept (protected) or erased."""

import pulumi
from tandem_contract.fields import Field

from ..choices import Retention


def retention_of(data: str) -> Field:
    """The key that decides what becomes of this data."""
    text = f"What destroy does to {data}: `keep` refuses (protect), `erase` deletes them."
    return Field("keep", text, choices=Retention)


def holding_data(parent: pulumi.Resource, retention: str) -> pulumi.ResourceOptions:
    """Options for a resource whose loss would lose data."""
    return pulumi.ResourceOptions(parent=parent, protect=retention == Retention.KEEP)
