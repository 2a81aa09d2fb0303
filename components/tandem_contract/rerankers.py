"""Rerank models that Tandem supports, and what is known of each."""

from typing import NamedTuple

from .checks import Checks, shown


class Reranker(NamedTuple):
    """What a rerank model can do."""

    regions: tuple[str, ...]
    """Where Bedrock has it (user guide, "Supported Regions and models for reranking", read 2026-11)."""
    texts_per_call: int
    """Most documents of a request (Bedrock's API reference, `Rerank`, sources)."""
    gain: str = "not measured"
    """What it does for the ranking."""


RERANKERS = {
    "cohere.rerank-v3-5:0": Reranker(
        ("us-east-1", "us-west-2", "ca-central-1", "eu-central-1", "ap-northeast-1"), 1000
    ),
    "amazon.rerank-v1:0": Reranker(("us-west-2", "ca-central-1", "eu-central-1", "ap-northeast-1"), 1000),
}
"""Those of Bedrock, by model id."""


def check_reranker(checks: Checks, reranker: str, region: str) -> None:
    """Checks that Bedrock has a reranker of `RERANKERS` in the region; one that isn't known is not refused."""
    known = RERANKERS.get(reranker)
    if known and region and region not in known.regions:
        here = [model for model, it in RERANKERS.items() if region in it.regions]
        others = f"choose {' or '.join(here)}, or " if here else ""
        remedy = f"Remove it, {others}deploy to one of these regions."
        checks.add("reranker", f"{shown(reranker)} is not in {region}, but in {', '.join(known.regions)}", remedy)
