"""Rerank models: the protocol, and opening one by its id."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tandem.runtime.retry import Deadline

from .bedrock_reranker import BedrockReranker


class Reranker(Protocol):
    """One rerank model."""

    def scores(self, question: str, texts: Sequence[str], deadline: Deadline) -> list[float]:
        """How well each text answers, in their order; higher is better. Raises `Unavailable` or `Refused`."""
        ...


def open_reranker(model_id: str, client: Callable[[str], Any]) -> Reranker:
    """A model of `tandem_contract.rerankers`; `client` makes the AWS client of a service."""
    return BedrockReranker(client("bedrock-runtime"), model_id)
