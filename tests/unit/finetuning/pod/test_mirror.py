"""What goes to S3 while a Pod works, and after it was told to end."""

import os
import shutil
import signal
import threading
import time

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning.training import bucket, fetch, mirror
from tandem.finetuning.training.__main__ import main

from .files import JOB, KEPT, checkpoint, copies, stored


def test_nothing_that_was_fetched_is_copied_up_again(s3, layout, tmp_path):
    stored(s3, 10, tmp_path)
    s3.objects |= {
        f"{KEPT}/metrics.jsonl": b"line\n",
        f"{JOB}/logs/host-0.log": b"first\n",
        f"{JOB}/logs/rank-1.log": b"1\n",
    }
    fetch.fetch(layout)
    assert copies(layout).once() and s3.sent == []
    with (layout.logs / "host-0.log").open("a") as log:
        log.write("second\n")
    assert copies(layout).once()
    assert s3.sent == [f"{JOB}/logs/host-0.log"]
    assert s3.objects[f"{JOB}/logs/host-0.log"] == b"first\nsecond\n"


def test_what_a_pod_makes_goes_where_a_sagemaker_job_leaves_it(s3, layout):
    layout.prepare()
    layout.logs.mkdir()
    (layout.logs / "rank-0.log").write_text("log")
    (layout.checkpoints / "metrics.jsonl").write_text("{}\n")
    (layout.root / "output" / "failure").write_text("why")
    (layout.model / "adapter").mkdir()
    (layout.model / "adapter" / "a.safetensors").write_text("a")
    (layout.model / "tandem.json").write_text("{}")
    (layout.model / "tandem.json.part").write_text("{")
    assert copies(layout).once()
    assert s3.sent == [
        f"{KEPT}/metrics.jsonl",
        f"{JOB}/output/model/adapter/a.safetensors",
        f"{JOB}/logs/rank-0.log",
        f"{JOB}/output/failure",
        f"{JOB}/output/model/tandem.json",
    ]


def test_marks_come_after_what_they_name(s3, layout):
    checkpoint(layout.checkpoints, 10)
    assert copies(layout).once()
    names = [key.rpartition("/")[2] for key in s3.sent]
    assert set(names[:2]) == {"host-0.distcp", "host-1.distcp"} and names[-1] == "complete.json"


@pytest.mark.faults
def test_while_a_file_cannot_be_copied_no_mark_is(s3, layout, capfd):
    checkpoint(layout.checkpoints, 10)
    s3.refuse, mirrored = "host-1.distcp", copies(layout)
    assert not mirrored.once() and not mirrored.once()
    assert [key.rpartition("/")[2] for key in s3.sent] == ["host-0.distcp"]
    assert capfd.readouterr().out.count("host-1.distcp can't be copied to s3://") == 1
    s3.refuse = ""
    assert mirrored.once()
    assert (
        fetch.newest_whole(bucket.Prefix(f"s3://{KEPT}/"), bucket.Prefix(f"s3://{KEPT}/").files(), print)
        == "checkpoint-10"
    )


def test_a_large_file_is_copied_when_it_grows_no_more(s3, layout, monkeypatch):
    monkeypatch.setattr(mirror, "LARGE", 10)
    layout.prepare()
    weights, mirrored = layout.model / "model.safetensors", copies(layout)
    (layout.model / "tandem.json").write_text("{}")
    for part in ("0123456789", "0123456789abc"):
        weights.write_text(part)
        assert not mirrored.once() and s3.sent == []
    assert mirrored.once()
    assert [key.rpartition("/")[2] for key in s3.sent] == ["model.safetensors", "tandem.json"]


@pytest.mark.faults
def test_a_log_that_grows_or_cannot_be_copied_stops_no_checkpoint(s3, layout, monkeypatch):
    monkeypatch.setattr(mirror, "LARGE", 1000)
    monkeypatch.setattr(mirror, "APPENDED_BYTES_A_SECOND", 10**12)
    checkpoint(layout.checkpoints, 10)
    layout.logs.mkdir(parents=True)
    s3.refuse, mirrored = "rank-1.log", copies(layout)
    for grown in (b"1" * 1000, b"2" * 1001):
        (layout.logs / "rank-0.log").write_bytes(grown)
        (layout.logs / "rank-1.log").write_bytes(grown)
        assert not mirrored.once()
    assert f"{KEPT}/checkpoint-10/complete.json" in s3.objects
    assert s3.objects[f"{JOB}/logs/rank-0.log"] == grown
    # Nor does one checkpoint that can't be copied stop another's marks.
    s3.refuse = "checkpoint-20/host-1.distcp"
    checkpoint(layout.checkpoints, 20)
    checkpoint(layout.checkpoints, 30)
    assert not mirrored.once()
    marks = [key.split("/")[-2] for key in s3.sent if key.endswith("/complete.json")]
    assert marks == ["checkpoint-10", "checkpoint-30"]


def test_what_is_appended_to_is_sent_again_the_later_the_larger_it_is(s3, layout, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(mirror.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(mirror, "APPENDED_BYTES_A_SECOND", 10)
    layout.logs.mkdir(parents=True)
    log, mirrored = layout.logs / "rank-0.log", copies(layout)
    times = []
    for second in range(30):
        log.write_text("0123456789" * 5 + "x" * second)
        now[0] = 1000.0 + second
        count = len(s3.sent)
        whole = mirrored.once()
        assert whole == (len(s3.sent) > count)
        times += [second] if whole else []
    assert times == [0, 5, 11, 18, 25]
    assert mirrored.once(over=True)  # at the end at once
    assert s3.objects[f"{JOB}/logs/rank-0.log"] == log.read_bytes()


def test_a_rotated_checkpoint_goes_from_s3_once_a_newer_one_of_all_hosts_is_there(s3, layout):
    mine = ("host-0",)
    checkpoint(layout.checkpoints, 10, mine)
    mirrored = copies(layout)
    assert mirrored.once()
    there = {key for key in s3.objects if "checkpoint-10" in key}
    shutil.rmtree(checkpoint(layout.checkpoints, 20, mine).parent / "checkpoint-10")
    assert mirrored.once()
    assert there < s3.objects.keys()  # the other host is behind: nothing newer is whole
    for name, content in (("host-1.distcp", b"x"), ("host-host-1.json", b'{"files": {"host-1.distcp": 1}}')):
        s3.objects[f"{KEPT}/checkpoint-20/{name}"] = content
    assert mirrored.once()
    assert not there & s3.objects.keys()


def test_the_last_copy_comes_after_sigterm_and_has_what_was_saved_in_the_grace(s3, layout, monkeypatch):
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 60.0)
    before = signal.getsignal(signal.SIGTERM)

    def trainer() -> None:
        checkpoint(layout.checkpoints, 10)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Timer(0.2, trainer).start()
    began = time.monotonic()
    try:
        assert main(["mirror"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - began < 30
    assert s3.sent[-1] == f"{KEPT}/checkpoint-10/complete.json"


@pytest.mark.faults
def test_a_last_copy_that_fails_is_an_error(s3, layout, monkeypatch):
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(mirror.time, "sleep", lambda _seconds: None)
    before = signal.getsignal(signal.SIGTERM)
    layout.prepare()
    (layout.model / "tandem.json").write_text("{}")
    s3.refuse = "tandem.json"
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    try:
        with pytest.raises(TandemError, match="Not all could be copied"):
            mirror.mirror(layout)
    finally:
        signal.signal(signal.SIGTERM, before)
