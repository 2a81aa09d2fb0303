"""Configuration keys that functions read: each is told to its function by an environment variable."""

from . import defaults
from .fields import Field

QUERY_SETTINGS = {
    "generator": Field(
        "",
        "Bedrock model id, inference profile id or ARN that writes the answers; in a hybrid, while the tuned model "
        f"can't. By default {defaults.GENERATOR}, or where that isn't served on demand its profile of the region's "
        "geography.",
        variable="TANDEM_GENERATOR",
    ),
    "endpoint_name": Field(
        "",
        "SageMaker endpoint of a tuned model that writes the answers; while it can't, `generator` does.",
        output=True,
        config=False,
        variable="TANDEM_ENDPOINT",
    ),
    "inference_component": Field(
        "",
        "The endpoint's inference component, where it has one: where it scales to zero.",
        output=True,
        config=False,
        variable="TANDEM_INFERENCE_COMPONENT",
    ),
    "reranker": Field(
        "",
        "Bedrock model that puts the best 20 passages of a search into an order of its own.",
        cost="Cohere's costs $2 per 1,000 questions, Amazon's $1.",
        variable="TANDEM_RERANKER",
    ),
    "min_score": Field(
        0.4,
        "Cosine similarity below which a question is refused as not in the documents.",
        low=0.0,
        high=1.0,
        remedy="0.4 is a good start.",
        variable="TANDEM_MIN_SCORE",
    ),
}
"""Of the query function."""
INGEST_SETTINGS = {
    "max_document_megabytes": Field(
        25,
        "Larger documents are rejected.",
        low=1,
        high=100,
        unit="MB",
        remedy="Split larger documents.",
        variable="TANDEM_MAX_DOCUMENT_MB",
    )
}
"""Of the function that indexes documents."""
