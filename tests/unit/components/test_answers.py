"""What nobody answers before anything is made isn't taken for something that isn't there."""

import pytest
from pulumi_tandem.foundation.answers import there
from tandem_contract.names import UNASKED


@pytest.mark.faults
@pytest.mark.parametrize(
    ("says", "found", "reason"),
    [
        ("reading S3 Bucket (acme): couldn't find resource", False, ""),
        # The provider's words for a 403 to HeadBucket, recorded of one with `x-amz-bucket-region` and no body.
        (
            "reading S3 Bucket (acme): empty result",
            None,
            "S3 tells nothing of it: allow s3:ListBucket on it, if it is yours",
        ),
        ("reading OpenSearch Serverless Collection (acme): empty result", False, ""),
    ],
    ids=["404", "403", "another service"],
)
def test_a_bucket_that_s3_keeps_silent_about_is_not_said_to_be_missing(monkeypatch, says, found, reason):
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)

    def ask():
        raise Exception(says)

    assert there("bucket acme", ask) is found
    assert said == ([f"{UNASKED}bucket acme ({reason})"] if reason else [])
