"""What each rank of a run does of one optimizer step. The standard library alone, since training jobs carry it."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError


class Share(NamedTuple):
    """The part of a step that one rank does."""

    rows: int
    """At once: its micro batch."""
    accumulation: int
    """Micro batches in a step."""


def share(recipe: Mapping[str, Any], world: int) -> Share:
    """A rank's share of the rows of a step, `batch_size` x `gradient_accumulation`, which `world` ranks divide evenly.

    Its micro batch is the largest that divides the share and has at most `batch_size` rows, so that the same recipe
    makes the same steps on any number of ranks, and none holds more rows at once than one alone would. Raises
    `TandemError` where the ranks don't divide the step, with what would do.
    """
    batch, accumulation = recipe["batch_size"], recipe["gradient_accumulation"]
    step = batch * accumulation
    rows, left = divmod(step, world)
    if left:
        every = world // math.gcd(batch, world)
        near = [number for number in (accumulation // every * every, (accumulation // every + 1) * every) if number]
        raise TandemError(
            f"a step has {batch} x {accumulation} = {step} rows (batch_size x gradient_accumulation), which {world} "
            f"ranks, one a GPU, can't share evenly: set gradient_accumulation to {' or '.join(map(str, near))}, any "
            f"multiple of {every} does, or train on another number of GPUs"
        )
    most = max(number for number in range(1, min(batch, rows) + 1) if rows % number == 0)
    return Share(most, rows // most)
