"""The two dialects of the fine-tuning API: where things are, what a recipe becomes, and what a job's record says.

Field names are those of the services' own typed clients (PyPI: openai 3.57.0, together 3.1.1). A message's `weight`,
0 or 1, is in OpenAI's specification of the format, and Together's client checked it (1.6.0, utils/files.py), which knew
no messages of tools.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tandem_contract.checks import Checks
from tandem_contract.errors import TandemError

from tandem.finetuning import recipe as recipes
from tandem.finetuning.backend_table import BACKENDS
from tandem.finetuning.dataset.rows import Row
from tandem.measures.metrics import check_format
from tandem.models.errors import Refused

QUEUED, RUNNING, STOPPING = "queued", "running", "stopping"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
MARK = "tandem_run"  # metadata of a job that names its run
NO_ROUTE = {404, 405, 501}
STEPS = re.compile(r"Step \d+/(\d{1,12})(?!\d)")
# What services and those that speak like them call a job's state; any other isn't the end ("compressing", "uploading").
STATES = {
    **dict.fromkeys(("pending", "queued", "validating_files"), QUEUED),
    "cancel_requested": STOPPING,
    **dict.fromkeys(("succeeded", "completed"), SUCCEEDED),
    **dict.fromkeys(("failed", "error", "user_error", "expired"), FAILED),
    **dict.fromkeys(("cancelled", "canceled"), CANCELLED),
}

Recipe = Mapping[str, Any]
Get = Callable[[str], Any]
"""Fetches a path of the service: its JSON."""


@dataclass(frozen=True)
class Status:
    """How a job is doing; what the service doesn't tell is None."""

    state: str
    """One of `queued`, `running`, `stopping`, `succeeded`, `failed`, `cancelled`."""
    step: int | None
    steps: int | None
    loss: float | None
    tokens: int | None
    """Tokens trained on, as they are billed."""
    message: str
    """The service's last word; why it failed, if it did."""
    model: str | None
    """What the service calls the tuned model, once there is one."""


@dataclass(frozen=True)
class Dialect:
    """One service's way of speaking the fine-tuning API."""

    title: str
    url: str
    secret: str
    """The secret that holds the key, unless another is named."""
    upload: str
    """Path that takes a file."""
    file_fields: Callable[[str], dict[str, str]]
    """What goes with a file of that name."""
    jobs: str
    """Path that takes and lists jobs."""
    least_rows: int
    """Fewest rows to train on that the service takes."""
    refused: Mapping[str, str]
    """Recipe keys that it can't honour, with the remedy; their default values stand for the service's own choice."""
    tools: bool
    """Whether it learns calls of tools; weights of messages both know."""
    extensions: bool
    """Whether its chat takes `chat_template_kwargs`, by its typed client: models that think are told not to."""
    job: Callable[[Recipe], dict[str, Any]]
    """The job that a recipe asks for, without its files."""
    mark: Callable[[str], dict[str, Any]]
    """Fields of a job that name its run."""
    find: Callable[[Get, str], str | None]
    """The id of a run's job."""
    read: Callable[[Get, str], Status]


def check(dialect: Dialect, recipe: Recipe, rows: int, calling: Sequence[Row] = ()) -> None:
    """Refuse a checked recipe, with so many rows to train on, that the service can't honour; raises `Mistakes`.

    `calling` are the rows with tools, if the dialect doesn't learn them.
    """
    checks = Checks()
    least = {"base_model": "any", "method": recipe["method"], "gate": {"token_f1": {"gain": 0.1}}}
    defaults = recipes.check(least) | {"method": recipes.METHODS[0]}
    for key, remedy in dialect.refused.items():
        value = _value(recipe, key)
        if value != _value(defaults, key):
            checks.add(key, f"{value!r} can't be honoured by {dialect.title}", remedy)
    if rows < dialect.least_rows:
        problem = f"{rows} rows to train on are too few for {dialect.title}"
        checks.add("train.jsonl", problem, f"It takes {dialect.least_rows} or more.")
    if calling:
        problem = f"{len(calling)} rows have tools, which {dialect.title} is not known to train on"
        checks.at(calling[0].place).add("tools", problem, "Leave them out, or take another back end.")
    try:
        if form := recipe["evaluation"]["format"]:
            check_format(form)
    except TandemError as error:
        checks.add("evaluation.format", str(error), "No answer could be held against it.")
    checks.finish("The recipe")


def _value(recipe: Recipe, key: str) -> Any:
    outer, _, inner = key.partition(".")
    return (recipe[outer] or {}).get(inner) if inner else recipe[outer]


def _rows_per_step(recipe: Recipe) -> int:
    return recipe["batch_size"] * recipe["gradient_accumulation"]


def _openai_job(recipe: Recipe) -> dict[str, Any]:
    hyperparameters = {"n_epochs": recipe["epochs"], "batch_size": _rows_per_step(recipe)}
    return {
        "model": recipe["base_model"],
        "seed": recipe["seed"],
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    }


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; of what is none, none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _jobs(page: Any) -> list[Mapping[str, Any]]:
    """The jobs of a page; raises `Refused` where it is none, since a job that is overlooked is started twice."""
    jobs = page.get("data") if isinstance(page, Mapping) else page
    if not isinstance(jobs, list):
        raise Refused(f"The service answered no list of jobs: {str(page)[:200]}")
    return _mappings(jobs)


def _optional(get: Get, path: str) -> Mapping[str, Any]:
    """What a compatible service may not have; empty then."""
    try:
        found = get(path)
    except Refused as error:
        if error.status not in NO_ROUTE:
            raise
        return {}
    return found if isinstance(found, Mapping) else {"data": found}


def _status(found: Any) -> str:
    """The state in a job's record, in the service's words."""
    state = found.get("status") if isinstance(found, Mapping) else None
    if not isinstance(state, str):
        raise Refused(f"The service answered no job: {str(found)[:200]}")
    return state


def _last_word(found: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> str:
    error = found.get("error")
    failure = error.get("message") if isinstance(error, Mapping) else error
    return str(failure or next((event["message"] for event in events if event.get("message")), found["status"]))


def _count(value: Any) -> int | None:
    """A number that floats can count to, so neither NaN nor infinite."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _openai_find(get: Get, run: str) -> str | None:
    query = {"limit": "100", f"metadata[{MARK}]": run}
    seen: set[Any] = set()
    while True:
        page = get(f"/fine_tuning/jobs?{urlencode(query)}")
        jobs = _jobs(page)
        for job in jobs:  # a compatible service may not know the filter
            marks = job.get("metadata")
            if isinstance(marks, Mapping) and marks.get(MARK) == run and _name(job.get("id")):
                return job["id"]
        last = jobs[-1].get("id") if jobs else None
        if not (isinstance(page, Mapping) and page.get("has_more")) or not last or last in seen:
            return None  # a service that doesn't know `after` gives the same page again
        seen |= {job.get("id") for job in jobs}
        query["after"] = str(last)


def _openai_read(get: Get, job: str) -> Status:
    found = get(f"/fine_tuning/jobs/{job}")
    state = _status(found)
    events = _mappings(_optional(get, f"/fine_tuning/jobs/{job}/events?limit=100").get("data"))  # newest first
    progress = next((event for event in events if event.get("type") == "metrics"), {})
    data, steps = progress.get("data"), STEPS.match(str(progress.get("message") or ""))
    metrics = data if isinstance(data, Mapping) else {}
    return Status(
        state=STATES.get(state.lower(), RUNNING),
        step=_count(metrics.get("step")),
        steps=int(steps[1]) if steps else None,
        loss=_number(metrics.get("train_loss")),
        tokens=_count(found.get("trained_tokens")),
        message=_last_word(found, events),
        model=_name(found.get("fine_tuned_model")),
    )


def _together_job(recipe: Recipe) -> dict[str, Any]:
    lora = recipe["lora"]
    kind: dict[str, Any] = {"type": "Full"}
    if lora:
        modules = lora["modules"] if isinstance(lora["modules"], str) else ",".join(lora["modules"])
        kind = {"type": "Lora", "lora_r": lora["rank"], "lora_alpha": lora["alpha"]}
        kind |= {"lora_dropout": lora["dropout"], "lora_trainable_modules": modules}
    return {
        "model": recipe["base_model"],
        "n_epochs": recipe["epochs"],
        "n_checkpoints": 1,
        "n_evals": recipe["epochs"],  # with none, which is the default, the validation rows would do nothing
        "learning_rate": recipe["learning_rate"],
        # As our own training does it: linear, the loss on the answers alone, one row a sequence.
        "lr_scheduler": {"lr_scheduler_type": "linear", "lr_scheduler_args": {"min_lr_ratio": 0.0}},
        "training_method": {"method": "sft", "train_on_inputs": False},
        "packing": False,
        "batch_size": _rows_per_step(recipe),
        "gradient_accumulation_steps": 1,
        "max_seq_length": recipe["max_sequence_tokens"],
        "warmup_ratio": recipe["warmup_ratio"],
        "weight_decay": recipe["weight_decay"],
        "max_grad_norm": 1.0,
        "random_seed": recipe["seed"],
        "training_type": kind,
    }


def _together_find(get: Get, run: str) -> str | None:
    jobs = _jobs(get("/fine-tunes"))
    return next((job["id"] for job in jobs if job.get("suffix") == run and _name(job.get("id"))), None)


def _together_read(get: Get, job: str) -> Status:
    found = get(f"/fine-tunes/{job}")
    state = _status(found)
    metrics = _optional(get, f"/fine-tunes/{job}/metrics").get("metrics")  # oldest first
    newest = _mappings(metrics)[::-1]
    events = sorted(_mappings(found.get("events")), key=lambda event: str(event.get("created_at") or ""), reverse=True)
    step = found.get("steps_completed") or _newest(events, "step") or _newest(newest, "train/global_step")
    return Status(
        state=STATES.get(state.lower(), RUNNING),
        step=_count(step) or None,
        steps=_count(found.get("total_steps")) or _count(_newest(events, "total_steps")),
        loss=_number(_newest(newest, "train/loss")),
        tokens=_count(found.get("token_count")),
        message=_last_word({"status": state}, events),
        model=_name(found.get("model_output_name")),
    )


def _newest(entries: Iterable[Mapping[str, Any]], key: str) -> Any:
    return next((entry[key] for entry in entries if entry.get(key) is not None), None)


EPOCHS = "It counts epochs: leave it out and set `epochs`."
ITS_OWN = "It chooses this itself: leave it out."
OPENAI = Dialect(
    title=BACKENDS["openai"].title,
    url="https://api.openai.com/v1",
    secret="tandem/openai",  # noqa: S106 - its name
    upload="/files",
    file_fields=lambda _: {"purpose": "fine-tune"},
    jobs="/fine_tuning/jobs",
    least_rows=10,
    refused={
        "method": "It has a way of its own: leave it out.",
        "max_sequence_tokens": "Each of its models has its own limit: leave it out.",
        "max_steps": EPOCHS,
        "learning_rate": "It takes a multiplier of a rate that it chooses itself: leave it out.",
        "warmup_ratio": ITS_OWN,
        "weight_decay": ITS_OWN,
        "checkpoint_steps": "It keeps a checkpoint an epoch: leave it out.",
        "lora.rank": ITS_OWN,
        "lora.alpha": ITS_OWN,
        "lora.dropout": ITS_OWN,
        "lora.modules": ITS_OWN,
    },
    tools=True,
    extensions=False,
    job=_openai_job,
    mark=lambda run: {"suffix": run, "metadata": {MARK: run}},
    find=_openai_find,
    read=_openai_read,
)
TOGETHER = Dialect(
    title=BACKENDS["together"].title,
    url="https://api.together.ai/v1",
    secret="tandem/together",  # noqa: S106 - its name
    upload="/files/upload",
    file_fields=lambda name: {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"},
    jobs="/fine-tunes",
    least_rows=1,
    refused={
        "max_steps": EPOCHS,
        "checkpoint_steps": "It counts checkpoints, not steps, and keeps the last: leave it out.",
    },
    tools=False,
    extensions=True,
    job=_together_job,
    mark=lambda run: {"suffix": run},
    find=_together_find,
    read=_together_read,
)
DIALECTS = {"openai": OPENAI, "together": TOGETHER}
