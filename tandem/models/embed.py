"""Embedding models: the protocol, and opening one by its id."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Protocol

from tandem_contract.model_url import is_model_url, split_model_url

from tandem.runtime.retry import Deadline

PARALLEL_CALLS = 8


class Embedder(Protocol):
    """One embedding model. Embeddings have length 1, so that the order by distance is the order by cosine."""

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        """Embed texts to be found. Raises `Unavailable` when there is no answer before the deadline, or `Refused`."""
        ...

    def query(self, text: str, deadline: Deadline) -> list[float]:
        """Embed a question. Raises as `documents`."""
        ...


def open_embedder(embedder: str, dimensions: int, client: Callable[[str], Any], secret_arn: str = "") -> Embedder:
    """A supported embedder (`tandem_contract.embedders`) by its id in Bedrock or its `https://host/v1#MODEL`.

    `client` makes the AWS client of a service; `secret_arn` names the secret with the URL's key, if it wants one.
    Raises `TandemError` if that can't be read.
    """
    # Each is imported where it is used: the query function starts with what it needs.
    if not is_model_url(embedder):
        from .bedrock import BedrockEmbedder

        return BedrockEmbedder(client("bedrock-runtime"), embedder, dimensions)
    from tandem.runtime.secret import api_key

    from .openai import OpenAiApi, OpenAiEmbedder

    url, model = split_model_url(embedder)
    key = api_key(client("secretsmanager"), secret_arn) if secret_arn else None
    return OpenAiEmbedder(OpenAiApi(url, key), model, dimensions)


def in_batches(
    texts: Sequence[str], step: int, embed: Callable[[Sequence[str]], list[list[float]]]
) -> list[list[float]]:
    """Embed so many texts a call, a few calls at a time, in order."""
    batches = [texts[at : at + step] for at in range(0, len(texts), step)]
    if len(batches) < 2:
        return [vector for batch in batches for vector in embed(batch)]
    with ThreadPoolExecutor(PARALLEL_CALLS) as pool:
        return list(chain.from_iterable(pool.map(embed, batches)))


def normalised(vector: Sequence[float]) -> list[float]:
    """Scale to length 1; eight decimals are finer than the single precision that the index keeps."""
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [round(value / length, 8) for value in vector]
