"""How the rows of a step are shared out among ranks, so that a recipe trains the same on one GPU and on many.

The standard library and the contract alone, since training jobs carry this module.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError


class Share(NamedTuple):
    """What one rank does of each step."""

    rows: int
    """At once, `batch_size` at most."""
    accumulation: int
    """How often, before the weights change."""


def share(recipe: Mapping[str, Any], world: int) -> Share:
    """The share of each of `world` ranks in a step of `batch_size` x `gradient_accumulation` rows.

    Raises `TandemError` if they can't all have as many.
    """
    step = recipe["batch_size"] * recipe["gradient_accumulation"]
    if step % world:
        near = sorted({step // world * world, -(-step // world) * world} - {0})
        raise TandemError(
            f"A step of {step} rows (batch_size {recipe['batch_size']} x gradient_accumulation "
            f"{recipe['gradient_accumulation']}) can't be shared out equally among {world} GPUs: make it "
            f"{' or '.join(map(str, near))} rows, or take another number of GPUs."
        )
    own = step // world
    rows = next(count for count in range(min(recipe["batch_size"], own), 0, -1) if own % count == 0)
    return Share(rows, own // rows)
