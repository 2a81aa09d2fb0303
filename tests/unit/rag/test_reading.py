"""A document is read in a process of its own: whatever it does there, it alone is rejected."""

import contextlib
import json
import os
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tandem_contract.errors import Unavailable

from tandem.rag import reader_process, reading
from tandem.rag.documents.section import Rejected, Section
from tandem.rag.functions import ingest
from tandem.rag.lease import LeaseLost
from tandem.runtime.retry import Deadline

from .conftest import Stack, context
from .fakes import DEAD_LETTERS
from .test_functions import message

pytestmark = [pytest.mark.usefixtures("own_process"), pytest.mark.faults]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where documents are read."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def read(content: bytes = b"Tea is warm. " * 70_000, seconds: float = 100, keep=lambda: None, **more):
    with reading.folder() as folder:
        file = folder / "document"
        file.write_bytes(content)
        found = reading.read(file, "a.txt", "", Deadline(seconds), keep, **more)
        return found, list(found.chunks())


def running() -> dict[int, int]:
    """Each process and its parent."""
    found = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            state, parent = each.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(each.parent.name)] = int(parent)
    return found


def readers() -> list[int]:
    """The processes that read a document now."""
    parents = running()
    return [process for process, parent in parents.items() if parents.get(parent) == os.getpid()]


@pytest.fixture
def impatient(monkeypatch):
    """What is to be done while a document is read is done often."""
    monkeypatch.setattr(reading, "LOOK_SECONDS", 0.01)


def signals(number: int) -> Callable[[], None]:
    """Sends each process that reads this signal."""

    def send() -> None:
        for process in readers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    return send


def test_chunks_come_back_in_order_and_nothing_stays(folder):
    found, chunks = read("Grüße.\n\nZweiter Absatz.".encode(), tokens=4, overlap=0)
    assert [chunk.position for chunk in chunks] == list(range(found.count))
    assert "".join("".join(chunk.text for chunk in chunks).split()) == "Grüße.ZweiterAbsatz."
    assert list(folder.iterdir()) == []


def test_half_of_a_character_stops_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(reader_process, "extract", lambda *_: iter([Section("a \ud800 b", heading="\udfff")]))
    source, chunks = tmp_path / "document", tmp_path / "chunks"
    source.touch()
    task = reader_process.Task(str(source), str(chunks), "", "", "a.json", "", 200, 40, 0, 0)
    assert reader_process.read(task).count == 1
    assert json.loads(chunks.read_text()) == [0, "a ? b", None, "?"]


def test_what_a_killed_process_left_is_removed_and_what_another_uses_is_not(folder):
    left, used = folder / "tandem-reading-4194305-x", folder / f"tandem-reading-{os.getppid()}-x"
    left.mkdir()
    used.mkdir()
    read(b"text")
    assert list(folder.iterdir()) == [used]


def test_the_process_has_no_credentials(monkeypatch, impatient, folder):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen = []

    def look():
        with contextlib.suppress(OSError):  # it has ended
            seen.extend(Path(f"/proc/{process}/environ").read_bytes() for process in readers())

    read(keep=look)
    assert b"PYTHONPATH" in seen[0] and b"AWS" not in seen[0] and b"secret" not in seen[0]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL])
def test_a_crash(impatient, number, folder):
    with pytest.raises(Rejected, match=rf"its reader crashed \(signal {number:d}\): the file may be damaged, save it"):
        read(keep=signals(number))
    assert read(b"The next is read.")[0].count == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_the_kernel_or_native_code_without_memory_ends_it(impatient, number, folder):
    with pytest.raises(Rejected, match="takes more than 768 MB of memory to read: split the document"):
        read(keep=signals(number))


def test_what_starts_readers_ends_in_between_or_at_work(impatient, folder):
    read(b"text")
    starter = reading.READERS._starter
    starter.kill()
    starter.wait()
    assert read(b"text")[0].count == 1
    with pytest.raises(Unavailable, match="has ended"):
        read(keep=reading.READERS._starter.kill)
    assert read(b"text")[0].count == 1


def test_a_program_with_many_files_open_reads_too(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert read(b"text")[0].count == 1
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_next_document_finds_nothing_of_the_last(folder):
    with pytest.raises(Rejected, match="reader crashed"):
        read(overlap=1000)
    found, chunks = read(b"text")
    assert (found.count, chunks[0].text, list(folder.iterdir())) == (1, "text", [])


def test_an_error_of_the_reader_is_told_and_its_traceback_logged(folder, capfd):
    with pytest.raises(Rejected, match=r"its reader crashed \(ValueError: chunk_overlap"):
        read(overlap=1000)
    assert "Traceback" in capfd.readouterr().err


def test_it_takes_too_long(monkeypatch, folder):
    monkeypatch.setattr(reading, "LONGEST_SECONDS", 1)
    with pytest.raises(Rejected, match="takes more than 1 seconds of a processor to read: split the document"):
        read(b"Tea is warm. " * 1_000_000)


def test_there_is_no_time_left_for_it(folder):
    with pytest.raises(TimeoutError, match="no time left in this invocation"):
        read(seconds=0.01)


def test_a_lost_lease_ends_it(impatient, folder):
    seen = set()

    def lost():
        seen.update(readers())
        if seen:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        read(keep=lost)
    for _ in range(100):
        if not seen & running().keys():
            return
        time.sleep(0.05)
    pytest.fail("it goes on")


def test_one_document_takes_all_memory_and_its_batch_goes_on(stack: Stack, environment, monkeypatch, folder):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "320")
    monkeypatch.setenv("TANDEM_MAX_DOCUMENT_MB", "25")
    stack.s3.put("big.txt", b"x" * 24_000_000)
    stack.s3.put("good.txt", "Tea is warm.")
    records = [message("big.txt", 1), message("good.txt", 2)]
    assert ingest.handler({"Records": records}, context()) == {"batchItemFailures": []}
    [letter] = stack.sqs.sent[DEAD_LETTERS]
    assert letter["reason"] == "it takes more than 64 MB of memory to read: split the document"
    assert (stack.row("big.txt").status, stack.row("good.txt").status) == ("rejected", "indexed")
