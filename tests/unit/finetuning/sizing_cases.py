"""Published peaks of GPU memory that the sizing is held against; `python -m tests.unit.finetuning.sizing_cases` prints
the tables of docs/sizing-measurements.md.
"""

from dataclasses import replace
from typing import NamedTuple

from tandem.finetuning.backends.base_models import MODELS
from tandem.finetuning.backends.shapes import ModelShape
from tandem.finetuning.backends.sizing import GB, MemoryEstimate, TrainingFootprint, estimate

MIB, GIB = 2**20 / GB, 2**30 / GB
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL = "all-linear"

MODELS = {
    "Llama-2-7B": ModelShape.of(32, 4096, 11_008, 32, 32, 32_000, 4096),
    "Llama-2-70B": ModelShape.of(80, 8192, 28_672, 64, 8, 32_000, 4096),
    "Llama-3-8B": MODELS["meta-llama/Llama-3.1-8B"].shape,
    "Llama-3.2-1B-Instruct": MODELS["meta-llama/Llama-3.2-1B"].shape,
    "Llama-3.2-3B-Instruct": MODELS["meta-llama/Llama-3.2-3B"].shape,
    "Mistral-7B-v0.1": ModelShape.of(32, 4096, 14_336, 32, 8, 32_000, 32_768),
    "Mistral-7B-Instruct-v0.3": MODELS["mistralai/Mistral-7B-v0.3"].shape,
    "PowerLM-3B": ModelShape.of(40, 2304, 9216, 36, 36, 49_152, 4096, tied=True),
    "Qwen2.5-1.5B-Instruct": MODELS["Qwen/Qwen2.5-1.5B"].shape,
    "Qwen2.5-7B-Instruct": MODELS["Qwen/Qwen2.5-7B"].shape,
    "Qwen2.5-Coder-1.5B-Instruct": MODELS["Qwen/Qwen2.5-1.5B"].shape,
    "SmolLM2-135M": MODELS["HuggingFaceTB/SmolLM2-135M"].shape,
    "SmolLM2-360M": MODELS["HuggingFaceTB/SmolLM2-360M"].shape,
    "SmolLM2-1.7B": MODELS["HuggingFaceTB/SmolLM2-1.7B"].shape,
    "TinyLlama-1.1B-Chat-v1.0": MODELS["TinyLlama/TinyLlama-1.1B-Chat-v1.0"].shape,
    "deepseek-coder-1.3b-instruct": ModelShape.of(24, 2048, 5504, 16, 16, 32_256, 16_384),
}

# What each program keeps, from its source and the resident memory that it reports.
WHOLE = TrainingFootprint(whole_logits=True)
KBIT = TrainingFootprint(hidden=4, other=4, double_quantization=False, whole_logits=True, head=4)
KBIT_AUTOCAST = TrainingFootprint(hidden=4, other=4, whole_logits=True)
TILES = TrainingFootprint()
TILES_16 = TrainingFootprint(adapter=2)
PURE_16 = TrainingFootprint(full=2, moments=4, step=2, cast=0, whole_logits=True)
PURE_16_TILES = replace(PURE_16, whole_logits=False)


class Case(NamedTuple):
    """One published measurement; GB allocated by PyTorch, and GB that the process takes of the GPU."""

    source: str
    model: str
    method: str
    batch: int
    tokens: int
    rank: int
    modules: tuple[str, ...] | str
    footprint: TrainingFootprint
    allocated: float | None
    total: float | None
    fitted: bool

    def estimate(self) -> MemoryEstimate:
        """What the sizing says; a context beyond the model's own, as two sources have it, is let through."""
        shape = MODELS[self.model]
        shape = replace(shape, context_tokens=max(shape.context_tokens, self.tokens))
        return estimate(
            shape, self.method, self.tokens, self.batch, rank=self.rank, modules=self.modules, footprint=self.footprint
        )

    def error(self) -> float:
        """Of the allocated memory where it is published, else of the total; 0.1 is 10 % too much."""
        found = self.estimate()
        if self.allocated is not None:
            return found.allocated / self.allocated - 1
        return found.total / (self.total or 0) - 1


# Session, model, method, batch, tokens, rank, MiB allocated, MiB of the process. Attention by SDPA, LoRA on attention.
T4 = (
    ("first", "Qwen2.5-1.5B-Instruct", "qlora", 2, 1024, 32, 6827.7, 7540.9),
    ("first", "Qwen2.5-1.5B-Instruct", "lora", 2, 1024, 32, 7401.8, 7906.9),
    ("first", "SmolLM2-1.7B", "qlora", 4, 1024, 32, 5281.3, 6080.9),
    ("first", "SmolLM2-1.7B", "lora", 4, 1024, 32, 6528.7, 7234.9),
    ("first", "SmolLM2-135M", "qlora", 1, 4096, 32, 3576.8, 3924.9),
    ("first", "SmolLM2-135M", "lora", 1, 4096, 32, 3148.1, 3424.9),
    ("first", "SmolLM2-135M", "qlora", 2, 512, 32, 1063.8, 1334.9),
    ("first", "SmolLM2-135M", "lora", 2, 512, 32, 1026.9, 1210.9),
    ("first", "SmolLM2-360M", "qlora", 1, 4096, 32, 4017.8, 4658.9),
    ("first", "SmolLM2-360M", "lora", 1, 4096, 32, 3754.8, 4052.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "qlora", 2, 1024, 32, 2531.6, 3036.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "lora", 2, 1024, 32, 3287.8, 3672.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "qlora", 2, 2048, 32, 3895.9, 4890.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "lora", 2, 2048, 32, 4354.1, 4836.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "qlora", 2, 512, 32, 1849.3, 2194.9),
    ("first", "TinyLlama-1.1B-Chat-v1.0", "lora", 2, 512, 32, 2756.2, 3020.9),
    ("second", "Qwen2.5-1.5B-Instruct", "qlora", 1, 2048, 32, 6831.2, 7744.9),
    ("second", "Qwen2.5-1.5B-Instruct", "lora", 1, 2048, 32, 7402.3, 7906.9),
    ("second", "SmolLM2-1.7B", "qlora", 1, 2048, 32, 3345.8, 3936.9),
    ("second", "SmolLM2-1.7B", "lora", 1, 2048, 32, 4977.0, 5538.9),
    ("second", "TinyLlama-1.1B-Chat-v1.0", "qlora", 1, 1024, 32, 1843.1, 2174.9),
    ("second", "TinyLlama-1.1B-Chat-v1.0", "qlora", 12, 1024, 32, 9371.7, 11398.9),
    ("second", "TinyLlama-1.1B-Chat-v1.0", "qlora", 4, 1024, 32, 3895.6, 5026.9),
    ("second", "TinyLlama-1.1B-Chat-v1.0", "qlora", 8, 1024, 32, 6631.7, 8178.9),
    ("final", "deepseek-coder-1.3b-instruct", "qlora", 1, 1024, 16, 1971.7, 2312.9),
    ("final", "Mistral-7B-Instruct-v0.3", "qlora", 1, 1024, 16, 6056.3, 6540.9),
    ("final", "Qwen2.5-Coder-1.5B-Instruct", "qlora", 1, 1024, 16, 4235.2, 5352.9),
    ("final", "Qwen2.5-7B-Instruct", "qlora", 1, 1024, 16, 10585.8, 12020.9),
    ("final", "Llama-3.2-3B-Instruct", "qlora", 1, 1024, 16, 5495.0, 6408.9),
    ("final", "Llama-3.2-1B-Instruct", "qlora", 1, 1024, 16, 3723.1, 4166.9),
)

# Model, method, batch, program, bytes allocated, MiB that nvidia-smi gives. Rows of 4,096 tokens, rank 16 on attention.
A100 = (
    ("Llama-3-8B", "full", 4, PURE_16_TILES, 80_318_097_408, 77_537),
    ("Llama-3-8B", "full", 8, PURE_16_TILES, 80_318_490_624, 79_881),
    ("Llama-3-8B", "lora", 4, TILES, 24_905_936_896, 25_465),
    ("Llama-3-8B", "lora", 8, TILES, 33_567_698_944, 34_681),
    ("Llama-3-8B", "lora", 16, TILES, 50_891_223_040, 53_115),
    ("Llama-3-8B", "qlora", 4, TILES, 14_411_297_792, 15_527),
    ("Llama-3-8B", "qlora", 8, TILES, 22_936_744_960, 24_359),
    ("Llama-3-8B", "qlora", 16, TILES, 39_987_639_296, 42_409),
    ("Llama-3-8B", "qlora", 32, TILES, 74_089_427_968, 78_505),
    ("Mistral-7B-v0.1", "full", 4, PURE_16, 72_971_724_288, 77_705),
    ("Mistral-7B-v0.1", "full", 8, PURE_16, 72_972_117_504, 74_383),
    ("Mistral-7B-v0.1", "lora", 4, WHOLE, 26_108_963_328, 29_731),
    ("Mistral-7B-v0.1", "lora", 8, WHOLE, 37_098_695_168, 43_195),
    ("Mistral-7B-v0.1", "qlora", 4, KBIT_AUTOCAST, 22_825_932_800, 27_023),
    ("Mistral-7B-v0.1", "qlora", 8, KBIT_AUTOCAST, 40_278_956_032, 47_145),
    ("Mistral-7B-v0.1", "qlora", 4, WHOLE, 15_860_019_712, 19_931),
    ("Mistral-7B-v0.1", "qlora", 8, WHOLE, 26_849_751_552, 34_355),
    ("Llama-2-70B", "qlora", 4, WHOLE, 68_159_977_472, 72_829),
    ("PowerLM-3B", "full", 4, PURE_16, 35_134_836_736, 47_683),
    ("PowerLM-3B", "full", 8, PURE_16, 47_059_390_976, 52_927),
    ("PowerLM-3B", "lora", 4, WHOLE, 20_193_463_808, 24_383),
    ("PowerLM-3B", "lora", 8, WHOLE, 33_176_473_088, 41_093),
    ("PowerLM-3B", "qlora", 4, KBIT_AUTOCAST, 18_174_161_920, 23_127),
    ("PowerLM-3B", "qlora", 8, KBIT_AUTOCAST, 34_177_070_080, 43_327),
    ("PowerLM-3B", "qlora", 4, WHOLE, 15_151_677_952, 19_379),
    ("PowerLM-3B", "qlora", 8, WHOLE, 28_134_687_232, 35_837),
)

# Tokens and GB, to the whole GB. LLaMA2-7B, QLoRA of rank 8 on all linear modules, one row, FlashAttention.
FACTORY = ((1024, 6), (2048, 7), (4096, 9), (8192, 12), (16_384, 19), (32_768, 32))


def _cases() -> list[Case]:
    found = [
        Case(
            "fitcheck",
            model,
            method,
            batch,
            tokens,
            rank,
            ATTENTION,
            KBIT if method == "qlora" else WHOLE,
            allocated * MIB,
            total * MIB,
            session == "first",
        )
        for session, model, method, batch, tokens, rank, allocated, total in T4
    ]
    found += [
        Case("fms", model, method, batch, 4096, 16, ATTENTION, footprint, size / GB, total * MIB, _first(model, batch))
        for model, method, batch, footprint, size, total in A100
    ]
    found += [
        Case("LLaMA-Factory", "Llama-2-7B", "qlora", 1, tokens, 8, ALL, WHOLE, None, float(total), False)
        for tokens, total in FACTORY
    ]
    return [*found, Case("torchtune", "Llama-3-8B", "qlora", 2, 2048, 8, ALL, TILES_16, 7.4 * GIB, None, False)]


def _first(model: str, batch: int) -> bool:
    return model == "Llama-3-8B" and batch <= 8


CASES = _cases()


def table() -> str:
    """The cases as Markdown."""
    lines = [
        "| source | model | method | rows x tokens | fitted | allocated | ours | error | total | ours | error |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        found = case.estimate()
        cells = [case.source, case.model, case.method, f"{case.batch} x {case.tokens}", "yes" if case.fitted else ""]
        for published, ours in ((case.allocated, found.allocated), (case.total, found.total)):
            if published is None:
                cells += ["", f"{ours:.2f}", ""]
            else:
                cells += [f"{published:.2f}", f"{ours:.2f}", f"{100 * (ours / published - 1):+.1f} %"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
