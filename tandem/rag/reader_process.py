"""The process that reads one document: `python -m tandem.rag.reader_process`, started by `reading.read`.

Strangers' bytes meet native code here, so it has limits, no credentials and nothing else in its memory. It imports what
the document's reader needs and no more, since it starts once a document.
"""

import contextlib
import dataclasses
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from .chunk import chunk
from .documents import extract
from .documents.section import Loss, Rejected, Section
from .losses import Losses

LONGEST_TEXT = 200_000_000
"""Bytes of chunks that a document may make: a small archive can hold a very long text."""


class Task(NamedTuple):
    """What to read, where to write it, and within which limits."""

    source: str
    chunks: str
    """File that gets the chunks, a line each."""
    result: str
    """File that gets a `Result`, when it is done."""
    name: str
    content_type: str
    tokens: int
    overlap: int
    memory_bytes: int
    seconds: int
    """Of processor time."""


class Result(NamedTuple):
    """What became of it."""

    count: int = 0
    """Chunks."""
    warnings: Sequence[str] = ()
    """What was lost, `Losses.warnings`."""
    rejected: str = ""
    """Why the document can't be read."""


def read(task: Task) -> Result:
    """Extract and cut a document and write its chunks; raises `Rejected`."""
    losses, count, size = Losses(), 0, 0

    def sections() -> Iterator[Section]:
        for part in extract(task.name, task.content_type, Path(task.source).read_bytes()):
            if isinstance(part, Loss):
                losses.add(part)
            else:
                yield part.changed(_encodable)

    with Path(task.chunks).open("wb") as target:
        for each in chunk(sections(), task.tokens, task.overlap):
            size += target.write(json.dumps(dataclasses.astuple(each), ensure_ascii=False).encode() + b"\n")
            count += 1
            if size > LONGEST_TEXT:
                raise Rejected(f"its text has more than {LONGEST_TEXT // 1_000_000} MB: split the document")
    return Result(count, losses.warnings())


def _encodable(text: str) -> str:
    """A text without lone surrogates, which files can hold and no index takes."""
    return text.encode(errors="replace").decode()


def limit(task: Task) -> None:
    """Take away what the task doesn't need."""
    limits = {
        resource.RLIMIT_AS: (task.memory_bytes, task.memory_bytes),
        resource.RLIMIT_CPU: (task.seconds, task.seconds + 5),  # at the first SIGXCPU, which tells what it is
        resource.RLIMIT_FSIZE: (2 * LONGEST_TEXT, 2 * LONGEST_TEXT),
        resource.RLIMIT_CORE: (0, 0),
    }
    for kind, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS can't limit memory
            resource.setrlimit(kind, most)


def main() -> None:
    """Do the task that the first argument is, as JSON. Any end without a result is a crash."""
    task = Task(*json.loads(sys.argv[1]))
    limit(task)
    try:
        result = read(task)
    except Rejected as error:
        result = Result(rejected=str(error))
    Path(task.result).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
