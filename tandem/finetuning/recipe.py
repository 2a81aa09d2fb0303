"""Recipes: the settings of a fine-tuning run, checked as a whole and completed with every default.

The standard library alone, since functions and training jobs check recipes too; `tandem.yaml_file` reads one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from tandem_contract.checks import Checks, shown
from tandem_contract.fields import Field

from .backend_table import BACKENDS, DEFAULT
from .foreign_recipes import REMEDIES

METHODS = ("lora", "qlora", "full")
METRICS = ("exact_match", "token_f1", "format_adherence")
ALL_LINEAR = "all-linear"
# A Hugging Face id or a managed service's model name, or a folder of the artifact bucket with a Hugging Face model.
MODEL = r"[A-Za-z0-9][\w.:-]*(/[\w.:-]+)?|models/[A-Za-z0-9][\w./-]*/"
SUBJECT = "The recipe"

Raw = Mapping[str, Any]


NUMBERS = {
    "max_sequence_tokens": Field(
        1024, low=16, high=1_048_576, remedy="`tandem dataset check` prints how long the rows are."
    ),
    "epochs": Field(3, low=1, high=100, remedy="It counts passes over the training split; 1 to 5 are usual."),
    "max_steps": Field(None, low=1, high=10_000_000, remedy="It replaces `epochs`; leave it out to train by epochs."),
    "batch_size": Field(
        4, low=1, high=1024, remedy="It counts the rows that a GPU has at once, at most; more rows need more memory."
    ),
    # The product is the rows of a step, whatever the number of GPUs: `share.py`.
    "gradient_accumulation": Field(
        4, low=1, high=1024, remedy="It counts the batches that make one step, on all GPUs together."
    ),
    "warmup_ratio": Field(
        0.03, low=0.0, high=0.5, remedy="It is the share of the steps in which the learning rate rises."
    ),
    "weight_decay": Field(0.0, low=0.0, high=1.0, remedy="0.0 to 0.1 are usual."),
    "seed": Field(42, low=0, high=2**32 - 1, remedy="Any number in this range does."),
    "checkpoint_steps": Field(50, low=1, high=1_000_000, remedy="It counts the steps between two checkpoints."),
}
LEARNING_RATES = {
    method: Field(2e-5 if method == "full" else 2e-4, low=1e-8, high=0.1, remedy="0.0002 is usual.")
    for method in METHODS
}
LORA = {
    "rank": Field(16, low=1, high=1024, remedy="8 to 64 are usual."),
    "alpha": Field(32, low=1, high=4096, remedy="Twice the rank is usual."),
    "dropout": Field(0.05, low=0.0, high=0.9, remedy="0.0 to 0.1 are usual."),
}
EVALUATION = {
    "max_rows": Field(200, low=1, high=100_000, remedy="100 rows or more give an interval that says something."),
    "max_new_tokens": Field(256, low=1, high=32_768, remedy="It cuts answers off; references have to fit into it."),
}
THRESHOLDS = {
    "at_least": Field(
        None, low=1e-6, high=1.0, remedy="A threshold of 0 can't fail; say what the tuned model has to reach."
    ),
    "gain": Field(
        None, low=1e-6, high=1.0, remedy="A gain of 0 can't fail; say by how much the base model has to be exceeded."
    ),
}
SERVED_TOKENS = 8192
"""Room for a question with what was retrieved for it: a hybrid stack asks that of a model tuned on short rows too."""
KEYS = ("base_model", "backend", "method", "learning_rate", *NUMBERS, "lora", "evaluation", "gate")


def check(raw: Any) -> dict[str, Any]:
    """The recipe with every default filled in; raises `Mistakes` with every one.

    The result passes again, unchanged. `lora` is None for the method `full`; `learning_rate` depends on the method; in
    `gate` only what was asked for stands.
    """
    checks = Checks()
    raw = checks.mapping("recipe", raw, "Start with `base_model: Qwen/Qwen3-8B` and a `gate`.")
    checks.finish(SUBJECT)
    _known(checks, raw, KEYS)
    backend = _choice(checks, "backend", raw.get("backend"), BACKENDS, DEFAULT)
    method = _choice(checks, "method", raw.get("method"), METHODS, METHODS[0])
    methods = BACKENDS[backend].methods
    if method not in methods:
        others = ", ".join(name for name, row in BACKENDS.items() if method in row.methods)
        remedy = f"Use {methods[0]}, or a back end that has it: {others}."
        checks.refuse("method", method, f"with backend {backend}: {', '.join(methods)}", remedy)
    recipe = {"base_model": _base_model(checks, raw.get("base_model"), backend), "backend": backend, "method": method}
    numbers = NUMBERS | {"learning_rate": LEARNING_RATES[method]}
    recipe |= {key: _number(checks, key, field, raw.get(key)) for key, field in numbers.items()}
    recipe["lora"] = _lora(checks, raw.get("lora"), method)
    recipe["evaluation"], given = _numbers(checks, "evaluation", raw.get("evaluation"), EVALUATION, "format")
    recipe["evaluation"]["format"] = _format(checks.under("evaluation"), given.get("format"))
    recipe["gate"] = _gate(checks, raw.get("gate"), given.get("format") is not None)
    checks.finish(SUBJECT)
    return recipe


def digest(recipe: Raw) -> str:
    """SHA-256 (hex) of the recipe's canonical JSON: the order of its keys doesn't matter."""
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def served_tokens(recipe: Raw, context: int | None) -> int:
    """How many tokens a conversation and its answer may have together where the tuned model is evaluated and served.

    What the recipe's rows need, and `SERVED_TOKENS` at least, within the model's own `context`, where that is known.
    vLLM plans its memory for one conversation of that length, and by default for the model's whole context.
    """
    most = max(recipe["max_sequence_tokens"] + recipe["evaluation"]["max_new_tokens"], SERVED_TOKENS)
    return min(most, context) if context else most


def _known(checks: Checks, raw: Raw, known: Collection[str]) -> None:
    foreign = [key for key in raw if key not in known and key in REMEDIES]
    for key in foreign:
        checks.add(key, "is not a key of a recipe", REMEDIES[key])
    checks.known([key for key in raw if key not in foreign], tuple(known), "a key of a recipe")


def _choice(checks: Checks, key: str, value: Any, allowed: Iterable[str], default: str) -> str:
    if value is None:
        return default
    return checks.choice(key, value, allowed, f"{default} is the default.") or default


def _base_model(checks: Checks, value: Any, backend: str) -> Any:
    if value is None:
        checks.missing("base_model", "Name the model to tune, e.g. `base_model: Qwen/Qwen3-8B`.")
        return None
    remedy = "models/NAME/, in the artifact bucket, holds a Hugging Face model of your own."
    model = checks.text("base_model", value, "a Hugging Face id, or models/NAME/", remedy, MODEL)
    if model and model.endswith("/") and not BACKENDS[backend].reads_artifact_bucket:
        remedy = f"{BACKENDS[backend].title} can't read the bucket: see its list of models."
        checks.refuse("base_model", model, f"with backend {backend}: the service's name of a model", remedy)
    return model


def _number(checks: Checks, key: str, field: Field, value: Any) -> Any:
    """A number, of the same type however it is written, so that 0 and 0.0 are the same recipe."""
    number = field.read(checks, key, value)
    return float(number) if isinstance(number, int) and isinstance(field.low, float) else number


def _numbers(
    checks: Checks, key: str, raw: Any, fields: Mapping[str, Field], *others: str
) -> tuple[dict[str, Any], Raw]:
    """The numbers of a nested mapping, completed, and the mapping. `others` are keys that it may have besides."""
    known = (*fields, *others)
    given = {} if raw is None else checks.mapping(key, raw, f"Known here: {', '.join(known)}.")
    inner = checks.under(key)
    _known(inner, given, known)
    return {name: _number(inner, name, field, given.get(name)) for name, field in fields.items()}, given


def _lora(checks: Checks, raw: Any, method: str) -> dict[str, Any] | None:
    if method == "full":
        if raw is not None:
            remedy = "Leave it out, or set `method: lora`."
            checks.add("lora", "has no effect with method full, which trains every weight", remedy)
        return None
    lora, given = _numbers(checks, "lora", raw, LORA, "modules")
    modules = given.get("modules")
    lora["modules"] = modules = ALL_LINEAR if modules is None else modules
    names = isinstance(modules, list) and modules and all(isinstance(name, str) and name for name in modules)
    names = names and ALL_LINEAR not in modules  # which is no module's name
    if modules != ALL_LINEAR and not names:
        remedy = f"{ALL_LINEAR} learns most; [q_proj, v_proj] is smaller."
        checks.refuse("lora.modules", modules, f"{ALL_LINEAR}, or a list of module names", remedy)
    return lora


def _format(checks: Checks, raw: Any) -> dict[str, Any] | None:
    """The form that answers are held against: None, or a regular expression or a JSON Schema."""
    if raw is None:
        return None
    rules: dict[str, Callable[[Any], str | None]] = {"regex": _regex_problem, "json_schema": _schema_problem}
    if not isinstance(raw, Mapping) or len(raw) != 1 or next(iter(raw)) not in rules:
        allowed = "null, {regex: ...} or {json_schema: ...}"
        checks.refuse("format", raw, allowed, "Give exactly one of the two.")
        return None
    ((kind, value),) = raw.items()
    if problem := rules[kind](value):
        checks.add(f"format.{kind}", problem, "The whole answer has to match it.")
    return {kind: value}


def _regex_problem(value: Any) -> str | None:
    try:
        pattern = re.compile(value)
    except (re.error, TypeError) as error:
        return f"{shown(value)} is not a regular expression ({error})"
    return f"{shown(value)} accepts an empty answer, which has no form" if pattern.fullmatch("") else None


def _schema_problem(value: Any) -> str | None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        return f"{shown(value)} can't be written as JSON ({error})"
    return None if isinstance(value, Mapping) and value else f"{shown(value)} is not a JSON Schema with a rule"


def _gate(checks: Checks, raw: Any, has_format: bool) -> dict[str, dict[str, float]]:
    """Metric to thresholds, at least one of each."""
    remedy = "Say what a model must reach to be registered, e.g. `gate: {token_f1: {gain: 0.05}}`."
    if raw is None or raw == {}:
        checks.missing("gate", remedy)
        return {}
    raw = checks.mapping("gate", raw, remedy)
    _known(checks.under("gate"), raw, METRICS)
    if "format_adherence" in raw and not has_format:
        remedy = "Add `evaluation: {format: {regex: ...}}` (or json_schema), or gate on another metric."
        checks.add("gate.format_adherence", "needs evaluation.format, which is not set", remedy)
    gate: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        if metric not in raw:
            continue
        before = len(checks.mistakes)
        read, _ = _numbers(checks, f"gate.{metric}", raw[metric], THRESHOLDS)
        gate[metric] = {name: value for name, value in read.items() if value is not None}
        if not gate[metric] and len(checks.mistakes) == before:
            remedy = "Give at_least (what to reach), gain (over the base model), or both."
            checks.add(f"gate.{metric}", "has no threshold, so it can't fail", remedy)
    return gate
