"""The folder of checkpoints that the SageMaker stand-in keeps in S3."""

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
