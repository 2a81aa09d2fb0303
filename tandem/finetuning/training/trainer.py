"""TRL's trainer on one rank or on many, with the same rows in each step and checkpoints that any number can go on from.

Imports trl.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.distributed import checkpoint as shards
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.tensor import DTensor
from torch.utils.data import Sampler
from trl import SFTTrainer

from . import checkpoints, packing, sharding
from .conversations import IGNORED
from .layout import Refused, lacks_room, say
from .progress import Ended, Padding
from .ranks import Ranks

SCHEDULER, STATE = "scheduler.pt", "trainer_state.json"


class Order(Sampler[int]):
    """The rows of each epoch in an order of its own, the same on every rank, and rows that say nothing at its end."""

    def __init__(self, rows: int, padding: Padding, seed: int, step: Callable[[], int]) -> None:
        """`step` says how many were done when an epoch begins, or is gone on with."""
        self._rows, self._padding, self._seed, self._step = rows, padding, seed, step

    def __len__(self) -> int:
        return self._rows + self._padding.rows

    def __iter__(self) -> Iterator[int]:
        draw = torch.Generator().manual_seed(self._seed + self._step() // self._padding.steps)
        yield from torch.randperm(self._rows, generator=draw).tolist()
        yield from range(self._rows, len(self))


class Trainer(SFTTrainer):
    """`SFTTrainer` for a model that is as it is to be trained: adapted, and sharded where there are several ranks."""

    def __init__(
        self, ranks: Ranks, order: Callable[[Callable[[], int]], Order], identity: Mapping[str, Any], **options: Any
    ) -> None:
        """`order` is that of the training rows; checkpoints are marked with `identity`.

        Raises `RuntimeError` if there are several ranks and the model isn't sharded.
        """
        self._ranks, self._order, self._identity, self._validates = ranks, order, identity, False
        if ranks.world > 1:
            sharding.check(options["model"])
        super().__init__(**options)
        # The loss is divided by all tokens of the step; up to transformers 5.3 gradients are divided once more, unless
        # this says that there is nothing to accumulate.
        self.accelerator.gradient_accumulation_steps = 1
        if self.args.per_device_train_batch_size > 1:
            self._pack()
        # For evaluation it doesn't wrap the model into copies for each rank, and nothing else is different.
        self.accelerator.prepare_model = functools.partial(self.accelerator.prepare_model, evaluation_mode=True)

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:  # noqa: ARG002 - as the base class has it
        return self._order(lambda: self.state.global_step)

    def _pack(self) -> None:
        with self.accelerator.autocast():
            allowed = packing.allows(self.model, self.model.config.get_text_config().vocab_size, self.args.device)
        if allowed:
            self.data_collator = packing.Packed(self.processing_class.pad_token_id)
        if self._ranks.is_first:
            kept = "Short rows share a sequence" if allowed else "Rows are padded: in this model they would mix"
            say(f"{kept} ({self.args.per_device_train_batch_size} rows at once)")

    def _track_num_input_tokens(self, inputs: Mapping[str, Any]) -> None:
        """Of rows that say something: how many others there are depends on the ranks."""
        says = (inputs["labels"] != IGNORED).any(-1, keepdim=True)
        seen = inputs["attention_mask"] if "attention_mask" in inputs else packing.seen(inputs["position_ids"])
        super()._track_num_input_tokens({**inputs, "attention_mask": seen * says})

    def prediction_step(self, *arguments: Any, **options: Any) -> Any:
        """One row of validation."""
        self._validates = True
        try:
            return super().prediction_step(*arguments, **options)
        finally:
            self._validates = False

    def _get_num_items_in_batch(self, batch_samples: Any, device: Any) -> Any:
        # In validation each row counts alike; up to transformers 5.3 those that ranks have at once would share a mean.
        return None if self._validates else super()._get_num_items_in_batch(batch_samples, device)

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """The loss on validation; nothing where all ranks have been told to end meanwhile."""
        try:
            return super().evaluate(*arguments, **options)
        except Ended:
            return {}

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        # Up to torch 2.9 such a tensor's `item` is what this rank alone would say.
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002 - as the base class has it
        ranks, step = self._ranks, self.state.global_step
        folder = Path(self.args.output_dir) / f"{checkpoints.PREFIX}{step}"
        folder.mkdir(exist_ok=True)
        weights, states = get_state_dict(self.model, self.optimizer.optimizer, options=sharding.TRAINED)
        try:
            shards.save({"model": weights, "optimizer": states}, checkpoint_id=folder)
            self._save_rng_state(str(folder))
            if ranks.is_first:
                torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER)
                self.state.save_to_json(str(folder / STATE))
        except (OSError, RuntimeError, CheckpointException) as error:
            raise _disk(error, ranks, folder) from error
        ranks.wait()
        if ranks.is_first_of_host:
            written = (file.name for file in folder.iterdir() if not checkpoints.is_mark(file.name))
            checkpoints.mark_host(folder, ranks.host, written)
        ranks.wait()
        if ranks.is_first:
            checkpoints.mark(folder, self._identity, ranks.hosts, ranks.world)
            say(f"Step {step}: checkpoint saved")
        if ranks.is_first_of_host:
            checkpoints.rotate(folder.parent)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Nothing yet: weights and states come together, once there is an optimizer."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        self.restore(Path(checkpoint))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER, weights_only=True))

    def restore(self, folder: Path) -> None:
        """Take weights and optimizer states from a checkpoint, of however many ranks it is."""
        if self.optimizer is None:
            self.create_optimizer()
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        weights, states = get_state_dict(self.model, optimizer, options=sharding.TRAINED)
        state = {"model": weights, "optimizer": states}
        shards.load(state, checkpoint_id=folder)
        set_state_dict(
            self.model,
            optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=sharding.StateDictOptions(ignore_frozen_params=True, strict=False),
        )


def _disk(error: Exception, ranks: Ranks, folder: Path) -> Exception:
    """A full disk as a refusal: another attempt would fill it again."""
    causes = list(error.failures.items()) if isinstance(error, CheckpointException) else [(ranks.rank, (error,))]
    for rank, (cause, *_) in causes:
        if lacks_room(cause):
            return Refused(
                f"There is no room for {folder.name} on the disk of rank {rank}: raise tandem:volumeGb "
                "(`tandem finetune check` sizes checkpoints), or shrink what is trained."
            )
    return error
