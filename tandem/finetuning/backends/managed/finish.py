"""After a managed job has succeeded: evaluation through the service, the gate, and the registry."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tandem_contract.errors import TandemError
from tandem_contract.run_record import Run

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.dataset.sample import digest, gradable, prompt, sample
from tandem.finetuning.gate import failing
from tandem.finetuning.measure import BASE, TUNED, answer_lines, measure
from tandem.finetuning.registry import register
from tandem.models.chat import CUT, is_another
from tandem.models.errors import NO_CREDIT, Refused
from tandem.models.thinking import without_thinking
from tandem.threads import as_they_come

from .service import Service

AT_ONCE = 8
# Above this share the answers say more about the service than about the model.
FAILED_ALLOWED = 0.1
# Every other question would be refused like the first.
HOPELESS = {401, 402, 404}
NOT_SERVED = {"model_not_available", "model_not_found", "dedicated_endpoint_not_running"}


@dataclass(frozen=True)
class Answer:
    """What a model said to a row."""

    text: str
    """Without its thoughts, unless the row's own answer has some."""
    ended: str = ""
    """As `Completion.ended`."""
    answered_by: str = ""
    """The model that the answer names."""


class Kept(Protocol):
    """Answers that were paid for, by a digest of what was asked of whom. Its methods run in threads."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """An answer's fields; None if it isn't there."""
        ...

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer."""
        ...


class InMemory:
    """Kept as long as the process."""

    def __init__(self) -> None:
        self._answers: dict[str, Mapping[str, Any]] = {}

    def get(self, key: str) -> Mapping[str, Any] | None:
        """As `Kept.get`."""
        return self._answers.get(key)

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """As `Kept.put`."""
        self._answers[key] = answer


@dataclass(frozen=True)
class Finished:
    """What came of a run; its record in the registry is there only if nothing spoke against it."""

    evaluation: dict[str, Any]
    """As a training image's `evaluation.json`, and of each model: how many answers didn't come (`failed`), how many end
    at the limit of tokens (`cut`), and which models the answers name (`answered_by`)."""
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
    model: str | None,
    rows: Sequence[Row],
    manifest_digest: str,
    sagemaker: Any,
    group: str,
    *,
    served: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
    kept: Kept | None = None,
) -> Finished:
    """Evaluate the tuned `model` against its base on test `rows` of that manifest, and register it if the gate opens.

    `served` names models that the service serves under another name than their id: dedicated endpoints. `progress` is
    told how many of how many answers are there. An answer that is `kept` isn't asked for again; registered is once.
    Raises `TandemError` if the rows are another data set's, a model isn't served, or a tenth of its answers don't come.
    """
    begun, served = time.monotonic(), served or {}
    identity = {"manifest_digest": manifest_digest, "recipe_digest": recipes.digest(run.recipe)}
    for name, value in identity.items():
        if value != getattr(run, name):
            raise TandemError(f"The {name} of {run.name} is {getattr(run, name)}, not {value}: take the run's own.")
    if not model:
        raise TandemError(f"{service.dialect.title} names no model of {run.name} yet: look again later.")
    models = {TUNED: served.get(model, model), BASE: served.get(run.recipe["base_model"], run.recipe["base_model"])}
    limits = run.recipe["evaluation"]
    rows = sample(gradable(rows), limits["max_rows"])
    asking = _Asking(service, models, rows, limits["max_new_tokens"], InMemory() if kept is None else kept)
    answers, failed = asking.all(progress)
    texts = {which: [None if answer is None else answer.text for answer in answers[which]] for which in models}
    # An outage must not look like progress: where the base model's answer is missing, the tuned one's is wrong too.
    scored = texts | {TUNED: [None if at in failed[BASE] else text for at, text in enumerate(texts[TUNED])]}
    named = {
        which: sorted({answer.answered_by for answer in answers[which] if answer and answer.answered_by})
        for which in (BASE, TUNED)
    }
    evaluation: dict[str, Any] = {
        "rows": len(rows),
        "sample": digest(rows),
        "metrics": measure(rows, scored, limits["format"]),
        **identity,
        "engine": run.recipe["backend"],
        "seconds": round(time.monotonic() - begun, 1),
        "failed": {which: len(failed[which]) for which in (BASE, TUNED)},
        "cut": {which: sum(bool(each and each.ended == CUT) for each in answers[which]) for which in (BASE, TUNED)},
        "answered_by": named,
    }
    reasons, package = [*_one_model(models, named), *failing(evaluation, run)], None
    if not reasons:
        how = {"backend": run.recipe["backend"], "model_reference": model, "container": None}
        package = register(sagemaker, group, run, metrics=evaluation["metrics"], **how)
    lines = [f"{rows[at].place}, {which} model: {why}" for which in failed for at, why in sorted(failed[which].items())]
    return Finished(evaluation, answer_lines(rows, texts).encode(), lines, reasons, package)


def _one_model(models: Mapping[str, str], named: Mapping[str, Sequence[str]]) -> list[str]:
    """Why nothing was measured where a server ignores the model's name, as some compatible ones do."""
    if named[BASE] != named[TUNED] or len(named[TUNED]) != 1 or models[BASE] == models[TUNED]:
        return []
    (name,) = named[TUNED]
    if not is_another(models[TUNED], name):
        return []
    return [f"Both models answered as {name}: the service ignores which one is asked for, so neither was compared."]


class _Asking:
    """The rows put to both models."""

    def __init__(
        self, service: Service, models: Mapping[str, str], rows: Sequence[Row], max_tokens: int, kept: Kept
    ) -> None:
        self._service, self._models, self._rows = service, models, rows
        self._max_tokens, self._kept = max_tokens, kept
        self._prompts = [prompt(row) for row in rows]

    def all(
        self, progress: Callable[[int, int], None]
    ) -> tuple[dict[str, list[Answer | None]], dict[str, dict[int, str]]]:
        """Each model's answers, and of the rows without one: why."""
        rows = len(self._rows)
        answers: dict[str, list[Answer | None]] = {which: [None] * rows for which in self._models}
        failed: dict[str, dict[int, str]] = {which: {} for which in self._models}
        questions = [(which, at) for which in self._models for at in range(rows)]
        with closing(as_they_come(questions, AT_ONCE, self._answer)) as come:
            for done, ((which, at), found) in enumerate(come, 1):
                if isinstance(found, Answer):
                    answers[which][at] = found
                elif isinstance(found, Refused) and _is_hopeless(found):
                    raise TandemError(_not_served(self._service, self._models[which], found)) from found
                else:
                    failed[which][at] = str(found)
                    if (count := len(failed[which])) > FAILED_ALLOWED * rows:
                        text = f"{count} of {rows} answers of {self._models[which]} didn't come, the last: {found}"
                        raise TandemError(text) from found
                progress(done, len(questions))
        return answers, failed

    def _answer(self, asked: tuple[str, int]) -> Answer | TandemError:
        which, at = asked
        model, tools = self._models[which], self._rows[at].tools
        content = [model, self._prompts[at], self._max_tokens, tools]
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if found := self._kept.get(key):
            return Answer(**found)
        try:
            said = self._service.answer(model, self._prompts[at], self._max_tokens, tools)
        except TandemError as error:
            return error
        text = said.text
        if without_thinking(self._rows[at].messages[-1][1])[1] and without_thinking(said.thought)[1]:
            text = said.thought + said.text  # the rows teach to think in the text
        answer = Answer(text, said.ended, said.answered_by)
        self._kept.put(key, asdict(answer))
        return answer


def _is_hopeless(error: Refused) -> bool:
    return error.status in HOPELESS or error.code in NOT_SERVED or error.code == NO_CREDIT


def _not_served(service: Service, model: str, error: Refused) -> str:
    if error.status in (401, 402) or error.code == NO_CREDIT:
        return str(error)
    remedy = "if it is served by a dedicated endpoint, start that and name it; it is billed until it is stopped"
    return f"{service.dialect.title} doesn't answer as {model}: {error} Remedy: {remedy}."
