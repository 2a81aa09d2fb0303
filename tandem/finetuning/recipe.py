"""Recipes: what a person asks of a fine-tuning run, checked as a whole and completed with every default.

`check` needs the standard library alone, since functions and training jobs call it too; `load` reads YAML and needs
pyyaml.
"""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

BACKENDS = ("sagemaker", "openai", "together")
METHODS = ("lora", "qlora", "full")
METRICS = ("exact_match", "token_f1", "format_adherence")
ALL_LINEAR = "all-linear"
# A Hugging Face id or a managed service's model name, or a folder of the artifact bucket with a Hugging Face model.
MODEL = re.compile(r"[A-Za-z0-9][\w.:-]*(/[\w.:-]+)?")
OWN_MODEL = re.compile(r"models/[A-Za-z0-9][\w./-]*/")
SCIENTIFIC = re.compile(r"\d+(\.\d+)?[eE][+-]?\d+")

Raw = Mapping[str, Any]


class RecipeError(ValueError):
    """The recipe has mistakes; the text lists all of them: key, value, what is allowed, and the remedy."""

    def __init__(self, mistakes: Iterable["Mistake"]):
        self.mistakes = list(mistakes)
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"The recipe has {len(self.mistakes)} mistake(s):\n{lines}")


class Mistake(NamedTuple):
    """One entry that can't be used."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}. {self.remedy}"


class Field(NamedTuple):
    """A number of the recipe: its default, its limits (both allowed) and what to think of when choosing it."""

    default: float | None
    low: float
    high: float
    remedy: str

    def read(self, key: str, value: Any, mistakes: list[Mistake]) -> Any:
        """The value, or the default if there is none; whole limits ask for a whole number."""
        if value is None:
            return self.default
        if isinstance(value, str) and SCIENTIFIC.fullmatch(value):
            value = float(value)  # YAML reads 2e-4, without a point, as text
        whole = isinstance(self.low, int)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if number and self.low <= value <= self.high and (not whole or value == int(value)):
            return int(value) if whole else float(value)
        kind = "a whole number" if whole else "a number"
        problem = f"{value!r} is not allowed ({kind} from {self.low} to {self.high})"
        mistakes.append(Mistake(key, problem, self.remedy))
        return self.default


NUMBERS = {
    "max_sequence_tokens": Field(1024, 16, 1_048_576, "`tandem dataset check` prints how long the rows are."),
    "epochs": Field(3, 1, 100, "It counts passes over the training split; 1 to 5 are usual."),
    "max_steps": Field(None, 1, 10_000_000, "It replaces `epochs`; leave it out to train by epochs."),
    "batch_size": Field(4, 1, 1024, "It counts rows per step on the device; more rows need more memory."),
    "gradient_accumulation": Field(4, 1, 1024, "It counts the batches that make one step."),
    "warmup_ratio": Field(0.03, 0.0, 0.5, "It is the share of the steps in which the learning rate rises."),
    "weight_decay": Field(0.0, 0.0, 1.0, "0.0 to 0.1 are usual."),
    "seed": Field(42, 0, 2**32 - 1, "Any number in this range does."),
    "checkpoint_steps": Field(50, 1, 1_000_000, "It counts the steps between two checkpoints."),
}
LEARNING_RATES = {
    method: Field(2e-5 if method == "full" else 2e-4, 1e-8, 0.1, "0.0002 is usual.") for method in METHODS
}
LORA = {
    "rank": Field(16, 1, 1024, "8 to 64 are usual."),
    "alpha": Field(32, 1, 4096, "Twice the rank is usual."),
    "dropout": Field(0.05, 0.0, 0.9, "0.0 to 0.1 are usual."),
}
EVALUATION = {
    "max_rows": Field(200, 1, 100_000, "100 rows or more give an interval that says something."),
    "max_new_tokens": Field(256, 1, 32_768, "It cuts answers off; references have to fit into it."),
}
THRESHOLDS = {
    "at_least": Field(None, 1e-6, 1.0, "A threshold of 0 can't fail; say what the tuned model has to reach."),
    "gain": Field(None, 1e-6, 1.0, "A gain of 0 can't fail; say by how much the base model has to be exceeded."),
}
KEYS = ("base_model", "backend", "method", "learning_rate", *NUMBERS, "lora", "evaluation", "gate")


def load(path: Path) -> dict[str, Any]:
    """Read a recipe file; raises `RecipeError` with every mistake, also if the file is not YAML or not there."""
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([Mistake(str(path), f"can't be read ({error})", "Give the path of a YAML file.")]) from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise RecipeError([Mistake(str(path), f"is not YAML ({where})", "Correct it at that place.")]) from error
    return check(raw)


def check(raw: Any) -> dict[str, Any]:
    """The recipe with every default filled in; raises `RecipeError` listing every mistake.

    The result passes again, unchanged. `lora` is None for the method `full`; `learning_rate` depends on the method; in
    `gate` only what was asked for stands.
    """
    if not isinstance(raw, Mapping):
        problem = f"{_short(raw)} is not a mapping of keys to values"
        raise RecipeError([Mistake("recipe", problem, "Start with `base_model: Qwen/Qwen3-8B` and a `gate`.")])
    mistakes: list[Mistake] = []
    _unknown("", raw, KEYS, mistakes)
    backend = _choice("backend", raw.get("backend"), BACKENDS, mistakes)
    method = _choice("method", raw.get("method"), METHODS, mistakes)
    recipe = {"base_model": _base_model(raw.get("base_model"), backend, mistakes), "backend": backend, "method": method}
    numbers = NUMBERS | {"learning_rate": LEARNING_RATES[method]}
    recipe |= {key: field.read(key, raw.get(key), mistakes) for key, field in numbers.items()}
    if backend != "sagemaker" and method == "qlora":
        problem = f"'qlora' is not allowed (with backend {backend}: lora, full)"
        mistakes.append(Mistake("method", problem, "The service chooses the precision itself: use lora."))
    recipe["lora"] = _lora(raw.get("lora"), method, mistakes)
    recipe["evaluation"] = evaluation = _numbers("evaluation", raw.get("evaluation"), EVALUATION, ("format",), mistakes)
    evaluation["format"] = _format(_mapping(raw.get("evaluation")).get("format"), mistakes)
    recipe["gate"] = _gate(raw.get("gate"), _mapping(raw.get("evaluation")).get("format") is not None, mistakes)
    if mistakes:
        raise RecipeError(mistakes)
    return recipe


def digest(recipe: Raw) -> str:
    """SHA-256 (hex) of the recipe's canonical JSON: the order of its keys doesn't matter."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _unknown(under: str, raw: Raw, known: Iterable[str], mistakes: list[Mistake]) -> None:
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
            mistakes.append(Mistake(f"{under}{key}", "is not a key of a recipe", remedy))


def _choice(key: str, value: Any, allowed: tuple[str, ...], mistakes: list[Mistake]) -> str:
    """One of the allowed values, the first if there is none."""
    if value is None or value in allowed:
        return value or allowed[0]
    near = difflib.get_close_matches(str(value), allowed, n=1)
    problem = f"{_short(value)} is not allowed ({', '.join(allowed)})"
    mistakes.append(Mistake(key, problem, f"Did you mean `{near[0]}`?" if near else f"{allowed[0]} is the default."))
    return allowed[0]


def _base_model(value: Any, backend: str, mistakes: list[Mistake]) -> Any:
    if value is None:
        remedy = "Name the model to tune, e.g. `base_model: Qwen/Qwen3-8B`."
        mistakes.append(Mistake("base_model", "is missing", remedy))
    elif not isinstance(value, str) or not (MODEL.fullmatch(value) or OWN_MODEL.fullmatch(value)):
        problem = f"{_short(value)} is not allowed (a Hugging Face id, or models/NAME/)"
        mistakes.append(
            Mistake(
                "base_model", problem, "models/NAME/, in the artifact bucket, holds a Hugging Face model of your own."
            )
        )
    elif backend != "sagemaker" and value.endswith("/"):
        problem = f"{value!r} is not allowed (with backend {backend}: the service's name of a model)"
        mistakes.append(Mistake("base_model", problem, "The service can't read the bucket: see its list of models."))
    return value


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, Mapping) else {}


def _numbers(
    key: str, raw: Any, fields: Mapping[str, Field], others: tuple[str, ...], mistakes: list[Mistake]
) -> dict[str, Any]:
    """The numbers of a nested mapping, completed. `others` are keys that it may have besides."""
    if raw is not None and not isinstance(raw, Mapping):
        known = ", ".join((*fields, *others))
        mistakes.append(Mistake(key, f"{_short(raw)} is not a mapping of keys to values", f"Known here: {known}."))
    raw = _mapping(raw)
    _unknown(f"{key}.", raw, (*fields, *others), mistakes)
    return {name: field.read(f"{key}.{name}", raw.get(name), mistakes) for name, field in fields.items()}


def _lora(raw: Any, method: str, mistakes: list[Mistake]) -> dict[str, Any] | None:
    if method == "full":
        if raw is not None:
            remedy = "Leave it out, or set `method: lora`."
            mistakes.append(Mistake("lora", "has no effect with method full, which trains every weight", remedy))
        return None
    lora = _numbers("lora", raw, LORA, ("modules",), mistakes)
    modules = _mapping(raw).get("modules")
    modules = ALL_LINEAR if modules is None else modules
    lora["modules"] = modules
    names = isinstance(modules, list) and modules and all(isinstance(name, str) and name for name in modules)
    if modules != ALL_LINEAR and not names:
        problem = f"{_short(modules)} is not allowed ({ALL_LINEAR}, or a list of module names)"
        mistakes.append(Mistake("lora.modules", problem, f"{ALL_LINEAR} learns most; [q_proj, v_proj] is smaller."))
    return lora


def _format(raw: Any, mistakes: list[Mistake]) -> dict[str, Any] | None:
    """The form that answers are held against: None, or a regular expression or a JSON Schema."""
    if raw is None:
        return None
    rules: dict[str, Callable[[Any], str | None]] = {"regex": _regex_problem, "json_schema": _schema_problem}
    if not isinstance(raw, Mapping) or len(raw) != 1 or next(iter(raw)) not in rules:
        problem = f"{_short(raw)} is not allowed (null, {{regex: ...}} or {{json_schema: ...}})"
        mistakes.append(Mistake("evaluation.format", problem, "Give exactly one of the two."))
        return None
    ((kind, value),) = raw.items()
    if problem := rules[kind](value):
        mistakes.append(Mistake(f"evaluation.format.{kind}", problem, "The whole answer has to match it."))
    return {kind: value}


def _regex_problem(value: Any) -> str | None:
    try:
        pattern = re.compile(value)
    except (re.error, TypeError) as error:
        return f"{_short(value)} is not a regular expression ({error})"
    return f"{_short(value)} accepts an empty answer, which has no form" if pattern.fullmatch("") else None


def _schema_problem(value: Any) -> str | None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        return f"{_short(value)} can't be written as JSON ({error})"
    return None if isinstance(value, Mapping) and value else f"{_short(value)} is not a JSON Schema with a rule"


def _gate(raw: Any, has_format: bool, mistakes: list[Mistake]) -> dict[str, dict[str, float]]:
    """Metric to thresholds, at least one of each."""
    example = "e.g. `gate: {token_f1: {gain: 0.05}}`"
    if not isinstance(raw, Mapping) or not raw:
        problem = "is missing" if raw is None else f"{_short(raw)} is not a mapping of metrics to thresholds"
        mistakes.append(Mistake("gate", problem, f"Say what a model must reach to be registered, {example}."))
        return {}
    _unknown("gate.", raw, METRICS, mistakes)
    if "format_adherence" in raw and not has_format:
        remedy = "Add `evaluation: {format: {regex: ...}}` (or json_schema), or gate on another metric."
        mistakes.append(Mistake("gate.format_adherence", "needs evaluation.format, which is not set", remedy))
    gate: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        if metric not in raw:
            continue
        before = len(mistakes)
        read = _numbers(f"gate.{metric}", raw[metric], THRESHOLDS, (), mistakes)
        gate[metric] = {name: value for name, value in read.items() if value is not None}
        if not gate[metric] and len(mistakes) == before:
            remedy = "Give at_least (what to reach), gain (over the base model), or both."
            mistakes.append(Mistake(f"gate.{metric}", "has no threshold, so it can't fail", remedy))
    return gate


def _short(value: Any) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
