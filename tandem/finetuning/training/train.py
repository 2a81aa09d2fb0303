"""Supervised fine-tuning with LoRA, QLoRA or on all weights: TRL's trainer, inside the training image's contract."""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError
from tandem_contract.names import Variable

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.sample import by_digest, digest, gradable
from tandem.measures import metrics

from . import checkpoints, external, models
from .conversations import Tokenized, check_askable, tokenize
from .layout import TANDEM_JSON, Interrupted, Layout, Refused, say, write_json

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "peft", "trl", "safetensors")
OUT_OF_MEMORY = "can't allocate memory"  # torch's words for the machine's; the GPU's has a class


def train(layout: Layout) -> None:
    """Train as the recipe says and write the model; raises `Refused`, or `Interrupted` after SIGTERM."""
    recipe = layout.recipe()
    manifest, splits = layout.dataset()
    identity = {"manifest_digest": manifest["digest"], "recipe_digest": recipes.digest(recipe)}
    check_format(recipe)
    if trainer := os.environ.get(external.VARIABLE):
        external.check(splits, trainer)
        return external.train(layout, recipe, identity, trainer)
    models.settle()
    models.need(PACKAGES)
    from .progress import Progress, Stop

    stop = Stop()
    models.use_processors()
    gpu = models.on_gpu()
    base = layout.base(recipe["base_model"])
    config = models.load_config(base)
    _check_length(recipe["max_sequence_tokens"], models.context_tokens(config))
    tokenizer = models.load_tokenizer(base, say)
    limit = recipe["max_sequence_tokens"]
    rows = tokenize("train", splits["train"], tokenizer, limit)
    asked = recipe["evaluation"]
    validation = tokenize("validation", by_digest(splits["validation"]), tokenizer, limit, asked["max_rows"])
    # The evaluation leaves rows out; here nothing has been paid for yet.
    check_askable(gradable(splits["test"]), tokenizer, models.context_tokens(config), asked["max_new_tokens"])
    _report(rows, validation, limit)
    resume = checkpoints.newest(layout.checkpoints, identity, say)
    done = checkpoints.step(resume) if resume else 0
    model = _load(base, recipe, gpu)
    progress = Progress(layout.checkpoints / "metrics.jsonl", identity, stop, done)
    trainer = _trainer(model, tokenizer, recipe, (rows, validation), layout.checkpoints, progress, gpu)
    steps, tokens = _run(trainer, resume, stop, recipe)
    say("Writing the model")
    _write(trainer.model, tokenizer, recipe, base, config, layout.model)
    about = {**identity, "base_model": recipe["base_model"], "method": recipe["method"], "steps": steps}
    about |= {"tokens": tokens, "rows": len(rows.used), "rows_left_out": rows.too_long}
    about |= {"validation_loss": progress.validation_loss, "validation_rows": len(validation.used)}
    write_json(layout.model / TANDEM_JSON, about | {"validation_sample": digest(validation.used)})
    say(f"Done: {steps} steps, {tokens} tokens")


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


def _load(base: str, recipe: Mapping[str, Any], gpu: bool) -> Any:
    """The base model, ready to train by the recipe's method."""
    import torch

    if recipe["method"] == "qlora":
        return models.load_model(base, quantization_config=_quantization(gpu), device_map={"": 0})
    # Small updates get lost in 16 bits, so that weights that are trained have 32; mixed precision computes in 16.
    dtype = torch.float32 if recipe["method"] == "full" else models.precision()
    return models.load_model(base, dtype=dtype)


def _quantization(gpu: bool) -> Any:
    """4 bits as in the QLoRA paper: NF4 with double quantization."""
    if not gpu:
        raise Refused(
            "Method qlora needs an NVIDIA GPU and this machine has none: set `method: lora`, or run on a GPU instance."
        )
    try:
        import bitsandbytes  # noqa: F401 - transformers imports it
    except ImportError as error:
        raise Refused(
            f"Method qlora needs the package bitsandbytes, which this image lacks ({error}): `pip install "
            "bitsandbytes` in the image, or set `method: lora`."
        ) from error
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=models.precision(),
    )


def _adapter(model: Any, recipe: Mapping[str, Any]) -> Any:
    """The LoRA configuration, or None; raises `Refused` for modules that the model doesn't have."""
    lora = recipe["lora"]
    if lora is None:
        return None
    from peft import LoraConfig

    modules = lora["modules"]
    if modules != recipes.ALL_LINEAR:
        names = {
            name for name, module in model.named_modules() if hasattr(module, "weight") and module.weight.dim() == 2
        }
        unmatched = [wanted for wanted in modules if not any(f".{name}".endswith(f".{wanted}") for name in names)]
        if unmatched:
            there = sorted({name.rpartition(".")[2] for name in names})
            raise Refused(
                f"lora.modules {', '.join(unmatched)}: no layer of {recipe['base_model']} is called so. It has "
                f"{', '.join(there)}; or say {recipes.ALL_LINEAR}."
            )
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=modules,
    )


def _trainer(
    model: Any,
    tokenizer: Any,
    recipe: Mapping[str, Any],
    data: tuple[Tokenized, Tokenized],
    folder: Path,
    progress: Any,
    gpu: bool,
) -> Any:
    import datasets
    import torch
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    train_rows, validation_rows = (datasets.Dataset.from_list(split.rows) for split in data)
    arguments = SFTConfig(
        output_dir=str(folder),
        run_name=os.environ.get(Variable.RUN),
        max_steps=recipe["max_steps"] or -1,
        num_train_epochs=recipe["epochs"],
        per_device_train_batch_size=recipe["batch_size"],
        per_device_eval_batch_size=recipe["batch_size"],
        gradient_accumulation_steps=recipe["gradient_accumulation"],
        # Slower by a third and needed where memory is short, which on processors it is not.
        gradient_checkpointing=gpu,
        use_cpu=not gpu,
        bf16=models.precision() is torch.bfloat16,
        learning_rate=recipe["learning_rate"],
        warmup_steps=recipe["warmup_ratio"],  # below 1 it is a share of the steps
        weight_decay=recipe["weight_decay"],
        seed=recipe["seed"],
        save_strategy="steps",
        save_steps=recipe["checkpoint_steps"],
        save_total_limit=checkpoints.KEPT,
        eval_strategy="steps" if validation_rows else "no",
        eval_steps=recipe["checkpoint_steps"],
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        disable_tqdm=True,
        report_to=_trackers(),
        max_length=None,  # rows that are too long are gone already
        dataset_kwargs={"skip_prepare_dataset": True},
        dataloader_pin_memory=gpu,
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=train_rows,
        eval_dataset=validation_rows if len(validation_rows) else None,
        processing_class=tokenizer,
        peft_config=_adapter(model, recipe),
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _trackers() -> list[str]:
    tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not tracking:
        return []
    # An ARN is SageMaker's MLflow, which mlflow reaches through that plugin.
    needed = ["mlflow", "sagemaker_mlflow"] if tracking.startswith("arn:") else ["mlflow"]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        say(f"MLflow is set up and this image lacks {' and '.join(missing)}: metrics go to metrics.jsonl only")
        return []
    os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", "tandem")
    return ["mlflow"]


def _run(trainer: Any, resume: Path | None, stop: Any, recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Train to the end, or say from where it goes on; steps and tokens of all attempts together."""
    import torch
    from transformers import TrainerState

    if resume:
        say(f"Going on from {resume.name}")
        state = TrainerState.load_from_json(str(resume / "trainer_state.json"))
        if state.global_step >= state.max_steps:  # ended before the model was written
            trainer._load_from_checkpoint(str(resume))
            return state.global_step, state.num_input_tokens_seen
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
    if stop.asked and state.global_step < state.max_steps:
        raise Interrupted(
            f"Interrupted after step {state.global_step} of {state.max_steps}. Its checkpoint is kept: another attempt "
            "goes on from it."
        )
    return state.global_step, state.num_input_tokens_seen


def _too_little_memory(recipe: Mapping[str, Any]) -> str:
    rows = recipe["batch_size"]
    smaller = f"batch_size {rows // 2} with gradient_accumulation {recipe['gradient_accumulation'] * 2}"
    remedy = f"set {smaller}, which learns the same" if rows > 1 else "lower max_sequence_tokens"
    return (
        f"Not enough memory for batch_size {rows} at up to {recipe['max_sequence_tokens']} tokens a row: {remedy}, use "
        "method qlora, or take a larger instance (`tandem finetune check` sizes it)."
    )


def _write(model: Any, tokenizer: Any, recipe: Mapping[str, Any], base: str, config: Any, folder: Path) -> None:
    """The tuned model by itself, and for LoRA the adapter beside it."""
    import torch

    shutil.rmtree(folder)
    folder.mkdir()
    if recipe["lora"]:
        from peft import PeftModel

        model.peft_config["default"].base_model_name_or_path = recipe["base_model"]
        model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        if recipe["method"] == "qlora":
            # Merged into 4 bits the adapter would be rounded away: the base model is read again, beside the GPU.
            plain = models.load_model(base, device_map="cpu")
            model = PeftModel.from_pretrained(plain, str(folder / "adapter"))
        model = model.merge_and_unload()
    if model.dtype is torch.float32 and config.dtype is not None:  # on processors, and for full: back to 16 bits
        model = model.to(config.dtype)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
