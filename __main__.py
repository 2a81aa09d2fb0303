"""The stack program: reads the configuration, builds one environment, exports its outputs."""

import pulumi
from pulumi_tandem import RagEnvironment
from pulumi_tandem.configuration import rag_arguments, stack_configuration

environment = RagEnvironment("rag", rag_arguments(stack_configuration()))

pulumi.export("queryUrl", environment.query_url)
pulumi.export("documentsBucket", environment.documents_bucket)
pulumi.export("collectionEndpoint", environment.collection_endpoint)
pulumi.export("ledgerTable", environment.ledger_table)
pulumi.export("deadLetterQueueUrl", environment.dead_letter_queue_url)
