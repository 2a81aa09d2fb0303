"""What a Pod gets from S3 before the training."""

import shutil
from collections import namedtuple

import pytest

from tandem.finetuning.training import checkpoints, fetch
from tandem.finetuning.training.__main__ import main
from tandem.finetuning.training.layout import Refused

from .files import HOSTS, IDENTITY, JOB, KEPT, files, stored


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
