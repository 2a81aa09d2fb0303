"""The model that is trained: made ready, with its adapter and sharded where there are ranks, and written at the end."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tandem.finetuning import recipe as recipes

from . import models
from .layout import Refused
from .ranks import Ranks


def prepare(base: str, recipe: Mapping[str, Any], config: Any, gpu: bool, ranks: Ranks) -> Any:
    """The base model, ready to train by the recipe's method; of several ranks the first one reads it for all."""
    import torch
    from transformers import set_seed

    set_seed(recipe["seed"])  # before an adapter is made
    several, precision = ranks.world > 1, models.precision()
    if recipe["method"] == "qlora":
        # Each rank reads it: it is quantized on the way to the GPU. Not run on several GPUs.
        where = {"": torch.cuda.current_device() if gpu else 0}
        model = models.load_model(base, quantization_config=_quantization(gpu, several), device_map=where)
        model = _adapted(model, recipe)
    else:
        # Small updates get lost in 16 bits, so that weights that are trained have 32; mixed precision computes in 16.
        dtype = torch.float32 if recipe["method"] == "full" else precision
        if ranks.is_first:
            model = _adapted(models.load_model(base, dtype=dtype, stays=several), recipe)
        else:
            with torch.device("meta"):
                model = _adapted(models.empty_model(config, dtype), recipe)
    if several:
        from . import sharding

        device = torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
        mixed = recipe["method"] == "full" and precision is not torch.float32
        sharding.shard(model, ranks, device, precision if mixed else None)
    return model


def _quantization(gpu: bool, several: bool) -> Any:
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
        # As a type that can be sharded with the rest (bitsandbytes' documentation, "FSDP-QLoRA").
        bnb_4bit_quant_storage=models.precision() if several else None,
    )


def _adapted(model: Any, recipe: Mapping[str, Any]) -> Any:
    """The model with its adapter, if the method has one; raises `Refused` for modules that the model doesn't have."""
    lora = recipe["lora"]
    if lora is None:
        return model
    from peft import LoraConfig, get_peft_model

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
        _check_tied(model, modules, recipe["base_model"])
    configuration = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=modules,
    )
    return get_peft_model(model, configuration)


def _check_tied(model: Any, modules: list[str], base: str) -> None:
    """Refuse an adapter on weights that are embeddings and head at once.

    peft adds it to the one as it merges, and so to the other, which wasn't trained with it; it only warns
    (`BaseTuner._check_merge_allowed`).
    """
    if not getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        return
    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    names = [name for name, module in model.named_modules() if any(module is table for table in tables)]
    if shared := [wanted for wanted in modules if any(f".{name}".endswith(f".{wanted}") for name in names)]:
        raise Refused(
            f"lora.modules {', '.join(shared)}: embeddings and head of {base} are the same weights, so that the "
            "adapter, merged into one, would change the other. Leave it out."
        )


def gathered(model: Any, ranks: Ranks) -> dict[str, Any] | None:
    """The trained weights on rank 0, from all ranks; None where the model has them itself. Asked by all ranks."""
    if ranks.world == 1:
        return None
    from . import sharding

    return sharding.gathered(model)


def write(
    model: Any,
    weights: dict[str, Any] | None,
    tokenizer: Any,
    recipe: Mapping[str, Any],
    base: str,
    config: Any,
    folder: Path,
) -> None:
    """The tuned model by itself, and for LoRA the adapter beside it. `weights` are the trained ones, if gathered."""
    import torch

    shutil.rmtree(folder)
    folder.mkdir()
    if recipe["lora"]:
        from peft import PeftModel

        model.peft_config["default"].base_model_name_or_path = recipe["base_model"]
        model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False, state_dict=weights)
        if recipe["method"] == "qlora" or weights is not None:
            # Merged into 4 bits the adapter would be rounded away, and of a sharded base this rank has a part: it is
            # read again, beside the GPU.
            dtype = models.precision() if recipe["method"] == "qlora" else model.dtype
            plain = models.load_model(base, dtype=dtype, stays=True)
            model = PeftModel.from_pretrained(plain, str(folder / "adapter"))
        model, weights = model.merge_and_unload(), None
    if model.dtype is torch.float32 and config.dtype is not None:  # on processors, and for full: back to 16 bits
        if weights is None:
            model = model.to(config.dtype)
        else:
            weights = {name: each.to(config.dtype) for name, each in weights.items()}
    if weights is not None and getattr(config.get_text_config(), "tie_word_embeddings", False):
        tied = set(getattr(model, "_tied_weights_keys", None) or ())  # gathered, they are copies
        weights = {name: each for name, each in weights.items() if name not in tied}
    model.save_pretrained(str(folder), state_dict=weights)
    tokenizer.save_pretrained(str(folder))
