"""Models and tokenizers: loading them, with each way it fails as a sentence; what they run on and what they hold."""

import importlib
import importlib.util
import json
import math
import os
import socket
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError, Unavailable

from tandem.finetuning.dataset.settled import settled
from tandem.finetuning.dataset.template import CHATML

from .layout import Refused, Say

GIB = 2**30
TOO_MANY, SERVER_ERROR = 429, 500  # HTTP


def need(packages: Iterable[str]) -> None:
    """Raise `Refused` naming every package that this image lacks."""
    missing = []
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            missing.append(f"{package} ({error})")
    if missing:
        raise Refused(
            f"This image lacks {', '.join(missing)}: use an image with tandem/finetuning/training/requirements.lock "
            "installed, see docs/training-image.md."
        )


def settle() -> None:
    """Leave the log to our own lines, and processors to others while we wait. Called before torch is imported."""
    # Threads that spin while they wait gain a tenth on an idle machine and lose three quarters on a shared one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns, and waits, when the process forks
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Names of options change between versions that both work here.
    warnings.filterwarnings("ignore", category=FutureWarning)


def use_processors() -> None:
    """As many threads as this process may use, unless `OMP_NUM_THREADS` says otherwise."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def gpus() -> int:
    """How many GPUs there are, as torch says, or without it the driver."""
    if importlib.util.find_spec("torch") is None:
        driver = Path("/proc/driver/nvidia/gpus")
        return len(list(driver.iterdir())) if driver.is_dir() else 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def peak_gb() -> float:
    """The most of its GPU's memory, in 10^9 bytes, that tensors of this process took at once; 0 without a GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0


def precision() -> Any:
    """The type that weights are loaded and computed in: bfloat16 where the hardware computes in it, else 32 bits."""
    import torch

    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # torch 2.9, the default image's, doesn't tell.
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


def load_config(model: str) -> Any:
    """The model's configuration."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        text = f"The model {model} has no configuration that can be read: {first_line(error)} {_WHERE}"
        raise _unless_away(error, text) from error


def _unless_away(error: BaseException | None, text: str) -> TandemError:
    """A refusal; where the hub failed, throttled or was lost, what another attempt may mend.

    A hub whose name isn't known, as where there is no way to it, isn't lost.
    """
    lost = False
    while error is not None:
        if isinstance(error, socket.gaierror):
            return Refused(text)
        status = getattr(getattr(error, "response", None), "status_code", 0)
        lost = lost or status == TOO_MANY or status >= SERVER_ERROR or isinstance(error, _lost())
        error = error.__cause__ or error.__context__
    return Unavailable(text) if lost else Refused(text)


def _lost() -> tuple[type[BaseException], ...]:
    """What a lost connection raises: Python's, and of the two HTTP clients that the hub's library has had."""
    found = [ConnectionError, TimeoutError]
    for module, names in {"httpx": ["TransportError"], "requests": ["ConnectionError", "Timeout"]}.items():
        loaded = sys.modules.get(module)
        found += [getattr(loaded, name) for name in names if loaded]
    return tuple(found)


_WHERE = (
    "Without a way to the Hugging Face hub, upload the model under models/ in the artifact bucket and name that "
    "prefix; a gated model needs tandem:hubTokenSecret, a secret with a token of who accepted its licence."
)


def context_tokens(config: Any) -> int | None:
    """How many tokens the model takes, where its configuration says so."""
    text = config.get_text_config()
    return getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)


def load_tokenizer(model: str, say: Say) -> Any:
    """The model's tokenizer, with a settled chat template and a padding token; says so if it lacked the template."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except Exception as error:  # the libraries raise no common class here
        text = f"The tokenizer of {model} doesn't load: {first_line(error)} Its files lie beside config.json."
        raise _unless_away(error, text) from error
    if tokenizer.eos_token is None:
        raise Refused(f"The tokenizer of {model} has no end-of-sequence token: set eos_token in tokenizer_config.json.")
    if not tokenizer.chat_template:
        say("The base model's tokenizer has no chat template: a plain ChatML one is used, and saved with the model")
        tokenizer.chat_template = CHATML
    try:
        own = tokenizer.chat_template
        tokenizer.chat_template = (
            {name: settled(each) for name, each in own.items()} if isinstance(own, dict) else settled(own)
        )
    except TandemError as error:
        raise Refused(f"The tokenizer of {model} can't be used: {error}.") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(model: str, *, stays: bool = False, **options: Any) -> Any:
    """The model's weights, from safetensors only, in main memory unless `device_map` says otherwise.

    Raises `Refused` when they don't load, or don't fit: onto the GPU, where there is one, unless the model `stays`.
    """
    import torch
    from transformers import AutoModelForCausalLM

    options = {"dtype": precision(), "use_safetensors": True} | options
    if "quantization_config" not in options:
        check_memory(model, options["dtype"].itemsize, on_gpu=not stays)
    try:
        return AutoModelForCausalLM.from_pretrained(model, **options)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise Refused(
            f"The model {model} doesn't fit into memory: {first_line(error)} Take a larger instance."
        ) from error
    except Exception as error:  # safetensors, JSON, missing tensors, unknown architectures: no common class
        raise _unless_away(error, f"The model {model} doesn't load: {first_line(error)}") from error


def empty_model(config: Any, dtype: Any) -> Any:
    """A model of that configuration, whose weights come from elsewhere."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(config, dtype=dtype)


def check_memory(model: str, bytes_each: int, *, on_gpu: bool) -> None:
    """Raise `Refused` if the weights alone don't fit where they go: the kernel would end the process without a word.

    `on_gpu` counts where there is one.
    """
    import psutil
    import torch

    parameters = parameter_count(model)
    if on_gpu and torch.cuda.is_available():
        free, where = torch.cuda.mem_get_info()[0], "the GPU"
    else:
        free, where = psutil.virtual_memory().available, "the machine"
    if parameters and (needed := parameters * bytes_each) > free:
        raise Refused(
            f"Not enough memory: the weights of {model} take {needed / GIB:.1f} GiB at {bytes_each} bytes a parameter "
            f"and {where} has {free / GIB:.1f} GiB free. Take a larger instance (`tandem finetune check` sizes it) or "
            "method qlora, which needs a quarter of it."
        )


def parameter_count(model: str) -> int | None:
    """How many parameters a folder's safetensors files have, read from their headers; None for a hub id."""
    files = sorted(Path(model).glob("*.safetensors")) if Path(model).is_dir() else []
    return sum(map(_parameters, files)) if files else None


def _parameters(file: Path) -> int:
    try:
        with file.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            header = json.loads(content.read(length))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        count = sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
        whole = 8 + length + max(ends, default=0)
    except (OSError, ValueError, KeyError, MemoryError, OverflowError) as error:
        raise Refused(f"{file.name} is not a safetensors file ({first_line(error)}): upload it again.") from error
    if file.stat().st_size != whole:
        raise Refused(
            f"{file.name} is not whole: it has {file.stat().st_size} bytes, its header says {whole}. Upload it again."
        )
    return count


def first_line(error: BaseException) -> str:
    """An error's first line, as a sentence."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line if line.endswith((".", "!", "?")) else f"{line}."
