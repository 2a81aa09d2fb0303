"""Supervised fine-tuning with LoRA, QLoRA or on all weights: TRL's trainer, inside the training image's contract."""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tandem_contract.errors import TandemError, Unavailable
from tandem_contract.names import Variable

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.sample import by_digest, digest, gradable
from tandem.finetuning.share import Share
from tandem.finetuning.share import share as share_of
from tandem.measures import metrics

from . import checkpoints, external, models, ranks, trained_model
from .conversations import IGNORED, Tokenized, check_askable, tokenize
from .layout import TANDEM_JSON, Interrupted, Layout, Refused, Say, say, write_json
from .place import place
from .ranks import Ranks

if TYPE_CHECKING:
    from .progress import Padding

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "peft", "trl", "safetensors")
SHORTEST = 2  # tokens of a row: the first, and one to predict
OUT_OF_MEMORY = "can't allocate memory"  # torch's words for the machine's; the GPU's has a class


@dataclass(frozen=True)
class _Run:
    """What is trained, and this rank's part of it."""

    layout: Layout
    recipe: Mapping[str, Any]
    identity: Mapping[str, Any]
    share: Share
    padding: "Padding"
    ranks: Ranks
    gpu: bool


def train(layout: Layout) -> None:
    """Train as the recipe says, as one rank of all, and have rank 0 write the model.

    Raises `Refused`, or `Interrupted` after SIGTERM.
    """
    recipe = layout.recipe()
    manifest, splits = layout.dataset()
    identity = {"manifest_digest": manifest["digest"], "recipe_digest": recipes.digest(recipe)}
    check_format(recipe)
    if trainer := os.environ.get(external.VARIABLE):
        here = place(layout)
        external.check(splits, trainer, models.gpus(), len(here.hosts))
        return external.train(layout, recipe, identity, trainer, here.number == 0)
    models.settle()
    models.need(PACKAGES)
    from .progress import Progress, Stop

    stop = Stop()
    ranks.end_with_parent()
    models.use_processors()
    gpu = models.gpus() > 0
    all_ranks = ranks.join(gpu)
    share = _share(recipe, all_ranks.world)
    data = "the hosts were given different inputs; start the run again"
    all_ranks.same("data set", identity["manifest_digest"], data)
    all_ranks.same("recipe", identity["recipe_digest"], data)
    base = layout.base(recipe["base_model"])
    config = models.load_config(base)
    _check_length(recipe["max_sequence_tokens"], models.context_tokens(config))
    tokenizer = models.load_tokenizer(base, _say(all_ranks))
    limit = recipe["max_sequence_tokens"]
    rows = tokenize("train", splits["train"], tokenizer, limit)
    asked = recipe["evaluation"]
    validation = tokenize("validation", by_digest(splits["validation"]), tokenizer, limit, asked["max_rows"])
    # The evaluation leaves rows out; here nothing has been paid for yet.
    served = recipes.served_tokens(recipe, models.context_tokens(config))
    check_askable(gradable(splits["test"]), tokenizer, served, asked["max_new_tokens"])
    if all_ranks.is_first:
        _report(rows, validation, limit)
    resume = _resume(layout, identity, all_ranks)
    padding = _padding(len(rows.rows), share, all_ranks.world)
    run = _Run(layout, recipe, identity, share, padding, all_ranks, gpu)
    model = trained_model.prepare(base, recipe, config, gpu, all_ranks)
    done = checkpoints.step(resume) if resume else 0
    progress = Progress(layout.checkpoints / "metrics.jsonl", stop, done, all_ranks)
    trainer = _trainer(run, model, tokenizer, rows.rows, validation.rows, progress)
    steps, tokens = _run(trainer, resume, progress, recipe)
    peak = max(all_ranks.all(models.peak_gb()))
    weights = trained_model.gathered(model, all_ranks)
    ranks.leave()
    if not all_ranks.is_first:
        return None
    say("Writing the model")
    trained_model.write(model, weights, tokenizer, recipe, base, config, layout.model)
    about = {**identity, "base_model": recipe["base_model"], "method": recipe["method"], "steps": steps}
    about |= {"tokens": tokens, "rows": len(rows.used), "rows_left_out": rows.too_long}
    about |= {"validation_loss": progress.validation_loss, "validation_rows": len(validation.used)}
    about |= {"validation_sample": digest(validation.used), "hosts": list(all_ranks.hosts)}
    about |= {"world_size": all_ranks.world, "batch_size": share.rows, "gradient_accumulation": share.accumulation}
    write_json(
        layout.model / TANDEM_JSON,
        about | {"sharding": "fsdp2" if all_ranks.world > 1 else None, "peak_gpu_gb": peak or None},
    )
    say(f"Done: {steps} steps, {tokens} tokens")
    return None


def _say(all_ranks: Ranks) -> Say:
    """Lines of which one for all ranks is enough."""
    return say if all_ranks.is_first else lambda _line: None


def _share(recipe: Mapping[str, Any], world: int) -> Share:
    try:
        return share_of(recipe, world)
    except TandemError as error:
        raise Refused(f"{str(error)[0].upper()}{str(error)[1:]}.") from error


def _resume(layout: Layout, identity: Mapping[str, Any], all_ranks: Ranks) -> Path | None:
    """The newest checkpoint that every host has whole; what isn't whole is removed."""
    mine = None
    if all_ranks.is_first_of_host:
        found = checkpoints.newest(layout.checkpoints, identity, say)
        mine = (found.name if found else "", *checkpoints.newest_part(layout.checkpoints, all_ranks.host))
    names, parts, marks = zip(*filter(None, all_ranks.all(mine)), strict=True)
    there = ", ".join(f"{host}: {name or 'none'}" for host, name in zip(all_ranks.hosts, names, strict=True))
    if len(set(names)) > 1:
        raise Unavailable(f"The hosts have different whole checkpoints ({there}): start again, with the same for all.")
    newer = checkpoints.step(Path(parts[0])) > checkpoints.step(Path(names[0]))
    if len(parts) > 1 and len(set(parts)) == 1 and any(marks) and newer:
        raise Refused(
            f"{parts[0]} lies in parts, each host having its own alone: copy that folder of each host to all of them, "
            "or give them one folder, and start again. (On SageMaker that comes by itself.)"
        )
    if all_ranks.is_first_of_host:
        checkpoints.clear(layout.checkpoints)
    all_ranks.wait()
    return layout.checkpoints / names[0] if names[0] else None


def check_format(recipe: Mapping[str, Any]) -> None:
    """Refuse now what would only fail in the evaluation, after the training is paid for."""
    if form := recipe["evaluation"]["format"]:
        try:
            metrics.check_format(form)
        except TandemError as error:
            raise Refused(f"The recipe's evaluation.{error}") from error


def _check_length(asked: int, context: int | None) -> None:
    if context is not None and asked > context:
        raise Refused(
            f"max_sequence_tokens is {asked} and the base model takes {context}: set it to {context} or less, or "
            "choose a base model with a longer context."
        )


def _report(rows: Tokenized, validation: Tokenized, limit: int) -> None:
    for split, found in (("", rows), ("validation ", validation)):
        if found.too_long:
            say(f"{found.too_long} {split}rows have more than {limit} tokens and are left out (max_sequence_tokens)")
    if rows.divided:
        say(f"{rows.divided} rows: the chat template rewrites earlier turns, so each answer is learned by itself")
    longest = max(len(row["input_ids"]) for row in rows.rows)
    say(f"{len(rows.rows)} sequences, the longest of {longest} tokens")


def _trainer(
    run: _Run, model: Any, tokenizer: Any, train: Sequence[Any], validation: Sequence[Any], progress: Any
) -> Any:
    import datasets
    import torch
    from transformers import PrinterCallback
    from trl import SFTConfig

    from .tracking import tracker
    from .trainer import Order, Trainer

    recipe, padding = run.recipe, run.padding
    order = functools.partial(Order, len(train), padding, recipe["seed"])
    nothing = {"input_ids": [tokenizer.eos_token_id] * SHORTEST, "labels": [IGNORED] * SHORTEST}
    arguments = SFTConfig(
        output_dir=str(run.layout.checkpoints),
        run_name=os.environ.get(Variable.RUN),
        max_steps=recipe["max_steps"] or -1,
        num_train_epochs=recipe["epochs"],
        per_device_train_batch_size=run.share.rows,
        per_device_eval_batch_size=1,  # so that the mean over rows doesn't depend on how they are shared out
        gradient_accumulation_steps=run.share.accumulation,
        # Slower by a third and needed where memory is short, which on processors it is not.
        gradient_checkpointing=run.gpu,
        use_cpu=not run.gpu,
        bf16=models.precision() is torch.bfloat16,
        learning_rate=recipe["learning_rate"],
        warmup_steps=recipe["warmup_ratio"],  # below 1 it is a share of the steps
        weight_decay=recipe["weight_decay"],
        seed=recipe["seed"],
        save_strategy="steps",
        save_steps=recipe["checkpoint_steps"],
        eval_strategy="steps" if validation else "no",
        eval_steps=recipe["checkpoint_steps"],
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        disable_tqdm=True,
        report_to=[],  # by callbacks of our own
        max_length=None,  # rows that are too long are gone already
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=run.gpu,
    )
    trainer = Trainer(
        run.ranks,
        order,
        run.identity,
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_list([*train, *[nothing] * padding.rows]),
        eval_dataset=datasets.Dataset.from_list(list(validation)) if validation else None,
        processing_class=tokenizer,
        callbacks=[progress, *(tracker(say) if run.ranks.is_first else [])],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _padding(rows: int, share: Share, world: int) -> "Padding":
    """Rows without loss, as many as the last batches of the ranks lack."""
    from .progress import Padding

    count = -rows % (share.rows * world) if world > 1 else 0
    return Padding(count, -(-rows // (share.rows * share.accumulation * world)))


def _run(trainer: Any, resume: Path | None, progress: Any, recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Train to the end, or say from where it goes on; steps and tokens of all attempts together."""
    import torch
    from transformers import TrainerState

    if resume:
        say(f"Going on from {resume.name}")
        state = TrainerState.load_from_json(str(resume / "trainer_state.json"))
        losses = (line["eval_loss"] for line in reversed(state.log_history) if "eval_loss" in line)
        progress.validation_loss = next(losses, None)
        if state.global_step >= state.max_steps:  # ended before the model was written
            trainer.restore(resume)
            return state.global_step, int(state.num_input_tokens_seen)
    stop = progress.stop
    stop.training = True
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and OUT_OF_MEMORY not in str(error):
            raise
        raise Refused(_too_little_memory(recipe)) from error
    finally:
        stop.training = False
    state = trainer.state
    if stop.asked and not state.global_step:
        raise Interrupted("Interrupted before the first step was done.")
    if stop.asked and state.global_step < state.max_steps:
        raise Interrupted(
            f"Interrupted after step {state.global_step} of {state.max_steps}. Its checkpoint is kept: another attempt "
            "goes on from it."
        )
    return state.global_step, int(state.num_input_tokens_seen)


def _too_little_memory(recipe: Mapping[str, Any]) -> str:
    rows = recipe["batch_size"]
    smaller = f"batch_size {rows // 2} with gradient_accumulation {recipe['gradient_accumulation'] * 2}"
    remedy = f"set {smaller}, which learns the same" if rows > 1 else "lower max_sequence_tokens"
    return (
        f"Not enough memory for batch_size {rows} at up to {recipe['max_sequence_tokens']} tokens a row: {remedy}, use "
        "method qlora, or take a larger instance (`tandem finetune check` sizes it)."
    )
