"""Customers and colleagues ask the same documents, each their own API: of the parts that `RagEnvironment` is made of.

An environment has one API. Here two ask one store, with a model and callers of their own.
"""

import pulumi
import pulumi_aws as aws
from pulumi_tandem import Auth, DataBucket, IngestionPipeline, Ledger, QueryApi, Retention, ServerlessVectorStore

# What is billed and budgeted together; without it each part is on its own there.
tags: dict[str, pulumi.Input[str]] = {"tandem:environment": "handbook"}

# One bucket, one ledger, one store, and one pipeline between them.
documents = DataBucket("handbook-documents", {"retention": Retention.ERASE, "tags": tags})
ledger = Ledger("handbook-ledger", {"retention": Retention.ERASE, "tags": tags})
store = ServerlessVectorStore(
    "handbook", {"ledger_table": ledger.table_name, "retention": Retention.ERASE, "tags": tags}
)
ingestion = IngestionPipeline(
    "handbook-ingestion",
    {
        "documents_bucket": documents.bucket_name,
        "ledger_table": ledger.table_name,
        "store_name": store.store_name,
        "store_arn": store.store_arn,
        "store_indices": store.store_indices,
        "index_name": store.index_name,
        "tags": tags,
    },
)

# Customers: whoever has a token of this pool, answered by the default model.
customers = aws.cognito.UserPool("customers")
for_customers = QueryApi(
    "handbook-customers",
    {
        "ledger_table": ledger.table_name,
        "store_name": store.store_name,
        "store_arn": store.store_arn,
        "store_indices": store.store_indices,
        "auth": Auth.JWT,
        "user_pool_arn": customers.arn,
        "tags": tags,
    },
)

# Colleagues: whoever may call it by IAM, answered by a larger model.
for_colleagues = QueryApi(
    "handbook-colleagues",
    {
        "ledger_table": ledger.table_name,
        "store_name": store.store_name,
        "store_arn": store.store_arn,
        "store_indices": store.store_indices,
        "generator": "amazon.nova-pro-v1:0",
        "tags": tags,
    },
)

# What `tandem ask`, `ingest` and `documents` read; `tandem ask --url` asks the customers' API.
pulumi.export("queryUrl", for_colleagues.query_url)
pulumi.export("customersQueryUrl", for_customers.query_url)
pulumi.export("documentsBucket", documents.bucket_name)
pulumi.export("ledgerTable", ledger.table_name)
pulumi.export("indexName", store.index_name)
pulumi.export("storeEndpoint", store.endpoint)
pulumi.export("deadLetterQueueUrl", ingestion.dead_letter_url)
pulumi.export("region", aws.get_region_output().region)
