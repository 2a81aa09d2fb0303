"""Reading of a document in a process of its own, with limits of memory and time.

A document that crashes its reader, or takes all memory or for ever, is rejected, and neither its batch nor the function
goes with it. The document comes as a file and its chunks go to one, so that neither is whole in the function's memory.
"""

import atexit
import contextlib
import hashlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tandem_contract.errors import Unavailable

from tandem.runtime.retry import Deadline

from .chunk import Chunk
from .documents.section import Rejected
from .reader_process import Result, Task

EXTRACTOR = 1
"""Version of readers and chunking, in each document's row: raise it when they give another text. Rows without one are
of releases that read in the function itself."""
FUNCTION_MEGABYTES = 1024
OWN_MEGABYTES = 256
"""Memory that stays for the function itself."""
LONGEST_SECONDS = 100
"""Of processor time, so that a busy machine rejects nothing. On Lambda, where a function of 1,024 MB has 0.58 of a
processor, it is three of the five minutes of a call."""
LOOK_SECONDS = 1.0
FOLDER = "tandem-reading-"
# Lambda finds its libraries by these; nothing else of the environment goes to the process, least of all credentials.
PASSED_ON = ("LD_LIBRARY_PATH", "LANG", "TMPDIR")


class Reading(NamedTuple):
    """A document that was read."""

    file: Path
    count: int
    """Chunks."""
    warnings: Sequence[str]
    """What of it was lost."""

    def chunks(self) -> Iterator[Chunk]:
        """The chunks in order, a line of the file at a time."""
        with self.file.open("rb") as lines:
            for line in lines:
                yield Chunk(*json.loads(line))

    def digest(self) -> str:
        """What is the same if all chunks are."""
        with self.file.open("rb") as lines:
            return hashlib.file_digest(lines, "sha256").hexdigest()


@contextlib.contextmanager
def folder() -> Generator[Path]:
    """A place for a document and its chunks, which is gone afterwards."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):  # by a process that was killed: Lambda keeps its files
        owner = int(left.name.removeprefix(FOLDER).partition("-")[0])
        if owner == os.getpid() or not _is_running(owner):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-") as name:
        yield Path(name)


def read(
    source: Path,
    name: str,
    content_type: str,
    deadline: Deadline,
    keep: Callable[[], None] = lambda: None,
    *,
    tokens: int = 200,
    overlap: int = 40,
) -> Reading:
    """Read a document that lies in a `folder()` and cut it into chunks; `keep` is called every second.

    Raises `Rejected`, or `TimeoutError` when the deadline came first. Of several callers one is served at a time.
    """
    megabytes = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", FUNCTION_MEGABYTES)) - OWN_MEGABYTES
    chunks, result, errors = (source.with_name(f"{source.name}.{it}") for it in ("chunks", "result", "errors"))
    task = Task(
        source=str(source),
        chunks=str(chunks),
        result=str(result),
        errors=str(errors),
        name=name,
        content_type=content_type,
        tokens=tokens,
        overlap=overlap,
        memory_bytes=megabytes << 20,
        seconds=LONGEST_SECONDS,
    )
    status = READERS.run(task, deadline, keep)
    if status == 0:
        count, warnings, rejected = Result(*json.loads(result.read_bytes()))
        if rejected:
            raise Rejected(rejected)
        return Reading(chunks, count, warnings)
    if status is None:
        raise TimeoutError("no time left in this invocation to read the document")
    if status == -signal.SIGXCPU:
        raise Rejected(f"it takes more than {LONGEST_SECONDS} seconds of a processor to read: split the document")
    said = errors.read_bytes()[-2000:].decode(errors="replace").strip() if errors.exists() else ""
    last = said.rpartition("\n")[2]
    # pdfium aborts without a word when it gets no memory; others say why they abort.
    is_silent = status == -signal.SIGABRT and not said
    if last.startswith("MemoryError") or "bad_alloc" in said or status == -signal.SIGKILL or is_silent:
        raise Rejected(f"it takes more than {megabytes} MB of memory to read: split the document")
    print(said, file=sys.stderr, flush=True)
    how = last if status > 0 else f"signal {-status}"
    raise Rejected(f"its reader crashed ({how}): the file may be damaged, save it again with another program")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Readers:
    """Starts a process for each document, through `reader_process`, which is started with the first."""

    def __init__(self) -> None:
        self._starter: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def run(self, task: Task, deadline: Deadline, keep: Callable[[], None]) -> int | None:
        """The exit status of the process that does the task, None if its time was over. Raises `Unavailable`."""
        with self._one_at_a_time:
            if self._starter and self._starter.poll() is not None:
                self.end()
            status = b""
            try:
                status = self._asked(self._starter or self._start(), task, deadline, keep)
            except BrokenPipeError:
                pass
            finally:
                if not status:
                    self.end()
            if status:
                return int(status)
            if not deadline.remaining():
                return None
            raise Unavailable("the process that starts readers of documents has ended")

    def end(self) -> None:
        """End what is running; the next document starts it anew."""
        starter, self._starter = self._starter, None
        if starter:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(starter.pid, signal.SIGKILL)
            with contextlib.suppress(BrokenPipeError), starter:
                pass  # waits for it, and closes the pipes

    def _start(self) -> subprocess.Popen[bytes]:
        # -S -s -P: nothing is on the path but what is on ours.
        command = [sys.executable, "-S", "-s", "-P", "-m", "tandem.rag.reader_process"]
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
        pipe = subprocess.PIPE
        self._starter = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, cwd=tempfile.gettempdir(), process_group=0
        )
        return self._starter

    @staticmethod
    def _asked(starter: subprocess.Popen[bytes], task: Task, deadline: Deadline, keep: Callable[[], None]) -> bytes:
        """The line that it answers; nothing if the time was over, or it is."""
        ask, answer = starter.stdin, starter.stdout
        assert ask and answer  # noqa: S101 - both are pipes
        ask.write(json.dumps(task).encode() + b"\n")
        ask.flush()
        with selectors.DefaultSelector() as ready:  # select.select takes no descriptor above 1,023
            ready.register(answer, selectors.EVENT_READ)
            while deadline.remaining():
                if ready.select(min(LOOK_SECONDS, deadline.remaining())):
                    return answer.readline()
                keep()
        return b""


READERS = Readers()
atexit.register(READERS.end)
