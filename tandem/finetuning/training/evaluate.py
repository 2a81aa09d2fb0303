"""The tuned model against its base on the test split: the same prompts, the serving stack, paired intervals."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.rows import Row, json_line
from tandem.finetuning.dataset.sample import digest, gradable, prompt, sample
from tandem.finetuning.measure import BASE, TUNED, answer_lines, measure

from . import models
from .conversations import askable
from .generate import Conversation, open_generator
from .layout import TANDEM_JSON, Layout, Refused, say, write_json
from .train import check_format


def evaluate(layout: Layout) -> None:
    """Have both models answer the test split, and write `evaluation.json` and `answers.jsonl`; raises `Refused`."""
    begun = time.monotonic()
    recipe = layout.recipe()
    manifest, splits = layout.dataset()
    identity = {"manifest_digest": manifest["digest"], "recipe_digest": recipes.digest(recipe)}
    check_format(recipe)
    _check_artifact(layout.tuned, identity)
    base = layout.base(recipe["base_model"])
    models.settle()
    limits = recipe["evaluation"]
    rows = gradable(splits["test"])
    tokens = {}
    for model in (str(layout.tuned), base):  # the tuned one's template may be another
        tokens[model] = recipes.served_tokens(recipe, models.context_tokens(models.load_config(model)))
        rows, others = askable(rows, models.load_tokenizer(model, say), tokens[model], limits["max_new_tokens"])
        if others:
            say(f"{len(others)} rows of test are not asked, {others[0][0].place} first: {others[0][1]}")
    if not rows:
        raise Refused("No row of test can be asked, and none has been: the log says why. Train on a mended data set.")
    left_out = len(splits["test"]) - len(rows)
    rows = sample(rows, limits["max_rows"])
    kept = _Kept(layout.checkpoints / "answers.jsonl", identity)
    # The tuned model first: if it doesn't load, nothing else has been paid for.
    answers: dict[str, list[str]] = {}
    engine = ""
    for which, model in ((TUNED, str(layout.tuned)), (BASE, base)):
        engine = _answer(which, model, tokens[model], rows, limits["max_new_tokens"], kept)
        answers[which] = [kept.answers[which, at] for at in range(len(rows))]
    metrics = measure(rows, answers, limits["format"])
    (layout.model / "answers.jsonl").write_text(answer_lines(rows, answers), encoding="utf-8")
    about = {"rows": len(rows), "rows_left_out": left_out, "sample": digest(rows)}
    result = {**about, "metrics": metrics, **identity, "engine": engine}
    write_json(layout.model / "evaluation.json", result | {"seconds": round(time.monotonic() - begun, 1)})
    for name, metric in metrics.items():
        low, high = metric["interval"]
        say(f"{name}: {metric['base']:.3f} to {metric['tuned']:.3f}, difference 95 % within {low:.3f} to {high:.3f}")


class _Kept:
    """Answers as they come, so that a job that goes on doesn't ask again; a file of another run is dropped."""

    def __init__(self, file: Path, identity: Mapping[str, Any]) -> None:
        self.file = file
        self.answers: dict[tuple[str, int], str] = {}
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        if not whole or whole[0] != identity:
            whole = [dict(identity)]
        self.answers = {(line["model"], line["row"]): line["answer"] for line in whole[1:]}
        file.write_text("".join(map(json_line, whole)), encoding="utf-8")

    def add(self, model: str, answers: Mapping[int, str]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            for row, answer in answers.items():
                self.answers[model, row] = answer
                file.write(json_line({"model": model, "row": row, "answer": answer}))


def _answer(which: str, model: str, tokens: int, rows: Sequence[Row], max_new_tokens: int, kept: _Kept) -> str:
    """Have a model answer what it hasn't yet; returns the engine. It is loaded in any case: that is the smoke test."""
    prompts = [Conversation(prompt(row), row.tools) for row in rows]
    # Prompts of about the same length share a batch.
    left = sorted(
        (at for at in range(len(rows)) if (which, at) not in kept.answers), key=lambda at: -len(str(prompts[at]))
    )
    say(f"Evaluating the {which} model: {len(left)} of {len(rows)} rows to answer")
    with closing(open_generator(model, tokens)) as generator:
        begun = time.monotonic()
        for start in range(0, len(left), generator.at_once):
            batch = left[start : start + generator.at_once]
            given = generator.generate([prompts[at] for at in batch], max_new_tokens)
            kept.add(which, {at: answer.text for at, answer in zip(batch, given, strict=True)})
            done = start + len(batch)
            say(f"{which}: {done} of {len(left)} rows, {done / (time.monotonic() - begun):.2f} rows/s")
        return generator.engine


def _check_artifact(folder: Path, identity: Mapping[str, Any]) -> None:
    """Raise `Refused` unless the folder holds a whole model of this very run."""
    try:
        about = json.loads((folder / TANDEM_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            f"Channel `model` has no {TANDEM_JSON} that can be read ({models.first_line(error)}): training "
            "writes it last, so its model is not whole. Train again."
        ) from error
    if differing := [name for name, value in identity.items() if about.get(name) != value]:
        raise Refused(
            f"The model in channel `model` was made from another {' and another '.join(differing)} than this run's "
            f"({', '.join(str(about.get(name))[:12] for name in differing)}): evaluate it with its own recipe and data."
        )
    if models.parameter_count(str(folder)) is None:
        raise Refused("The model in channel `model` has no *.safetensors files: train again.")
