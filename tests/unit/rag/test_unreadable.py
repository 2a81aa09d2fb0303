"""Objects that S3 doesn't give to who asks."""

import pytest
from botocore.exceptions import ClientError

from .conftest import Stack
from .fakes import refused

OLD, NEW = "The kettle is blue.", "The kettle is red."


def refuse(stack: Stack, document: str, error: ClientError) -> None:
    """Have S3 refuse to give an object."""
    given = stack.s3.get_object

    def get_object(*, Bucket, Key):
        if Key == document:
            raise error
        return given(Bucket=Bucket, Key=Key)

    stack.s3.get_object = get_object


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("InvalidObjectState", "The operation is not valid for the object's storage class", "restore it"),
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct", "SSE-C"),
    ],
)
def test_what_s3_gives_to_nobody_is_rejected_and_not_tried_for_ever(stack: Stack, code, message, reason):
    stack.s3.put("a.txt", OLD)
    stack.converge("a.txt")
    stack.s3.put("a.txt", NEW)
    stack.s3.put("a.txt.old", OLD)
    refuse(stack, "a.txt", ClientError({"Error": {"Code": code, "Message": message}}, "GetObject"))
    outcome = stack.converge("a.txt")
    assert (outcome.status, reason in outcome.reason) == ("rejected", True)
    stack.converge("a.txt.old")
    assert stack.sweep().hints == 0
    del stack.s3.get_object
    assert stack.converge("a.txt").status == "indexed"


def test_one_that_is_gone_by_then_is_deleted(stack: Stack):
    stack.s3.put("a.txt.old", OLD)
    error = {"Error": {"Code": "InvalidObjectState", "Message": "archived"}}
    refuse(stack, "a.txt", ClientError(error, "GetObject"))
    assert stack.converge("a.txt").status == "deleted"


def test_what_its_role_may_not_read_stays_an_error(stack: Stack):
    stack.s3.put("a.txt", OLD)
    refuse(stack, "a.txt", refused("AccessDenied", 403))
    with pytest.raises(ClientError):
        stack.converge("a.txt")
