"""Stored runs: a folder with the questions, replies, scores, times and prices.

questions.jsonl  the question set as it was run
replies.jsonl    one line a question, in its order
metrics.json     quality alone: each metric's mean and interval, and its value for each question
run.json         the rest, written last: a folder without it is a run that isn't finished
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tandem_contract.errors import Mistakes, TandemError

from tandem.models.chat import has_text

from .questions import Question, encoded
from .questions import load as load_questions
from .spread import Latency

FORMAT = 2  # 1 had values by SQuAD's words, and counted a question as often as it was asked
FOLDER = Path(".tandem/evaluations")
CACHE = "cache"
# What reading a stored file raises that isn't ours, or no longer.
UNREADABLE = (OSError, json.JSONDecodeError, UnicodeDecodeError, LookupError, TypeError, ArithmeticError)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Reply:
    """What a target made of a question."""

    question: str = ""
    """The question's id."""
    text: str | None = None
    refused: bool = False
    cited: tuple[str, ...] = ()
    """Documents in the order of the citations, each once."""
    retrieved: tuple[str, ...] | None = None
    """Documents in rank order, each once; None: the target doesn't say, as a model alone can't."""
    model: str | None = None
    """The model, or the endpoint, that was asked and spoke; None if none did."""
    answered_by: str | None = None
    """The model that the answer itself names; None if it names none."""
    fingerprint: str | None = None
    """What else it says of who gave it (`system_fingerprint`)."""
    ended: str = ""
    """`cut` at the limit of tokens, `filtered` by the service, else empty."""
    thought: bool = False
    """Whether the model thought first; the thoughts are no part of the text."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """None: the target doesn't say."""
    score: float | None = None
    """Cosine of the best passage."""
    seconds: float = 0.0
    at_once: int = 1
    """How many calls went on at the same time."""
    error: str | None = None
    """Why there is no answer."""

    @property
    def missing(self) -> bool:
        """Whether there is neither an answer nor a refusal: the call failed, or gave no text."""
        return self.error is not None or not (self.refused or has_text(self.text or ""))


@dataclass(frozen=True)
class Measured:
    """A metric over the questions that it applies to: the mean, and its 95 % interval."""

    value: float
    low: float
    high: float
    count: int
    failed: int
    """Failed calls score 0 and are among the `count`."""


@dataclass(frozen=True)
class Price:
    """What 1,000 questions cost in US dollars; None where it isn't known, never zero instead."""

    usd_per_1000: Decimal | None
    how: str
    """How it was counted, or why it isn't known."""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A finished run."""

    name: str
    folder: Path
    target: Mapping[str, Any]
    """What was asked: everything that decides its answers, and no secret."""
    settings: Mapping[str, Any]
    """How it was asked and measured: `k`, `format`, `similarity`, `metric`, `refusal`, `concurrency`, `seconds`,
    `region`."""
    set_name: str
    """What the question set is called."""
    questions: tuple[Question, ...]
    digest: str
    """Of the question set, whatever its order."""
    replies: tuple[Reply, ...]
    """In the order of the questions."""
    scores: Mapping[str, tuple[float | None, ...]]
    """Metric -> a value for each question, None where it doesn't apply. What can't be measured here is absent."""
    metrics: Mapping[str, Measured]
    latency: Latency
    price: Price | None
    started_at: str
    finished_at: str


def digest(questions: Sequence[Question]) -> str:
    """The digest of a question set; it doesn't depend on the order."""
    lines = sorted(encoded([question]) for question in questions)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def find(run: str, folder: Path = FOLDER) -> Path:
    """The folder of a run that is named, or given by its path; raises `TandemError` if there is none."""
    for place in (folder / run, Path(run)):
        if (place / "run.json").is_file():
            return place
    unfinished = next((place for place in (folder / run, Path(run)) if place.is_dir()), None)
    if unfinished:
        raise TandemError(f"{unfinished} has no run.json: it is no run, or isn't finished; run it again to go on")
    known = ", ".join(sorted(path.parent.name for path in folder.glob("*/run.json"))) or "none"
    raise TandemError(f"there is no run {run!r} in {folder} (there are: {known}), and no folder of this name")


def load(folder: Path) -> Run:
    """Read a run; raises `TandemError` if it isn't finished, is of another format, or can't be read."""
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise TandemError(
                f"{folder}: its format is {about['format']!r}, this version reads {FORMAT}: run it again, which "
                "measures the kept answers anew"
            )
        questions = tuple(load_questions(folder / "questions.jsonl"))
        lines = (folder / "replies.jsonl").read_text(encoding="utf-8").split("\n")
        replies = tuple(reply_of(json.loads(line)) for line in lines if line)
        measured = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        run = Run(
            name=about["name"],
            folder=folder,
            target=about["target"],
            settings=about["settings"],
            set_name=about["questions"]["name"],
            questions=questions,
            digest=about["questions"]["digest"],
            replies=replies,
            scores={name: tuple(found["scores"]) for name, found in measured.items()},
            metrics={
                name: Measured(**{key: value for key, value in found.items() if key != "scores"})
                for name, found in measured.items()
            },
            latency=Latency(**about["latency"]),
            price=about["price"] and _price(about["price"]),
            started_at=about["started_at"],
            finished_at=about["finished_at"],
        )
    except FileNotFoundError as error:
        raise TandemError(
            f"{folder} has no {Path(error.filename).name}: it isn't a finished run; run it again"
        ) from error
    except (*UNREADABLE, Mistakes) as error:
        raise TandemError(f"{folder}: can't be read ({type(error).__name__}: {error}); run it again") from error
    if [reply.question for reply in replies] != [question.id for question in questions]:
        raise TandemError(f"{folder}: its replies are not those to its questions; run it again")
    return run


def replaced(folder: Path) -> tuple[Mapping[str, Any], str, int]:
    """Target, digest and number of questions of a run that another may replace, of whatever format and however whole.

    Raises `TandemError` if its `run.json` can't be read.
    """
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return about["target"], about["questions"]["digest"], about["questions"]["count"]
    except UNREADABLE as error:
        raise TandemError(f"{folder}: can't be read ({type(error).__name__}: {error})") from error


def save(run: Run, versions: Mapping[str, str]) -> None:
    """Write a run, `run.json` last. One that it replaces stays until all of the new one is on the disk."""
    metrics = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(asdict(found) | {'scores': run.scores[name]})}"
        for name, found in run.metrics.items()
    )
    about = {
        "format": FORMAT,
        "name": run.name,
        "target": run.target,
        "settings": run.settings,
        "questions": {"name": run.set_name, "count": len(run.questions), "digest": run.digest},
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "latency": run.latency._asdict(),
        "price": run.price and asdict(run.price),
        "versions": dict(versions),
    }
    contents = {
        "questions.jsonl": encoded(run.questions),
        "replies.jsonl": "".join(f"{json.dumps(asdict(reply))}\n" for reply in run.replies),
        "metrics.json": f'{{"format": {FORMAT}, "metrics": {{\n{metrics}\n}}}}\n',
        "run.json": json.dumps(about, indent=2, ensure_ascii=False, default="{:f}".format) + "\n",
    }
    _write_all({run.folder / name: text for name, text in contents.items()}, run.folder / "run.json")


def write(path: Path, text: str) -> None:
    """Write a file at once or not at all: who reads it meanwhile finds the old one or the new one."""
    _write_all({path: text})


def _write_all(contents: Mapping[Path, str], mark: Path | None = None) -> None:
    """Write files of which none takes its place before all are on the disk; `mark` is away meanwhile."""
    drafts = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in contents}
    path = next(iter(contents))
    try:
        for path, draft in drafts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(contents[path], encoding="utf-8")
        if mark:
            mark.unlink(missing_ok=True)
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        for draft in drafts.values():
            with suppress(OSError):
                draft.unlink()
        raise TandemError(f"{path}: can't be written ({error}). Give another place.") from error


def reply_of(content: Mapping[str, Any]) -> Reply:
    """A reply as `dataclasses.asdict` and JSON left it."""
    values: dict[str, Any] = dict(content)
    for key in ("cited", "retrieved"):
        values[key] = None if content[key] is None else tuple(content[key])
    return Reply(**values)


def _price(content: Mapping[str, Any]) -> Price:
    usd = content["usd_per_1000"]
    return Price(None if usd is None else Decimal(usd), content["how"], tuple(content["sources"]))
