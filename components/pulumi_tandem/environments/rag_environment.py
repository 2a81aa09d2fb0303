"""Retrieval-augmented generation, whole."""

import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi

from ..foundation.bedrock import EMBEDDERS
from ..foundation.data_bucket import DataBucket
from ..foundation.mistakes import InvalidArguments, Mistake, among, outside, unknown_arguments
from ..foundation.rest_endpoint import Auth
from ..foundation.retention import Retention
from ..foundation.tags import environment_tags
from ..foundation.usage import register_usage, usage_mistakes
from ..rag.domain_vector_store import DomainVectorStore, DomainVectorStoreArgs
from ..rag.ingestion_pipeline import IngestionPipeline, IngestionPipelineArgs
from ..rag.ledger import Ledger
from ..rag.query_api import MEMORY_MEGABYTES, QueryApi, QueryApiArgs
from ..rag.serverless_vector_store import ServerlessVectorStore, ServerlessVectorStoreArgs
from ..rag.vector_store import StoreKind, VectorStore, VectorStoreArgs


class QueryUsage(TypedDict):
    """What a RAG environment is assumed to hold, and a question to take; for its cost alone."""

    documents_gigabytes: NotRequired[float]
    """Documents in the bucket; 1 by default."""
    index_gigabytes: NotRequired[float]
    """The index; 1 by default. A domain's is on the disks of its instances."""
    ledger_gigabytes: NotRequired[float]
    """The table of what is indexed; 0.1 by default."""
    log_gigabytes: NotRequired[float]
    """Logs that are kept; 1 by default."""
    question_tokens: NotRequired[float]
    """Tokens of a question; 30 by default."""
    prompt_tokens: NotRequired[float]
    """Tokens of instructions and passages beside it; 1,300 by default: five chunks of 200 and what is around them."""
    answer_tokens: NotRequired[float]
    """Tokens of an answer; 150 by default."""
    query_seconds: NotRequired[float]
    """Time that the query function runs for an answer; 2 by default."""


QUERY_USAGE: dict[str, float] = {
    "documents_gigabytes": 1,
    "index_gigabytes": 1,
    "ledger_gigabytes": 0.1,
    "log_gigabytes": 1,
    "question_tokens": 30,
    "prompt_tokens": 1300,
    "answer_tokens": 150,
    "query_seconds": 2,
}


class RagEnvironmentArgs(TypedDict):
    """Arguments of `RagEnvironment`; every one has a default."""

    embedder: NotRequired[str]
    """Bedrock embedding model; `amazon.titan-embed-text-v2:0` by default ($0.02 per million tokens). A change makes a
    new index version; the active one answers until the new one is promoted."""
    dimensions: NotRequired[int]
    """Length of an embedding: 256, 512 (default) or 1024 for Titan v2, 1024 for Cohere v3. Storage and search cost
    grow with it."""
    chunk_tokens: NotRequired[int]
    """Length of a chunk, 50 to 2,000 tokens (512 with Cohere v3); 200 by default."""
    chunk_overlap: NotRequired[int]
    """Tokens that a chunk repeats of the one before; 40 by default, under half of `chunk_tokens`."""
    generator: NotRequired[str]
    """Bedrock model id, inference profile id or ARN that writes the answers; `amazon.nova-lite-v1:0` by default."""
    endpoint_name: NotRequired[pulumi.Input[str]]
    """SageMaker endpoint of a tuned model that writes the answers; while it can't, `generator` does."""
    inference_component: NotRequired[pulumi.Input[str]]
    """The endpoint's inference component, where it has one: where it scales to zero."""
    min_score: NotRequired[float]
    """Cosine similarity, 0 to 1, below which a question is refused as not in the documents; 0.4 by default."""
    max_document_megabytes: NotRequired[int]
    """Larger documents are rejected, 1 to 100 MB; 25 by default."""
    sweep_minutes: NotRequired[int]
    """How often bucket, ledger and index are compared, 5 to 1,440 minutes; 15 by default."""
    store: NotRequired[StoreKind]
    """Where chunks and embeddings are kept: `serverless` (default) scales to zero, and wakes in 10 to 30 seconds;
    `domain` bills all month, and is never asleep. A change makes the other store, empty, and lets the sweep fill it:
    until then questions are refused."""
    max_search_ocu: NotRequired[int]
    """Ceiling of `serverless` in OpenSearch compute units for search and for indexing each, 1 to 96; 2 by default. One
    costs about $0.24 an hour while it runs; idle, none runs."""
    store_instance: NotRequired[str]
    """OpenSearch instance type of `domain`; `r7g.medium.search` by default ($65 a month, and in its memory some 900,000
    chunks of 512 dimensions)."""
    store_instances: NotRequired[int]
    """How many instances `domain` has, 1 to 9; 1 by default. From three on it stays up when a zone fails."""
    store_gigabytes: NotRequired[int]
    """Disk of each instance of `domain`, 10 to 1,024 GB; 20 by default ($2.44 a month)."""
    auth: NotRequired[Auth]
    """Who may ask: `iam` (default, SigV4) or `jwt` (tokens of a Cognito user pool)."""
    user_pool_arn: NotRequired[pulumi.Input[str]]
    """The Cognito user pool whose tokens are accepted; needed with `jwt`."""
    retention: NotRequired[Retention]
    """What destroy does to documents, ledger and index: `keep` (default) refuses, `erase` deletes them."""
    query_usage: NotRequired[QueryUsage]
    """Assumptions that `tandem cost` counts with."""
    alarm_topic_arn: NotRequired[pulumi.Input[str]]
    """SNS topic that alarms notify; without it they are only visible in CloudWatch."""
    tags: NotRequired[dict[str, str]]
    """Cost-allocation tags on everything that takes tags; `tandem:environment` is set in any case."""


STORE_ARGUMENTS = {
    StoreKind.SERVERLESS: ("max_search_ocu",),
    StoreKind.DOMAIN: ("store_instance", "store_instances", "store_gigabytes"),
}
DEFAULTS: dict[str, Any] = {
    "embedder": "amazon.titan-embed-text-v2:0",
    "dimensions": 512,
    "chunk_tokens": 200,
    "chunk_overlap": 40,
    "generator": "amazon.nova-lite-v1:0",
    "endpoint_name": "",
    "inference_component": "",
    "min_score": 0.4,
    "max_document_megabytes": 25,
    "sweep_minutes": 15,
    "store": "serverless",
    "max_search_ocu": 2,
    "store_instance": "r7g.medium.search",
    "store_instances": 1,
    "store_gigabytes": 20,
    "auth": "iam",
    "user_pool_arn": "",
    "retention": "keep",
    "query_usage": {},
    "alarm_topic_arn": None,
    "tags": {},
}


def rag_mistakes(given: Mapping[str, Any]) -> list[Mistake]:
    """Every argument that can't be used, in the order of the arguments; empty if all can."""
    args: dict[str, Any] = {**DEFAULTS, **given}
    embedder, dimensions = args["embedder"], args["dimensions"]
    mistakes = unknown_arguments(given, DEFAULTS)
    longest = 2000
    if embedder not in EMBEDDERS:
        remedy = "Choose one of these, or open an issue for another."
        mistakes.append(Mistake("embedder", embedder, ", ".join(EMBEDDERS), remedy))
    else:
        longest = min(longest, EMBEDDERS[embedder].max_tokens)
    if embedder in EMBEDDERS and dimensions not in EMBEDDERS[embedder].dimensions:
        allowed = " or ".join(map(str, EMBEDDERS[embedder].dimensions))
        mistakes.append(Mistake("dimensions", dimensions, allowed, f"{embedder} gives no other length."))
    sized = outside("chunk_tokens", args["chunk_tokens"], 50, longest, "tokens", "200 suits most embedders.")
    mistakes += sized
    if not sized:
        under_half = int(args["chunk_tokens"]) // 2 - 1
        remedy = "Half of chunk_tokens or more would index every text twice."
        mistakes += outside("chunk_overlap", args["chunk_overlap"], 0, under_half, "tokens", remedy)
    if "." not in str(args["generator"]):
        remedy = "For example amazon.nova-lite-v1:0."
        mistakes.append(
            Mistake("generator", args["generator"], "a Bedrock model id, inference profile id or ARN", remedy)
        )
    mistakes += outside("min_score", args["min_score"], 0.0, 1.0, "cosine similarity", "0.4 is a good start.")
    mistakes += outside(
        "max_document_megabytes", args["max_document_megabytes"], 1, 100, "MB", "Split larger documents."
    )
    mistakes += outside("sweep_minutes", args["sweep_minutes"], 5, 1440, "minutes", "15 repairs soon enough for most.")
    mistakes += _store_mistakes(args)
    mistakes += among("auth", args["auth"], Auth) + among("retention", args["retention"], Retention)
    mistakes += usage_mistakes("query_usage", args["query_usage"], QUERY_USAGE)
    pool = args["user_pool_arn"]  # an output can't be looked into
    if args["auth"] == Auth.JWT.value and isinstance(pool, str) and ":userpool/" not in pool:
        remedy = "Give the ARN of the pool whose tokens are accepted, or set auth to iam."
        mistakes.append(Mistake("user_pool_arn", pool, "the ARN of a Cognito user pool", remedy))
    if args["auth"] == Auth.IAM.value and pool != "":
        remedy = "Remove it, or set auth to jwt."
        mistakes.append(Mistake("user_pool_arn", pool, "nothing when auth is iam", remedy))
    return mistakes


def _store_mistakes(args: Mapping[str, Any]) -> list[Mistake]:
    mistakes = among("store", args["store"], StoreKind)
    others = [] if mistakes else [kind for kind in StoreKind if kind != args["store"]]
    mistakes += outside("max_search_ocu", args["max_search_ocu"], 1, 96, "compute units", "2 is the usual start.")
    if not re.fullmatch(r"[a-z0-9]+\.[a-z0-9]+\.search", str(args["store_instance"])):
        remedy = "For example r7g.medium.search."
        mistakes.append(Mistake("store_instance", args["store_instance"], "an OpenSearch instance type", remedy))
    mistakes += outside("store_instances", args["store_instances"], 1, 9, "instances", "3 stay up when a zone fails.")
    mistakes += outside("store_gigabytes", args["store_gigabytes"], 10, 1024, "GB", "20 is the usual start.")
    for other in others:
        for key in STORE_ARGUMENTS[other]:
            if args[key] != DEFAULTS[key]:  # which a stack's configuration has of every argument
                allowed = f"its default, {DEFAULTS[key]}, unless store is {other.value}"
                mistakes.append(Mistake(key, args[key], allowed, f"Remove it, or set store to {other.value}."))
    return mistakes


class RagEnvironment(pulumi.ComponentResource):
    """A service that answers questions from documents: put them into a bucket, ask at a URL, get cited answers.

    Composes a documents bucket, a ledger, a `ServerlessVectorStore` or `DomainVectorStore`, an `IngestionPipeline` and
    a `QueryApi`. Idle cost: about $0.50 a month beyond the free tier (alarms; storage of the documents and the index
    comes on top). With `store: domain` also its instances and disks: $67.41 for one r7g.medium.search (730 hours of
    $0.089) with 20 GB (of $0.122).
    Raises `InvalidArguments`, with every mistake, before anything is registered.
    """

    query_url: pulumi.Output[str]
    """URL to post questions to."""
    query_invoke_arn: pulumi.Output[str]
    """ARN for the `execute-api:Invoke` permission of who may ask."""
    documents_bucket: pulumi.Output[str]
    """Name of the bucket for the documents."""
    collection_endpoint: pulumi.Output[str]
    """URL of the vector store."""
    index_name: pulumi.Output[str]
    """Index of the configured embedder, dimension and chunking."""
    ledger_table: pulumi.Output[str]
    """Name of the table that records what is indexed."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue of documents that were given up."""

    def __init__(self, name: str, args: RagEnvironmentArgs, opts: pulumi.ResourceOptions | None = None):
        if mistakes := rag_mistakes(args):
            raise InvalidArguments(f"RagEnvironment {name!r}", mistakes)
        super().__init__("tandem:index:RagEnvironment", name, {}, opts)
        settings: dict[str, Any] = {**DEFAULTS, **args}
        # Numbers arrive as floats from programs in other languages (pulumi/pulumi#21944).
        settings |= {key: int(settings[key]) for key, default in DEFAULTS.items() if type(default) is int}
        retention, child = Retention(settings["retention"]), pulumi.ResourceOptions(parent=self)
        tags = environment_tags(name, settings["tags"])
        shared: dict = {"tags": tags}
        if settings["alarm_topic_arn"]:
            shared["alarm_topic_arn"] = settings["alarm_topic_arn"]

        documents = DataBucket(f"{name}-documents", {"retention": retention, "tags": tags}, opts=child)
        ledger = Ledger(f"{name}-ledger", {"retention": retention, "tags": tags}, opts=child)
        stored: VectorStoreArgs = {
            "embedder": settings["embedder"],
            "dimensions": settings["dimensions"],
            "chunk_tokens": settings["chunk_tokens"],
            "chunk_overlap": settings["chunk_overlap"],
            "retention": retention,
            "tags": tags,
        }
        store: VectorStore
        if settings["store"] == StoreKind.DOMAIN:
            domain: DomainVectorStoreArgs = {
                **stored,
                "instance": settings["store_instance"],
                "instances": settings["store_instances"],
                "gigabytes": settings["store_gigabytes"],
            }
            store = DomainVectorStore(name, ledger, domain, opts=child)
        else:
            serverless: ServerlessVectorStoreArgs = {**stored, "max_search_ocu": settings["max_search_ocu"]}
            store = ServerlessVectorStore(name, ledger, serverless, opts=child)
        ingestion_args: IngestionPipelineArgs = {
            "max_document_megabytes": settings["max_document_megabytes"],
            "sweep_minutes": settings["sweep_minutes"],
            **shared,
        }
        ingestion = IngestionPipeline(f"{name}-ingestion", documents, ledger, store, ingestion_args, opts=child)
        query_args: QueryApiArgs = {
            "generator": settings["generator"],
            "min_score": float(settings["min_score"]),
            "auth": Auth(settings["auth"]),
            **shared,
        }
        if settings["endpoint_name"] != "":
            query_args["endpoint_name"] = settings["endpoint_name"]
        if settings["inference_component"] != "":
            query_args["inference_component"] = settings["inference_component"]
        if settings["user_pool_arn"] != "":
            query_args["user_pool_arn"] = settings["user_pool_arn"]
        query = QueryApi(f"{name}-query", ledger, store, query_args, opts=child)

        usage = {
            "kind": "rag",
            "store": StoreKind(settings["store"]).value,
            "embedder": settings["embedder"],
            "generator": settings["generator"],
            "memory_megabytes": MEMORY_MEGABYTES,
            "assumed": {**QUERY_USAGE, **settings["query_usage"]},
        }
        register_usage(name, usage, tags=tags, parent=self)

        self.query_url, self.query_invoke_arn, self.api_name = query.query_url, query.invoke_arn, query.api_name
        self.documents_bucket = documents.bucket_name
        self.collection_endpoint, self.index_name = store.endpoint, store.index_name
        self.ledger_table, self.dead_letter_queue_url = ledger.table_name, ingestion.dead_letter_url
        self.register_outputs(
            {
                "queryUrl": self.query_url,
                "queryInvokeArn": self.query_invoke_arn,
                "documentsBucket": self.documents_bucket,
                "collectionEndpoint": self.collection_endpoint,
                "indexName": self.index_name,
                "ledgerTable": self.ledger_table,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
            }
        )
