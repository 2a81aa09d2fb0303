"""Usage assumptions, kept in an SSM parameter: the part of an environment's cost that no resource says."""

import math
from collections.abc import Mapping
from typing import Any

from .fields import Field, Table

HOURS_A_MONTH = 730
SECONDS_AN_HOUR = 3600
USAGE_PARAMETER = "/usage"
"""How the parameter's name ends."""
QUERY_MEMORY_MEGABYTES = 1024
"""Of the query function."""


def _amount(default: float, help: str) -> Field:
    return Field(default, help, low=0.0, high=math.inf)


QUERY_USAGE = Table(
    "QueryUsage",
    "What a RAG environment is assumed to hold, and a question to take; for its cost alone.",
    {
        "documents_gigabytes": _amount(1, "Documents in the bucket."),
        "index_gigabytes": _amount(1, "The index in a store that is serverless; a domain bills the disks that it has."),
        "ledger_gigabytes": _amount(0.1, "The table of what is indexed, and its backup."),
        "log_gigabytes": _amount(1, "Logs that are kept."),
        "question_tokens": _amount(30, "Tokens of a question."),
        "prompt_tokens": _amount(
            1300, "Tokens of instructions and passages beside it: five chunks of 200 and what is around them."
        ),
        "answer_tokens": _amount(150, "Tokens of an answer."),
        "query_seconds": _amount(2, "Time that the query function runs for an answer."),
    },
)
RUN_USAGE = Table(
    "RunUsage",
    "What a fine-tuning environment is assumed to hold, and a run to take; for its cost alone.",
    {
        "datasets_gigabytes": _amount(1, "Data sets in the bucket."),
        "artifacts_gigabytes": _amount(20, "Runs, checkpoints, models and base models in the bucket."),
        "images_gigabytes": _amount(0, "Images of your own in the repository."),
        "log_gigabytes": _amount(0.1, "Logs that are kept."),
        "training_hours": _amount(1, "Time that a run trains."),
        "evaluation_hours": _amount(0.25, "Time that its evaluation takes."),
    },
)


def rag_usage(generator: str, embedder: str, assumed: Mapping[str, float], **more: Any) -> dict[str, Any]:
    """The parameter's content for a RAG environment."""
    models = {"generator": generator, "embedder": embedder, "memory_megabytes": QUERY_MEMORY_MEGABYTES}
    return {"kind": "rag", **models, "assumed": dict(assumed), **more}


def finetuning_usage(envelope: Mapping[str, Any], assumed: Mapping[str, float]) -> dict[str, Any]:
    """The parameter's content for a fine-tuning environment."""
    return {"kind": "finetuning", "envelope": dict(envelope), "assumed": dict(assumed)}
