"""Question sets from the rows of a data set: the last user message, and the answer as the reference."""

from dataclasses import dataclass
from pathlib import Path

from tandem.finetuning.dataset.importers import Reader

from .questions import Question


@dataclass(frozen=True)
class Pairs:
    """The questions, and what of the rows a question set can't hold."""

    questions: tuple[Question, ...]
    several_turns: tuple[str, ...]
    """Places of rows with more than one question or a tool's call, which are left out: a question set has neither."""
    systems: tuple[str, ...]
    """Their system messages, each once: a run is given one by `--system`."""


def read(path: Path, document: str | None = None) -> Pairs:
    """Read rows as `tandem dataset import` does; `document` is the key of the document that answers all, if one does.

    An id is the file's name and the row's line. Raises `Mistakes` with every row that can't be read.
    """
    reader = Reader()
    rows = reader.read(path)
    reader.checks.finish(path.name)
    questions, left_out, systems = [], [], {}
    for row in rows:
        systems |= {text: None for role, text in row.messages if role == "system"}
        asked = [text for role, text in row.messages if role == "user"]
        if len(asked) > 1 or any("tool_calls" in held for held in row.more):
            left_out.append(row.place)
            continue
        name = f"{path.name.partition('.')[0]}-{row.line}"
        questions.append(Question(name, asked[0], document, row.messages[-1][1], answerable=True))
    return Pairs(tuple(questions), tuple(left_out), tuple(systems))
