"""A trainer's container stays until all that it leaves is in S3."""

import contextlib
import itertools
import os
import signal
import threading
import time

import pytest

from tandem.finetuning.training import fetch, mirror
from tandem.finetuning.training.__main__ import main

from .files import JOB, copies, files


@pytest.fixture
def waiting(layout, monkeypatch):
    """A Pod whose inputs were fetched, and a trainer that looks often whether all is copied."""
    monkeypatch.setattr(mirror, "ASK_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGTERM)
    fetch.fetch(layout)
    layout.prepare()
    yield layout
    signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def mirroring(*each: mirror.Mirror):
    """Have these copy, one after the other, as long as the block runs."""
    done = threading.Event()

    def copy() -> None:
        for mirrored in itertools.cycle(each):
            if done.wait(0.02):
                return
            mirrored.once()

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_the_trainers_container_ends_only_when_its_model_is_in_s3(s3, waiting, monkeypatch):
    send = s3.upload_file

    def slow(file, *where) -> None:
        time.sleep(0.1)
        send(file, *where)

    monkeypatch.setattr(s3, "upload_file", slow)
    monkeypatch.setattr(mirror, "LARGE", 3)
    names = [*(f"model-{number}.safetensors" for number in range(5)), "tandem.json"]
    for name in names:
        (waiting.model / name).write_text("weights")
    (waiting.root / mirror.COPIED).write_text("1")  # the answer to another trainer
    # A sidecar that was restarted knows nothing of what the first one sent.
    with mirroring(copies(waiting), copies(waiting)):
        assert mirror.until_copied(waiting, 0) == 0
        assert {f"{JOB}/output/model/{name}" for name in names} <= s3.objects.keys()


@pytest.mark.faults
def test_why_a_step_failed_is_in_s3_before_its_container_ends(s3, waiting):
    with mirroring(copies(waiting)):
        assert main(["evaluate"]) == 2
        assert b"The recipe recipe.json can't be used" in s3.objects[f"{JOB}/output/failure"]


@pytest.mark.faults
@pytest.mark.parametrize(("code", "ends"), [(0, 143), (1, 1), (2, 2), (143, 143)])
def test_who_is_told_to_end_leaves_the_grace_to_the_mirror(s3, waiting, code, ends):
    told = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    if code != 143:
        told.start()
    began = time.monotonic()
    assert mirror.until_copied(waiting, code) == ends  # nothing mirrors
    assert time.monotonic() - began < 10


@pytest.mark.faults
def test_a_mirror_that_copies_nothing_is_not_waited_for(s3, waiting, monkeypatch, capfd):
    monkeypatch.setattr(mirror, "SILENT_SECONDS", 0.5)
    (waiting.model / "tandem.json").write_text("{}")
    s3.refuse = "tandem.json"
    with mirroring(copies(waiting)):
        assert mirror.until_copied(waiting, 0) == 0
    assert "Nothing was copied to S3 for 0 s: the log of container `mirror`" in capfd.readouterr().out


def test_nobody_waits_where_nothing_mirrors(s3, layout):
    layout.prepare()
    assert mirror.until_copied(layout, 0) == 0
    assert files(layout.root) == []
