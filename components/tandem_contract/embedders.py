"""Embedding models that Tandem supports, and what is known of each."""

from typing import NamedTuple


class Embedder(NamedTuple):
    """What an embedding model can do (Bedrock user guide, "Model parameters")."""

    dimensions: tuple[int, ...]
    """Lengths of the embeddings that it gives."""
    max_tokens: int
    """What it reads of a text."""
    texts_per_call: int
    gate: float | None = None
    """Cosine below which a passage answers nothing, as measured; None where nobody has measured it."""
    weights: tuple[float, float] | None = None
    """Of vectors and of words in a fused ranking, as measured; None where nobody has measured them."""


EMBEDDERS = {
    "amazon.titan-embed-text-v2:0": Embedder((256, 512, 1024), 8192, 1),
    "cohere.embed-english-v3": Embedder((1024,), 512, 96),
    "cohere.embed-multilingual-v3": Embedder((1024,), 512, 96),
}
