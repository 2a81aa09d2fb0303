"""Trains several jobs' folders one after another in each rank, and says what this rank holds: its parts, and bytes.

In 32 bits whatever the processor can, so that runs are held against each other by their arithmetic alone. With
`--not-sharded` the model is left as it is.
"""

import json
import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch.distributed.tensor import DTensor

from tandem.finetuning.training import models, ranks, sharding
from tandem.finetuning.training.layout import Layout
from tandem.finetuning.training.train import train
from tandem.finetuning.training.trainer import Trainer


class Observed(Trainer):
    """Leaves what this rank holds in the job's folder, after the last step."""

    def train(self, *arguments, **options):
        result = super().train(*arguments, **options)
        weights = [each for each in self.model.parameters() if each.requires_grad]
        states = [each for state in self.optimizer.state.values() for each in state.values() if each.ndim]
        local = [each.to_local() if isinstance(each, DTensor) else each for each in [*weights, *states]]
        held = {
            "parts": all(isinstance(each, DTensor) for each in weights),
            "bytes": sum(each.numel() * each.element_size() for each in local),
        }
        root = Path(self.args.output_dir).parent
        (root / f"held-{torch.distributed.get_rank()}.json").write_text(json.dumps(held))
        return result


def main(folders: list[str]) -> None:
    all_ranks = ranks.join(gpu=False)
    with (
        patch.object(models, "precision", lambda: torch.float32),
        patch.object(ranks, "join", lambda _gpu: all_ranks),
        patch.object(ranks, "leave", lambda: None),
        patch("tandem.finetuning.training.trainer.Trainer", Observed),
    ):
        if "--not-sharded" in folders:
            folders.remove("--not-sharded")
            patch.object(sharding, "fully_shard", lambda *_, **__: None).start()
        for folder in folders:
            layout = Layout(Path(folder))
            if all_ranks.is_first:
                layout.prepare()
            all_ranks.wait()
            train(layout)
            all_ranks.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
