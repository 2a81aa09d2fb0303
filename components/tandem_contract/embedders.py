"""Embedding models that Tandem supports, and what is known of each."""

from typing import TYPE_CHECKING, NamedTuple

from .model_url import check_model_url, is_model_url

if TYPE_CHECKING:
    from .checks import Checks  # functions that embed check nothing


class Embedder(NamedTuple):
    """What an embedding model can do (Bedrock user guide, "Model parameters")."""

    dimensions: tuple[int, ...]
    """Lengths of the embeddings that it gives."""
    max_tokens: int
    """What it reads of a text."""
    texts_per_call: int
    min_score: float | None = None
    """Cosine below which a question's best passage doesn't answer it. It holds for this model alone: another one's
    cosines lie elsewhere. None where nobody has measured it (`tandem eval calibrate`)."""
    measured: str = ""
    """With which documents and questions, and when."""


UNMEASURED_MIN_SCORE = 0.4
"""A guess, for models whose own isn't measured."""
EMBEDDERS = {
    "amazon.titan-embed-text-v2:0": Embedder((256, 512, 1024), 8192, 1),
    "cohere.embed-english-v3": Embedder((1024,), 512, 96),
    "cohere.embed-multilingual-v3": Embedder((1024,), 512, 96),
}
"""Those of Bedrock, by model id. Any other is behind an OpenAI-compatible URL."""
MOST_DIMENSIONS = 4096


def min_score(embedder: str) -> float:
    """The cosine below which a question is refused, by the embedder of the index: its own, or a guess."""
    known = EMBEDDERS.get(embedder)
    return UNMEASURED_MIN_SCORE if known is None or known.min_score is None else known.min_score


def min_scores() -> str:
    """What `min_score` gives, in words."""
    measured = [f"{it.min_score} with {model} ({it.measured})" for model, it in EMBEDDERS.items() if it.min_score]
    unmeasured = [model for model, it in EMBEDDERS.items() if it.min_score is None]
    return "; ".join([*measured, f"{UNMEASURED_MIN_SCORE}, not measured, with {', '.join(unmeasured)} or a URL"])


def check_embedder(checks: "Checks", embedder: str, dimensions: int | None, chunk_tokens: int | None) -> None:
    """Checks an embedder, a model id or `https://host/v1#MODEL`, and what is asked of it; None isn't checked."""
    if is_model_url(embedder):
        check_model_url(checks, "embedder", embedder, "Put the key into a secret: embedder_secret_arn.")
        if dimensions is not None:
            checks.number("dimensions", dimensions, 1, MOST_DIMENSIONS)
        return
    remedy = "Choose one of these, or give https://host/v1#MODEL."
    if not checks.choice("embedder", embedder, EMBEDDERS, remedy):
        return
    known = EMBEDDERS[embedder]
    if dimensions not in (None, *known.dimensions):
        lengths = " or ".join(map(str, known.dimensions))
        checks.refuse("dimensions", dimensions, lengths, f"{embedder} gives no other length.")
    if chunk_tokens and chunk_tokens > known.max_tokens:
        longest = f"{known.max_tokens} at most with {embedder}"
        checks.refuse("chunk_tokens", chunk_tokens, longest, "200 suits most embedders.")
