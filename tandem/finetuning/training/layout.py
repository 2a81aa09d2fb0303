"""Folders and files of a job: SageMaker's layout below one root."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_contract.errors import TandemError

from tandem.finetuning import recipe as recipes
from tandem.finetuning.dataset import folder as folders
from tandem.finetuning.dataset.splits import Splits

FAILURE_CHARACTERS = 1024  # what SageMaker shows of it
TANDEM_JSON = "tandem.json"


class Refused(TandemError):
    """The job can't do what it was asked; the text says what is wrong and what to do, in a sentence or two."""


class Interrupted(BaseException):
    """The job was told to end; the text says what another attempt goes on from.

    No `Exception`, since it comes out of a signal's handler, anywhere: a model that was being read isn't a broken one.
    """


@dataclass(frozen=True)
class Layout:
    """The folders of one job."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Layout":
        """Below `TANDEM_ML_ROOT`, or where SageMaker has them."""
        return cls(Path(os.environ.get("TANDEM_ML_ROOT") or "/opt/ml"))

    @property
    def tuned(self) -> Path:
        """What training wrote to `model`; evaluation's input."""
        return self.root / "input" / "data" / "model"

    @property
    def checkpoints(self) -> Path:
        """Kept in step with S3 while the job runs; what a job that goes on finds again."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """What the job makes."""
        return self.root / "model"

    @property
    def logs(self) -> Path:
        """On a cluster, the logs of this host and its ranks."""
        return self.root / "output" / "logs"

    def base(self, base_model: str) -> str:
        """A folder with the base model, or its Hugging Face id; raises `Refused` if neither is there."""
        folder = self.root / "input" / "data" / "base"
        if (folder / "config.json").is_file():
            return str(folder)
        if folder.is_dir() and any(folder.iterdir()):
            raise Refused(
                f"The base model in channel `base` has no config.json: {base_model} has to hold a Hugging Face model, "
                "that is config.json, *.safetensors and the tokenizer's files."
            )
        if base_model.endswith("/"):
            raise Refused(f"Channel `base` is empty: there is nothing under {base_model}. Upload the base model there.")
        return base_model

    def recipe(self) -> dict[str, Any]:
        """The recipe of channel `recipe`, checked again."""
        path = self.root / "input" / "data" / "recipe" / "recipe.json"
        try:
            return recipes.check(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, TandemError) as error:
            raise Refused(f"The recipe {path.name} can't be used: {error}") from error

    def dataset(self) -> tuple[dict[str, Any], Splits]:
        """The manifest and the rows of each split of channel `dataset`, their digests verified."""
        try:
            manifest, splits, _ = folders.read(self.root / "input" / "data" / "dataset")
        except TandemError as error:
            raise Refused(f"The data set in channel `dataset` can't be used: {error}") from error
        return manifest, splits

    def prepare(self) -> None:
        """Make the folders to write to and forget an earlier failure."""
        for folder in (self.checkpoints, self.model, self.root / "output"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.root / "output" / "failure").unlink(missing_ok=True)

    def reason(self) -> str:
        """Why the job fails, as written so far; empty if nothing was."""
        path = self.root / "output" / "failure"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def fail(self, reason: str) -> None:
        """Say why the job fails, where SageMaker reads it."""
        text = " ".join(reason.split())
        if len(text) > FAILURE_CHARACTERS:
            text = f"{text[: FAILURE_CHARACTERS - 3]}..."
        with contextlib.suppress(OSError):  # a full disk, of which the log tells too
            (self.root / "output").mkdir(parents=True, exist_ok=True)
            (self.root / "output" / "failure").write_text(text, encoding="utf-8")


NO_ROOM = ("No space left on device", "Disk quota exceeded", "inline_container.cc")


def lacks_room(error: BaseException | None) -> bool:
    """Whether an error, or what it follows from, is a full disk.

    safetensors says so in words; torch's writer only that it wrote less than it wanted, in a check of that file.
    """
    while error is not None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or any(words in str(error) for words in NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


Say = Callable[[str], None]


def say(line: str) -> None:
    """A line for the job's log."""
    print(line, flush=True)
