"""DynamoDB table that records what is indexed."""

import pulumi
from pulumi_aws import dynamodb
from tandem_contract.fields import Table

from ..arguments import LedgerArgs
from ..choices import Retention
from ..foundation.arguments import NOTHING, valid
from ..foundation.existing import check_house
from ..foundation.house_rules import KMS_KEY, under_house_rules
from ..foundation.outputs import register
from ..foundation.retention import holding_data, retention_of
from ..foundation.tags import TAGS, environment_tags

LEDGER = Table(
    "LedgerArgs",
    "Arguments of `Ledger`; every one has a default.",
    {"retention": retention_of("the table and what it records"), "kms_key_arn": KMS_KEY, "tags": TAGS},
)


class Ledger(pulumi.ComponentResource):
    """DynamoDB table with a row for each document and index version, and one that names the active index.

    On demand, encrypted, restorable to any second of the last 35 days. One bucket, one ledger, one store: see
    `IngestionPipeline`.

    Idle cost: none within the free 25 GB,
    plus $0.20 per GB and month of backups.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    table_name: pulumi.Output[str]
    """Name of the table."""
    table_arn: pulumi.Output[str]
    """ARN of the table."""

    def __init__(self, name: str, args: LedgerArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`; every argument has a default."""
        settings = valid(
            "Ledger", name, LEDGER, args, lambda checks, values: check_house(checks, values, opts), opts=opts
        )
        super().__init__("tandem:index:Ledger", name, {}, under_house_rules(opts, settings))
        table = dynamodb.Table(
            name,
            attributes=[{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
            hash_key="pk",
            range_key="sk",
            billing_mode="PAY_PER_REQUEST",
            point_in_time_recovery={"enabled": True},
            deletion_protection_enabled=settings["retention"] == Retention.KEEP,
            tags=environment_tags(name, settings["tags"]),
            opts=holding_data(self, settings["retention"]),
        )
        self.table_name, self.table_arn = table.name, table.arn
        register(self)
