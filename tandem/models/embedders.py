"""The embedder that a stack names: by its id in Bedrock, or by its URL."""

from collections.abc import Callable
from typing import Any

from tandem_contract.model_url import is_model_url, split_model_url

from .embed import Embedder


def open_embedder(embedder: str, dimensions: int, client: Callable[[str], Any], secret_arn: str = "") -> Embedder:
    """A supported embedder (`tandem_contract.embedders`) by its id in Bedrock or its `https://host/v1#MODEL`.

    `client` makes the AWS client of a service; `secret_arn` names the secret with the URL's key, if it wants one.
    Raises `TandemError` if that can't be read.
    """
    # Each is imported where it is used: the query function starts with what it needs.
    if not is_model_url(embedder):
        from .bedrock_embedder import BedrockEmbedder

        return BedrockEmbedder(client("bedrock-runtime"), embedder, dimensions)
    from tandem.runtime.secret import api_key

    from .openai import OpenAiApi, OpenAiEmbedder

    url, model = split_model_url(embedder)
    key = api_key(client("secretsmanager"), secret_arn) if secret_arn else None
    return OpenAiEmbedder(OpenAiApi(url, key), model, dimensions)
