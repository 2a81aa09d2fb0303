"""AWS clients on a person's machine: region and retries."""

import pytest
from tandem_contract.errors import TandemError

from tandem.clients import aws


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Credentials, and no region but what a test sets."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-secret")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n[profile bare]\noutput = json\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def test_region_is_the_given_one_then_the_environments_then_the_profiles(monkeypatch):
    def regions() -> tuple[str, str]:
        return aws.client("s3").meta.region_name, aws.region()

    assert regions() == ("eu-central-1", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert regions() == ("us-east-1", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert regions() == ("eu-north-1", "eu-north-1")
    assert aws.client("s3", "ap-south-1").meta.region_name == "ap-south-1"


def test_no_region_is_one_sentence(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "bare")
    with pytest.raises(TandemError, match="There is no AWS region: set AWS_REGION"):
        aws.region()


def test_a_client_tries_again_unless_its_caller_does():
    assert aws.client("s3").meta.config.retries == {"mode": "standard", "total_max_attempts": 7}
    once = aws.client("s3", retries={"total_max_attempts": 1}, read_timeout=7).meta.config
    assert (once.retries, once.read_timeout) == ({"total_max_attempts": 1, "mode": "legacy"}, 7)


def test_attempts_are_bounded():
    assert aws.client("pricing", "us-east-1").meta.config.retries["total_max_attempts"] == 7


def test_what_the_sdk_knows_is_read_once_for_all_clients(monkeypatch):
    from botocore.loaders import JSONFileLoader

    read = []
    load = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda self, path: read.append(path) or load(self, path))
    for service in ("sts", "s3", "sts", "s3"):
        aws.client(service, "us-east-1")
    assert [path for path in read if read.count(path) > 1 and load(JSONFileLoader(), path)] == []
