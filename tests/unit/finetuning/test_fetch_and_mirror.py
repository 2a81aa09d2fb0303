"""A Pod's files: from S3 before the training, and to S3 while it goes on and after it was told to end."""

import io
import json
import os
import shutil
import signal
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

from tandem.finetuning.training import bucket, checkpoints, fetch, mirror
from tandem.finetuning.training.__main__ import main
from tandem.finetuning.training.layout import Layout, Refused

HOSTS = ("host-0", "host-1")
IDENTITY = {"recipe_digest": "r"}
CHANNELS = {"dataset": "s3://datasets/datasets/faq/0123/", "recipe": "s3://artifacts/runs/faq/recipe/"}
KEPT, JOB = "artifacts/runs/faq/checkpoints", "artifacts/runs/faq/jobs/faq-train-1"


class FakeS3:
    """Objects by bucket and key; `refuse` names those that can't be written."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.refuse = ""

    def get_paginator(self, operation):
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket, Prefix):
        found = [key for key in sorted(self.objects) if key.startswith(f"{Bucket}/{Prefix}")]
        for key in found:  # a page each
            yield {"Contents": [{"Key": key.partition("/")[2], "Size": len(self.objects[key])}]}
        yield {}

    def get_object(self, *, Bucket, Key):
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def put_object(self, *, Bucket, Key, Body):
        key = f"{Bucket}/{Key}"
        if self.refuse and self.refuse in key:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        self.sent.append(key)
        self.objects[key] = Body

    def download_file(self, bucket, key, to):
        Path(to).write_bytes(self.objects[f"{bucket}/{key}"])

    def upload_file(self, file, bucket, key):
        self.put_object(Bucket=bucket, Key=key, Body=Path(file).read_bytes())

    def delete_object(self, *, Bucket, Key):
        self.objects.pop(f"{Bucket}/{Key}", None)


@pytest.fixture
def s3(monkeypatch, tmp_path):
    fake = FakeS3()
    monkeypatch.setattr(bucket, "_client", lambda: fake)
    monkeypatch.setenv("TANDEM_ML_ROOT", str(tmp_path / "ml"))
    monkeypatch.setenv("TANDEM_CHANNELS", json.dumps(CHANNELS))
    monkeypatch.setenv("TANDEM_OUTPUT", f"s3://{JOB}/output/")
    monkeypatch.setenv("TANDEM_CHECKPOINTS", f"s3://{KEPT}/")
    fake.objects |= {
        "datasets/datasets/faq/0123/manifest.json": b"{}",
        "datasets/datasets/faq/0123/train.jsonl": b"rows",
        "artifacts/runs/faq/recipe/recipe.json": b"{}",
        # A neighbour whose name begins the same.
        "datasets/datasets/faq/01234/manifest.json": b"another's",
    }
    return fake


@pytest.fixture
def layout(s3):
    return Layout.from_environment()


def checkpoint(folder: Path, step: int, hosts=HOSTS, mark=True) -> Path:
    """What these hosts leave of a checkpoint of all."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True, exist_ok=True)
    for host in hosts:
        (path / f"{host}.distcp").write_text(f"shard of {host} after {step}")
        checkpoints.mark_host(path, host, [f"{host}.distcp"])
    if mark:
        checkpoints.mark(path, IDENTITY, HOSTS, len(HOSTS))
    return path


def stored(s3, step: int, tmp_path: Path, **which) -> None:
    """Have a checkpoint in S3."""
    for file in checkpoint(tmp_path / "made", step, **which).iterdir():
        s3.objects[f"{KEPT}/checkpoint-{step}/{file.name}"] = file.read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def copies(layout) -> mirror.Mirror:
    return mirror.Mirror(layout, bucket.Prefix(f"s3://{KEPT}/"), bucket.Prefix(f"s3://{JOB}/output/"))


def test_channels_are_laid_out_as_sagemaker_does(s3, layout):
    assert main(["fetch"]) == 0
    assert files(layout.root / "input") == [
        "data/dataset/manifest.json",
        "data/dataset/train.jsonl",
        "data/recipe/recipe.json",
    ]
    assert (layout.root / "input/data/dataset/train.jsonl").read_text() == "rows"
    assert files(layout.checkpoints) == []


@pytest.mark.faults
@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("host-host-1.json", "without host-host-1.json"),  # the second host was lost before it had marked its files
        ("host-1.distcp", "without host-1.distcp"),
        ("complete.json", "without complete.json"),
    ],
)
def test_a_checkpoint_that_lacks_a_hosts_part_is_passed_over(s3, layout, tmp_path, capfd, gone, why):
    stored(s3, 9, tmp_path)
    stored(s3, 10, tmp_path)
    stored(s3, 20, tmp_path)
    del s3.objects[f"{KEPT}/checkpoint-20/{gone}"]
    s3.objects[f"{KEPT}/metrics.jsonl"] = b'{"step": 20}\n'
    assert main(["fetch"]) == 0
    assert f"checkpoint-20 in S3 is not whole ({why}) and is passed over" in capfd.readouterr().out
    expected = [f"checkpoint-10/{name}" for name in ("complete.json", *(f"{host}.distcp" for host in HOSTS))]
    expected += [f"checkpoint-10/host-{host}.json" for host in HOSTS]
    assert files(layout.checkpoints) == sorted([*expected, "metrics.jsonl"])
    found = checkpoints.newest(layout.checkpoints, IDENTITY, print)
    assert found and found.name == "checkpoint-10"


@pytest.mark.faults
def test_a_shard_of_another_size_than_its_mark_says_does_not_count(s3, layout, tmp_path):
    stored(s3, 10, tmp_path)
    s3.objects[f"{KEPT}/checkpoint-10/host-0.distcp"] += b"more"
    assert main(["fetch"]) == 0
    assert files(layout.checkpoints) == []


@pytest.mark.faults
def test_what_cannot_be_fetched_is_the_jobs_failure(s3, layout):
    s3.objects[f"{JOB}/output/failure"] = b"of the attempt before"
    del s3.objects["artifacts/runs/faq/recipe/recipe.json"]
    assert main(["fetch"]) == 2
    words = (
        "The inputs can't be fetched: Channel `recipe` is empty: there is nothing under s3://artifacts/runs/faq/recip"
    )
    assert s3.objects[f"{JOB}/output/failure"].decode().startswith(words)


def test_the_failure_of_the_attempt_before_is_not_this_ones(s3, layout):
    s3.objects[f"{JOB}/output/failure"] = b"of the attempt before"
    assert main(["fetch"]) == 0
    assert f"{JOB}/output/failure" not in s3.objects


@pytest.mark.faults
def test_inputs_larger_than_the_disk_are_refused_with_both_numbers(s3, layout, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: namedtuple("usage", "free")(3))
    with pytest.raises(Refused, match=r"0\.0 GB left: give the nodes a larger volume \(tandem:volumeGigabytes\)"):
        fetch.fetch(layout)


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
