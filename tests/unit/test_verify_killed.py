"""A verification that is killed: the next call removes what it left."""

import json

import pytest

from scripts.verify import __main__ as verify
from tests.unit import test_verify_aws
from tests.unit.test_verify_aws import ACCOUNT, BUCKET, MADE, account, called, killed

here = test_verify_aws.here  # the fixture


@pytest.mark.faults
@pytest.mark.parametrize("at", range(1, 13))
def test_what_a_kill_leaves_the_second_call_removes(here, at):
    """At whichever command: a bucket that the state has, or whose creation was only begun; a lock; half a destroy."""
    assert killed([], at)
    assert verify.main(["--remove"]) == 0
    assert account(here) == [] and not (here / "lock").exists()
    assert verify.main(["--remove"]) == 0  # and finds nothing then
    assert called(here).count("pulumi up") <= 1


@pytest.mark.faults
@pytest.mark.parametrize("at", range(1, 9))
def test_a_kill_while_it_removes_is_no_matter(here, at):
    calls = here / "calls"
    assert killed([], 6)  # in `up`
    assert account(here) == ["arn:aws:s3:::docs-1234567"] and (here / "lock").exists()
    calls.unlink()
    assert killed(["--remove"], at)
    calls.unlink()
    assert verify.main(["--remove"]) == 0
    assert account(here) == [] and not (here / "lock").exists()


@pytest.mark.faults
def test_what_cannot_be_removed_is_named_and_nothing_else_is_done(here, monkeypatch):
    assert killed([], 6)
    unknown = BUCKET | {"type": "aws:cloudcontrol/resource:Resource", "urn": "urn:component"}
    pending = [{"type": "creating", "resource": unknown}]
    (here / "state").write_text(json.dumps({"deployment": {"pending_operations": pending}}))
    (here / "calls").unlink()
    for _ in range(2):  # with the operation, and after it was cleared
        with pytest.raises(SystemExit, match=r"(?s)rag-dev isn't gone: nothing else is done.*docs-1234567.*urn:comp"):
            verify.main([])
        assert "tandem cost" not in called(here)
    (here / "account").unlink()  # by hand
    assert verify.main([]) == 0


@pytest.mark.faults
def test_what_was_being_deleted_is_looked_for_first(here):
    """Its deletion may have been done: some services refuse another."""
    assert killed([], 6)
    pending = [{"type": "deleting", "resource": MADE}]
    (here / "state").write_text(json.dumps({"deployment": {"resources": [MADE], "pending_operations": pending}}))
    (here / "calls").unlink()
    assert verify.main(["--remove"]) == 0
    calls = (here / "calls").read_text()
    assert calls.index("pulumi refresh --yes --suppress-permalink --target=urn:docs") < calls.index("pulumi destroy")


@pytest.mark.faults
def test_what_was_left_elsewhere_is_removed_there(here, monkeypatch):
    assert killed([], 6)
    monkeypatch.setenv("REGION", "us-east-2")
    with pytest.raises(
        SystemExit, match=f"in account {ACCOUNT}, eu-north-1, and these are account {ACCOUNT}, us-east-2"
    ):
        verify.main([])
    assert account(here)
