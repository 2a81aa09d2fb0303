"""The processes that read documents, one each, and the one that they are copies of: started by `reading.read`.

Strangers' bytes meet native code here, so each has limits, no credentials and nothing else in its memory. The one that
they are copies of (`python -m tandem.rag.reader_process`) sees no document: it is there because an interpreter with a
reader's imports takes longer to start than most documents to read.
"""

import contextlib
import dataclasses
import json
import os
import resource
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from .chunk import chunk
from .documents import extract, load_reader
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
    errors: str
    """File that gets what the process prints."""
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


def do(task: Task) -> None:
    """Do a task. Any end without a result is a crash."""
    limit(task)
    try:
        result = read(task)
    except Rejected as error:
        result = Result(rejected=str(error))
    Path(task.result).write_text(json.dumps(result))


def main() -> None:
    """Do each task that comes, a line of JSON, in a process of its own, and tell how that ended, a line each."""
    for line in sys.stdin.buffer:
        task = Task(*json.loads(line))
        load_reader(task.name)
        process = os.fork()
        if not process:
            _do_and_exit(task)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _do_and_exit(task: Task) -> NoReturn:
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        errors = os.open(task.errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        os.chdir(Path(task.source).parent)
        do(task)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
