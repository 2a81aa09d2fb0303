"""The folders of checkpoints that the SageMaker stand-in keeps in S3."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from boto3.exceptions import S3UploadFailedError

from localcloud.services.sagemaker import records


@pytest.mark.faults
def test_a_file_that_is_written_while_it_is_copied_is_left_to_the_next_time(tmp_path, monkeypatch):
    copied = []

    def upload(path, bucket, key):
        if key.endswith("README.md") and not copied:
            (tmp_path / "README.md").write_text("written on")
            copied.append("broken")
            raise S3UploadFailedError("BadDigest")
        copied.append(key)

    monkeypatch.setattr(records, "client", lambda service: SimpleNamespace(upload_file=upload))
    (tmp_path / "README.md").write_text("written")
    mirror = records.Mirror(tmp_path, "s3://bucket/checkpoints")
    mirror.push()
    assert copied == ["broken"]
    mirror.push()
    assert copied == ["broken", "checkpoints/README.md"]


@pytest.mark.faults
def test_a_file_that_cannot_be_copied_is_an_error(tmp_path, monkeypatch):
    def upload(path, bucket, key):
        raise S3UploadFailedError("AccessDenied")

    monkeypatch.setattr(records, "client", lambda service: SimpleNamespace(upload_file=upload))
    (tmp_path / "whole").write_text("whole")
    with pytest.raises(S3UploadFailedError):
        records.Mirror(tmp_path, "s3://bucket/checkpoints").push()


class Bucket:
    """S3 with the calls that a mirror makes; `sent` are the keys that were uploaded."""

    def __init__(self, *keys: str) -> None:
        self.objects, self.sent = {key: "" for key in keys}, []

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=lambda Bucket, Prefix: [{"Contents": [{"Key": key} for key in self.objects]}])

    def download_file(self, bucket, key, file):
        Path(file).write_text(self.objects[key])

    def upload_file(self, file, bucket, key):
        self.objects[key] = Path(file).read_text()
        self.sent.append(key)

    def delete_object(self, Bucket, Key):
        self.objects.pop(Key, None)


@pytest.fixture
def hosts(tmp_path, monkeypatch):
    """The bucket, with a checkpoint of an earlier attempt, and the folders and mirrors of two hosts that fetched it."""
    bucket, writers = Bucket("kept/old/first", "kept/old/second", "kept/metrics"), {}
    monkeypatch.setattr(records, "client", lambda service: bucket)
    folders = [tmp_path / name for name in ("first", "second")]
    mirrors = [records.Mirror(folder, "s3://bucket/kept", writers) for folder in folders]
    for mirror in mirrors:
        mirror.fetch()
    return bucket, folders, mirrors


def test_what_was_fetched_is_not_copied_again_and_goes_where_a_host_takes_it_away(hosts):
    bucket, folders, mirrors = hosts
    for mirror in mirrors:
        mirror.push()
    assert bucket.sent == []
    for folder, mirror in zip(folders, mirrors, strict=True):
        (folder / "old" / folder.name).unlink()
        mirror.push()
    assert bucket.objects.keys() == {"kept/metrics"} and bucket.sent == []


def test_a_host_deletes_nothing_that_it_never_had(hosts):
    bucket, (first, _), mirrors = hosts
    (first / "new").write_text("of the first")
    for mirror in mirrors:
        mirror.push()
    assert "kept/new" in bucket.objects
    (first / "new").unlink()
    for mirror in mirrors:
        mirror.push()
    assert "kept/new" not in bucket.objects


@pytest.mark.faults
@pytest.mark.parametrize("order", [1, -1])
def test_what_one_host_has_written_since_another_does_not_delete(hosts, order):
    """Both take away a checkpoint that isn't whole, and the first writes it anew before the second's loss is seen."""
    bucket, (first, second), mirrors = hosts
    for folder in (first, second):
        (folder / "old" / "first").unlink()
    (first / "old" / "first").write_text("anew")
    for mirror in mirrors[::order]:
        mirror.push()
    assert bucket.objects["kept/old/first"] == "anew"
    (first / "old" / "first").unlink()
    mirrors[0].push()
    assert "kept/old/first" not in bucket.objects
