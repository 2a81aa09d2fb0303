"""What keys of other trainers' recipes are called here: Axolotl's, LLaMA-Factory's, and those that both have of TRL's.

docs/recipes/foreign.md has this table (`python -m tandem.finetuning.foreign_recipes` prints it).
"""

from collections.abc import Mapping

# By the key here, or what becomes of it: the keys elsewhere.
CALLED = {
    "base_model": ("model_name_or_path", "model_name", "base_model_config"),
    "max_sequence_tokens": ("sequence_len", "cutoff_len", "max_seq_length", "max_length", "model_max_length"),
    "epochs": ("num_epochs", "num_train_epochs"),
    "batch_size": ("micro_batch_size", "per_device_train_batch_size", "train_batch_size"),
    "gradient_accumulation": ("gradient_accumulation_steps",),
    "checkpoint_steps": ("save_steps", "eval_steps", "saves_per_epoch"),
    "lora.rank": ("lora_r", "lora_rank", "r"),
    "lora.alpha": ("lora_alpha",),
    "lora.dropout": ("lora_dropout",),
    "lora.modules": ("lora_target_modules", "lora_target", "lora_target_linear", "target_modules"),
    "method": ("adapter", "finetuning_type", "load_in_4bit", "quantization_bit", "full_finetuning"),
    "evaluation.max_new_tokens": ("max_new_tokens", "eval_max_new_tokens"),
    "evaluation.max_rows": ("max_eval_samples",),
}
ELSEWHERE = {
    "The share of the steps is `warmup_ratio` here.": ("warmup_steps",),
    "The data set is named by --data; rows are read and divided by `tandem dataset import`.": (
        *("datasets", "dataset", "dataset_dir", "test_datasets", "eval_dataset", "val_set_size", "val_size"),
        *("max_samples", "shuffle_merged_datasets", "dataset_prepared_path"),
    ),
    "Leave it out: the loss is on the assistant's messages, and a message's `weight` says which.": (
        *("train_on_inputs", "train_on_prompt", "roles_to_train", "train_on_eos", "mask_history"),
        *("assistant_only_loss", "completion_only_loss"),
    ),
    "Leave it out: the base model's own template is used.": ("chat_template", "template", "chat_template_jinja"),
    "Leave it out: short rows share a sequence by themselves, and none is cut.": (
        "sample_packing",
        "packing",
        "pad_to_sequence_len",
    ),
    "Leave it out: only supervised fine-tuning is done here.": ("stage", "rl", "do_train", "do_eval", "do_predict"),
    "Leave it out: it is chosen by what the hardware has (docs/training-image.md).": (
        *("bf16", "fp16", "tf32", "gradient_checkpointing", "flash_attention", "flash_attn", "attn_implementation"),
        *("load_in_8bit", "torch_dtype", "deepspeed", "fsdp", "fsdp_config", "ddp_timeout"),
        *("per_device_eval_batch_size", "eval_batch_size", "dataloader_num_workers", "preprocessing_num_workers"),
    ),
    "Leave it out: AdamW with a linear rate is used.": ("optimizer", "optim", "lr_scheduler", "lr_scheduler_type"),
    "Leave it out: the run has its own places, log and tracking.": (
        *("output_dir", "overwrite_output_dir", "logging_steps", "report_to", "plot_loss", "run_name", "hub_model_id"),
        *("wandb_project", "mlflow_tracking_uri", "save_total_limit", "save_strategy", "eval_strategy"),
        *("evals_per_epoch", "resume_from_checkpoint", "auto_resume_from_checkpoints"),
    ),
    "Leave it out: the base model's own is used.": (
        *("model_type", "tokenizer_type", "tokenizer_config", "special_tokens", "trust_remote_code"),
    ),
}


def _remedies() -> Mapping[str, str]:
    found = {key: f"It is `{here}` here." for here, keys in CALLED.items() for key in keys}
    return found | {key: remedy for remedy, keys in ELSEWHERE.items() for key in keys}


REMEDIES = _remedies()
"""By a key elsewhere: a sentence."""


def table() -> str:
    """Both tables as one of Markdown."""
    rows = [(f"`{here}`", keys) for here, keys in CALLED.items()] + [*ELSEWHERE.items()]
    lines = [f"| {', '.join(f'`{key}`' for key in keys)} | {here} |" for here, keys in rows]
    return "\n".join(["| elsewhere | here |", "| --- | --- |", *lines]) + "\n"


if __name__ == "__main__":
    print(table(), end="")
