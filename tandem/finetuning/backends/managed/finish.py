"""After a managed job has succeeded: evaluation through the service, the gate, and the registry."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.sample import digest, gradable, prompt, sample
from tandem.finetuning.gate import failing
from tandem.finetuning.measure import BASE, TUNED, answer_lines, measure
from tandem.finetuning.registry import register
from tandem.models.errors import Refused
from tandem.threads import as_they_come

from .service import Service

AT_ONCE = 8
# Above this share the answers say more about the service than about the model.
FAILED_ALLOWED = 0.1
# Every other question would be refused like the first.
HOPELESS = {401, 404}
NOT_SERVED = {"model_not_available", "model_not_found", "dedicated_endpoint_not_running"}


@dataclass(frozen=True)
class Finished:
    """What came of a run; its record in the registry is there only if nothing spoke against it."""

    evaluation: dict[str, Any]
    """As a training image's `evaluation.json`, and `failed`: how many answers of each model didn't come."""
    answers: bytes
    """As a training image's `answers.jsonl`; an answer that didn't come is empty."""
    failures: list[str]
    """A line for each of these."""
    reasons: list[str]
    """Why the model may not be registered."""
    model_package: str | None


def finish(
    service: Service,
    run: Run,
    model: str,
    rows: Sequence[Row],
    manifest_digest: str,
    sagemaker: Any,
    group: str,
    *,
    served: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Finished:
    """Evaluate the tuned `model` against its base on test `rows` of that manifest, and register it if the gate opens.

    `served` names models that the service serves under another name than their id: dedicated endpoints. `progress` is
    told how many of how many answers are there. A second call evaluates again, and registers nothing twice. Raises
    `TandemError` if the rows are another data set's, a model isn't served, or a tenth of its answers don't come.
    """
    begun, served = time.monotonic(), served or {}
    identity = {"manifest_digest": manifest_digest, "recipe_digest": recipes.digest(run.recipe)}
    for name, value in identity.items():
        if value != getattr(run, name):
            raise TandemError(f"The {name} of {run.name} is {getattr(run, name)}, not {value}: take the run's own.")
    models = {TUNED: served.get(model, model), BASE: served.get(run.recipe["base_model"], run.recipe["base_model"])}
    limits = run.recipe["evaluation"]
    rows = sample(gradable(rows), limits["max_rows"])
    answers, failed = _ask(service, models, rows, limits["max_new_tokens"], progress)
    # An outage must not look like progress: where the base model's answer is missing, the tuned one's is wrong too.
    scored = answers | {TUNED: ["" if at in failed[BASE] else text for at, text in enumerate(answers[TUNED])]}
    counts = {which: len(failed[which]) for which in (BASE, TUNED)}
    evaluation: dict[str, Any] = {
        "rows": len(rows),
        "sample": digest(rows),
        "metrics": measure(rows, scored, limits["format"]),
        **identity,
    }
    evaluation |= {"engine": run.recipe["backend"], "seconds": round(time.monotonic() - begun, 1), "failed": counts}
    reasons, package = failing(evaluation, run), None
    if not reasons:
        how = {"backend": run.recipe["backend"], "model_reference": model, "container": None}
        package = register(sagemaker, group, run, metrics=evaluation["metrics"], **how)
    lines = [f"{rows[at].place}, {which} model: {why}" for which in failed for at, why in sorted(failed[which].items())]
    return Finished(evaluation, answer_lines(rows, answers).encode(), lines, reasons, package)


def _ask(
    service: Service,
    models: Mapping[str, str],
    rows: Sequence[Row],
    max_tokens: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, list[str]], dict[str, dict[int, str]]]:
    """Each model's answers, and of the rows without one: why."""
    answers = {which: [""] * len(rows) for which in models}
    failed: dict[str, dict[int, str]] = {which: {} for which in models}
    prompts = [prompt(row) for row in rows]

    def answer(asked: tuple[str, int]) -> str | TandemError:
        which, at = asked
        try:
            return service.answer(models[which], prompts[at], max_tokens)
        except TandemError as error:
            return error

    questions = [(which, at) for which in models for at in range(len(rows))]
    with closing(as_they_come(questions, AT_ONCE, answer)) as come:
        for done, ((which, at), found) in enumerate(come, 1):
            if isinstance(found, str):
                answers[which][at] = found
            elif isinstance(found, Refused) and (found.status in HOPELESS or found.code in NOT_SERVED):
                raise TandemError(_not_served(service, models[which], found)) from found
            else:
                failed[which][at] = str(found)
                if (count := len(failed[which])) > FAILED_ALLOWED * len(rows):
                    text = f"{count} of {len(rows)} answers of {models[which]} didn't come, the last: {found}"
                    raise TandemError(text) from found
            progress(done, len(questions))
    return answers, failed


def _not_served(service: Service, model: str, error: Refused) -> str:
    if error.status == 401:
        return str(error)
    remedy = "if it is served by a dedicated endpoint, start that and name it; it is billed until it is stopped"
    return f"{service.dialect.title} doesn't answer as {model}: {error} Remedy: {remedy}."
