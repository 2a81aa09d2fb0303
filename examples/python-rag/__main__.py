"""A RAG service in a program of one's own."""

import pulumi
from pulumi_tandem import RagEnvironment, Retention

handbook = RagEnvironment("handbook", {"chunk_tokens": 150, "retention": Retention.ERASE})

pulumi.export("queryUrl", handbook.query_url)
pulumi.export("queryInvokeArn", handbook.query_invoke_arn)  # for who may ask: examples/python-consumer
pulumi.export("documentsBucket", handbook.documents_bucket)
pulumi.export("ledgerTable", handbook.ledger_table)
