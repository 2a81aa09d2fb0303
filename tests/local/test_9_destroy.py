"""Destroying after use; these run last."""

import pytest

pytestmark = pytest.mark.local


def test_destroy_with_documents_in_place_leaves_nothing(service):
    assert service.cloud.client("s3").list_objects_v2(Bucket=service.bucket)["KeyCount"] > 20
    service.cloud.pulumi("destroy", "--stack", "rag-dev", "--yes")
    left = service.cloud.tandem("local", "audit", check=False)
    assert (left.returncode, left.stdout.strip()) == (0, "nothing left")
