"""Record of a fine-tuning run: its recipe and data set, and where its files are in the artifact bucket."""

import datetime
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .errors import TandemError

FORMAT = 1
RUNS = "runs/"  # prefix of all runs in the artifact bucket
NAME_CHARACTERS = 36
"""A job adds its step and attempt, its Pod on a cluster `-node-0-15-abcde`, and JobSet takes 63 in all."""
STEPS = ("train", "evaluate")


@dataclass(frozen=True)
class Run:
    """The record of a run, `runs/<name>/run.json`; written once, before anything is billed."""

    name: str
    dataset: str
    """Prefix of the data set's folder in the dataset bucket, e.g. `datasets/faq/0123456789ab/`."""
    manifest_digest: str
    recipe_digest: str
    recipe: Mapping[str, Any]
    envelope: Mapping[str, Any]
    """The run envelope at the start; the pipeline's own is what counts."""
    price: Mapping[str, str]
    """`expected` and `ceiling` in dollars as shown before the start."""
    started_at: str
    """UTC, ISO 8601."""
    backend: str = ""
    """Where it runs; empty where the recipe says so, which, and its digest with it, is the same wherever it runs."""
    urgent: bool = False
    """Whether it goes before the other runs of its queue, and takes the place of running ones."""

    @property
    def runs_at(self) -> str:
        """Name of the back end that runs it."""
        return self.backend or self.recipe["backend"]

    @property
    def folder(self) -> str:
        """Prefix of all that belongs to the run."""
        return folder(self.name)

    def to_json(self) -> bytes:
        """The record's bytes."""
        content = asdict(self)
        for name in ("backend", "urgent"):  # functions of the last release don't know them
            if not content[name]:
                del content[name]
        return json.dumps({"format": FORMAT, **content}, indent=2, sort_keys=True).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Run":
        """Read a record; raises `TandemError` for one of another format."""
        content = json.loads(text)
        if content.pop("format", None) != FORMAT:
            raise TandemError(f"the run's record is not of format {FORMAT}: it was made by another version of tandem")
        return cls(**content)


def folder(run: str) -> str:
    """Prefix of all that belongs to a run."""
    return f"{RUNS}{run}/"


def record_key(run: str) -> str:
    """Key of the run's record."""
    return f"{folder(run)}run.json"


def recipe_key(run: str) -> str:
    """Key of the recipe that the jobs read."""
    return f"{folder(run)}recipe/recipe.json"


def checkpoints(run: str) -> str:
    """Prefix of what training keeps in step with S3 while it runs: checkpoints and `metrics.jsonl`."""
    return f"{folder(run)}checkpoints/"


def job_name(run: str, step: str, attempt: int) -> str:
    """Name of a job: unique, so that a repeated request can't start it twice; attempts count from 1."""
    return f"{run}-{step}-{attempt}"


def new_name(title: str, now: datetime.datetime) -> str:
    """A name for a run: the title, the time in UTC, and two random bytes, so that two starts never share one.

    It begins with a letter, as a TrainJob's has to.
    """
    ending = f"-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    if not slug[:1].isalpha():
        slug = f"run-{slug}".rstrip("-")
    return slug[: NAME_CHARACTERS - len(ending)].rstrip("-") + ending
