"""What a change does beside the bill, and nothing else says before `up`: what becomes of the index."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from .model import Change, Resource
from .preview import REPLACEMENTS

INVOCATION = "aws:lambda/invocation:Invocation"
STORES = ("aws:opensearch/serverlessCollection:ServerlessCollection", "aws:opensearch/domain:Domain")
IDENTITY = ("embedder", "dimensions", "chunk_tokens", "chunk_overlap")
"""What an index is made for, as the payload of the function that ensures it has it."""


def consequences(changes: Iterable[Change]) -> tuple[str, ...]:
    """A sentence for each index that is left behind, and for each that is deleted with its store."""
    changes = tuple(changes)
    return (*_left_behind(changes), *_emptied(changes))


def _left_behind(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        before, after = _payload(change.before), _payload(change.after)
        other = [key for key in IDENTITY if before.get(key) != after.get(key)]
        if "embedder" in before and "embedder" in after and before.get("endpoint") == after.get("endpoint") and other:
            values = ", ".join(f"{key} from {before.get(key)} to {after.get(key)}" for key in other)
            name = change.urn.rpartition("::")[2]
            yield (
                f"{name} ({values}) makes an index that stays empty. The one that is there goes on answering and being "
                "filled, as it is: nothing moves a stack to another index yet, short of making it anew."
            )


def _emptied(changes: Iterable[Change]) -> Iterator[str]:
    stores = [change for change in changes if _type(change) in STORES]
    if any(change.after for change in stores):
        for change in stores:
            if change.before and (change.after is None or change.op in REPLACEMENTS):
                yield (
                    f"{change.before.name} is deleted with its index, and the other store is empty: questions are "
                    "refused until the next sweep (sweepMinutes) has had every document indexed again."
                )


def _type(change: Change) -> str:
    side = change.after or change.before
    return side.type if side else ""


def _payload(side: Resource | None) -> dict[str, Any]:
    """What a function is called with, as far as the preview shows it."""
    if side is None or side.type != INVOCATION:
        return {}
    try:
        content = json.loads(side.inputs["input"])
    except (KeyError, TypeError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
