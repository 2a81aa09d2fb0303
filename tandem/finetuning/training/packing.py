"""Short rows of a micro batch in one sequence: less padding, and the same steps, since each row sees itself alone.

Transformers keeps attention within a row by its positions, which start anew, where no attention mask is given
(`masking_utils.find_packed_sequence_indices`). A model with another memory than attention doesn't. Imports torch.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule

from .conversations import IGNORED

ROUNDED = 0.1
"""Of what a text changes where it is seen, what it may change where it isn't: experts see other rows' tokens beside a
row's, and round differently."""
PIECE = 8  # tokens of a row that `allows` asks about


def sequences(lengths: Sequence[int]) -> list[list[int]]:
    """Which rows share a sequence: the longest first, each where it fits first, and none longer than the longest."""
    most, found, free = max(lengths), [], []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        at = next((at for at, room in enumerate(free) if room >= lengths[row]), None)
        if at is None:
            at = len(found)
            found.append([])
            free.append(most)
        found[at].append(row)
        free[at] -= lengths[row]
    return found


class Packed:
    """Collates rows of `input_ids` and `labels`, two tokens or more each."""

    def __init__(self, padding: int) -> None:
        """`padding` is the token that fills sequences up."""
        self._padding = padding

    def __call__(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, torch.Tensor]:
        """As few sequences as the rows take, with filling at position 0; rows without a loss go, but for one."""
        rows = [row for row in rows if any(label != IGNORED for label in row["labels"])] or rows[:1]
        lengths = [len(row["input_ids"]) for row in rows]
        shared = sequences(lengths)
        shape = (len(shared), max(lengths))
        ids, labels = torch.full(shape, self._padding), torch.full(shape, IGNORED)
        positions = torch.zeros(shape, dtype=torch.long)
        for sequence, members in enumerate(shared):
            begin = 0
            for row in members:
                place = (sequence, slice(begin, begin + lengths[row]))
                ids[place] = torch.tensor(rows[row]["input_ids"])
                labels[place] = torch.tensor(rows[row]["labels"])
                labels[sequence, begin] = IGNORED  # the row before would have to foretell it
                positions[place] = torch.arange(lengths[row])
                begin += lengths[row]
        return {"input_ids": ids, "labels": labels, "position_ids": positions}


def seen(positions: torch.Tensor) -> torch.Tensor:
    """Which tokens of a packed batch are of rows, as an attention mask would say.

    Filling is at 0, and a row's first token, which is too, has a second one behind it.
    """
    following = torch.nn.functional.pad(positions[:, 1:], (0, 1))
    return ((positions > 0) | (following == 1)).long()


@torch.no_grad()
def allows(model: nn.Module, vocabulary: int, device: torch.device) -> bool:
    """Whether a row that follows another in its sequence is read as if it weren't there; asked of the model itself.

    By all ranks together, where it is sharded.
    """
    row = torch.arange(PIECE) % vocabulary
    texts = torch.stack([torch.cat([other, row]) for other in (row, row.flip(0).roll(1))]).to(device)
    one, two = torch.arange(2 * PIECE), torch.arange(PIECE).repeat(2)
    training = model.training
    model.eval()
    try:
        whole, apart = (
            model(input_ids=texts, position_ids=positions.expand(2, -1).to(device), use_cache=False).logits.float()
            for positions in (one, two)
        )
    except TypeError:  # it takes no positions
        return False
    finally:
        model.train(training)
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
    changed, mixed = ((logits[0] - logits[1])[PIECE:].abs().max() for logits in (whole, apart))
    return bool(mixed <= ROUNDED * changed)
