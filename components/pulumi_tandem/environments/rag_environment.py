"""RAG environment: documents bucket, ledger, vector store, ingestion pipeline and query API."""

import pulumi
from tandem_contract.bedrock_models import default_generator, parse
from tandem_contract.usage import rag_usage

from ..arguments import RagEnvironmentArgs
from ..foundation.arguments import NOTHING, of_part, valid
from ..foundation.data_bucket import DATA_BUCKET, DataBucket
from ..foundation.house_rules import under_house_rules
from ..foundation.outputs import register
from ..foundation.region import region_for, region_of
from ..foundation.tags import environment_tags
from ..foundation.usage import register_usage
from ..rag.ingestion_pipeline import INGESTION, IngestionPipeline
from ..rag.ledger import LEDGER, Ledger
from ..rag.query_api import QUERY, QueryApi
from ..rag.stores import STORES
from .rag_fields import RAG, check_place


class RagEnvironment(pulumi.ComponentResource):
    """RAG service: documents in an S3 bucket, questions to a URL, answers with citations.

    Composes a documents bucket, a ledger, the vector store that `store` names, an `IngestionPipeline` and a
    `QueryApi`.

    Idle cost: about $1.60 a month (ten alarms $1.00, the sweep's metric $0.30, polling of the queue $0.26, the sweep's
    runs $0.04), free tier not counted, and storage of documents, index, ledger and logs. With `store: domain` also its
    instances and disks, $67.41 for one r7g.medium.search (730 hours of $0.089) with 20 GB (of $0.122), and nine alarms.

    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    query_url: pulumi.Output[str]
    """URL to post questions to."""
    query_invoke_arn: pulumi.Output[str]
    """ARN for the `execute-api:Invoke` permission of who may ask."""
    api_name: pulumi.Output[str]
    """Name of the query API, as its metrics have it."""
    documents_bucket: pulumi.Output[str]
    """Name of the bucket for the documents."""
    store_endpoint: pulumi.Output[str]
    """URL of the vector store."""
    collection_endpoint: pulumi.Output[str]
    """The former name of `store_endpoint`. Deprecated: use `store_endpoint`, this one goes with the next release."""
    index_name: pulumi.Output[str]
    """Index of the configured embedder, dimension and chunking."""
    ledger_table: pulumi.Output[str]
    """Name of the table that records what is indexed."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue of documents that were given up."""
    region: pulumi.Output[str]
    """AWS region that it is in."""

    def __init__(self, name: str, args: RagEnvironmentArgs = NOTHING, opts: pulumi.ResourceOptions | None = None):
        """Registers it and all that it is made of under `name`; every argument has a default."""
        settings = valid(
            "RagEnvironment", name, RAG, args, lambda checks, values: check_place(checks, values, opts), opts=opts
        )
        generator = settings["generator"] = settings["generator"] or default_generator(region_of(opts))
        super().__init__("tandem:index:RagEnvironment", name, {}, under_house_rules(opts, settings))
        child, tags = pulumi.ResourceOptions(parent=self), environment_tags(name, settings["tags"])
        settings["tags"] = tags

        holding = of_part(DATA_BUCKET, settings, existing_bucket=settings["existing_documents_bucket"])
        documents = DataBucket(f"{name}-documents", holding, opts=child)
        ledger = Ledger(f"{name}-ledger", of_part(LEDGER, settings), opts=child)
        kind = STORES[settings["store"]]
        keeping = of_part(kind.table, settings, ledger_table=ledger.table_name, kms_key_arn=settings["kms_key_arn"])
        store = kind.component(name, keeping, opts=child)
        used = {
            "ledger_table": ledger.table_name,
            "store_name": store.store_name,
            "store_arn": store.store_arn,
            "store_indices": store.store_indices,
        }
        indexing = of_part(
            INGESTION, settings, documents_bucket=documents.bucket_name, index_name=store.index_name, **used
        )
        ingestion = IngestionPipeline(f"{name}-ingestion", indexing, opts=child)
        query = QueryApi(f"{name}-query", of_part(QUERY, settings, **used), opts=child)

        reranked = {"reranker": settings["reranker"]} if settings["reranker"] else {}
        usage = rag_usage(
            parsed.id if (parsed := parse(generator)) else generator,
            settings["embedder"],
            settings["query_usage"],
            store=settings["store"],
            **reranked,
            **kind.usage,
        )
        register_usage(name, usage, tags=tags, parent=self)

        self.query_url, self.query_invoke_arn, self.api_name = query.query_url, query.invoke_arn, query.api_name
        self.documents_bucket = documents.bucket_name
        self.store_endpoint = self.collection_endpoint = store.endpoint
        self.index_name = store.index_name
        self.ledger_table, self.dead_letter_queue_url = ledger.table_name, ingestion.dead_letter_url
        self.region = region_for(self)
        register(self)
