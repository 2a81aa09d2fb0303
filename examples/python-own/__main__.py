"""A RAG service among things that a team already has: a bucket, a collection, a key, a boundary for roles."""

import pulumi
from pulumi_tandem import RagEnvironment, Retention

ours = pulumi.Config()

handbook = RagEnvironment(
    "handbook",
    {
        "existing_documents_bucket": ours.require("documentsBucket"),
        "existing_collection": ours.require("collection"),
        "store_readers": ours.get_object("readers") or [],
        "kms_key_arn": ours.require("key"),
        "roles": {"permissions_boundary": ours.require("boundary"), "path": "/handbook/"},
        "log_days": 90,
        "retention": Retention.ERASE,  # of what is made here: ledger and index
    },
)

pulumi.export("queryUrl", handbook.query_url)
pulumi.export("documentsBucket", handbook.documents_bucket)
pulumi.export("ledgerTable", handbook.ledger_table)
pulumi.export("region", handbook.region)
