"""DynamoDB table that records what is indexed."""

from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import dynamodb

from ..foundation.outputs import register
from ..foundation.retention import Retention, holding_data
from ..foundation.tags import Tags


class LedgerArgs(TypedDict):
    """Arguments of `Ledger`."""

    retention: Retention
    """`keep` protects the table, also in DynamoDB itself; `erase` deletes it at destroy."""
    tags: NotRequired[Tags]
    """Cost-allocation tags."""


class Ledger(pulumi.ComponentResource):
    """DynamoDB table with a row for each document and index version, and one that names the active index.

    On demand, encrypted, restorable to any second of the last 35 days.

    Idle cost: none within the free 25 GB,
    plus $0.20 per GB and month of backups.
    """

    table_name: pulumi.Output[str]
    """Name of the table."""
    table_arn: pulumi.Output[str]
    """ARN of the table."""

    def __init__(self, name: str, args: LedgerArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("tandem:index:Ledger", name, {}, opts)
        table = dynamodb.Table(
            name,
            attributes=[{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
            hash_key="pk",
            range_key="sk",
            billing_mode="PAY_PER_REQUEST",
            point_in_time_recovery={"enabled": True},
            deletion_protection_enabled=args["retention"] is Retention.KEEP,
            tags=args.get("tags"),
            opts=holding_data(self, args["retention"]),
        )
        self.table_name, self.table_arn = table.name, table.arn
        register(self)
