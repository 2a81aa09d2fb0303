"""A verification that is killed: the next call removes what it left."""

import json

import pytest

from scripts.verify import __main__ as verify
from tests.unit import test_verify_aws
from tests.unit.test_verify_aws import ACCOUNT, BUCKET, MADE, UP, account, called, configuration, killed

here = test_verify_aws.here  # the fixture


@pytest.mark.faults
@pytest.mark.parametrize("at", range(1, 12))
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
    assert killed([], UP)
    assert account(here) == ["arn:aws:s3:::docs-1234567"] and (here / "lock").exists()
    calls.unlink()
    assert killed(["--remove"], at)
    calls.unlink()
    assert verify.main(["--remove"]) == 0
    assert account(here) == [] and not (here / "lock").exists()


@pytest.mark.faults
def test_what_cannot_be_removed_is_named_and_nothing_else_is_done(here, monkeypatch):
    assert killed([], UP)
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
    assert killed([], UP)
    pending = [{"type": "deleting", "resource": MADE}]
    (here / "state").write_text(json.dumps({"deployment": {"resources": [MADE], "pending_operations": pending}}))
    (here / "calls").unlink()
    assert verify.main(["--remove"]) == 0
    calls = (here / "calls").read_text()
    assert calls.index("pulumi refresh --yes --suppress-permalink --target=urn:docs") < calls.index("pulumi destroy")


@pytest.mark.faults
def test_what_was_left_elsewhere_is_removed_there(here, monkeypatch):
    assert killed([], UP)
    monkeypatch.setenv("CONFIGURATION", configuration("us-east-2"))
    with pytest.raises(
        SystemExit, match=f"in account {ACCOUNT}, eu-north-1, and these are account {ACCOUNT}, us-east-2"
    ):
        verify.main([])
    assert account(here)


VPC = "arn:aws:ec2:eu-north-1:123456789012:vpc/vpc-"
PENDING = {"deployment": {"pending_operations": [{"type": "creating", "resource": {"urn": "urn:vpc", "type": "x"}}]}}
PENDING["deployment"]["pending_operations"][0]["resource"] |= {"type": "aws:ec2/vpc:Vpc", "custom": True}


def left_with(here, *lines: str) -> str:
    """A verification that was killed while it made a network, and what is in the account then; the id of it."""
    assert killed([], UP)
    began = json.loads((here / "journal" / "rag-dev.jsonl").read_text().splitlines()[0])
    (here / "state").write_text(json.dumps(PENDING))
    (here / "account").write_text("".join(f"{line.format(began['verification'])}\n" for line in lines))
    (here / "calls").unlink()
    return began["verification"]


@pytest.mark.faults
@pytest.mark.parametrize("options", [[], ["--remove"]])
def test_what_a_colleague_has_under_the_same_name_is_named_and_not_touched(here, options, capsys):
    """It was made after the kill, by a stack of the same name in the same account; one of its verification, too."""
    others = [f"{VPC}0000000a", f"{VPC}0000000c 0123456789abcdef"]
    left_with(here, others[0], f"{VPC}0000000b {{}}", others[1])
    if options:
        assert verify.main(options) == 0
    else:  # and is no place for another verification
        with pytest.raises(SystemExit, match=r"has 2 resources of a stack rag-dev that isn't in this backend"):
            verify.main(options)
    assert account(here) == [line.split()[0] for line in others]
    said = capsys.readouterr().out
    assert "another's, and not touched:\n  " + "\n  ".join(account(here)) in said
    assert f"{VPC}0000000b" not in said
    assert (here / "journal" / "rag-dev.jsonl").read_text().splitlines()[-1] == '{"step": "clean"}'


@pytest.mark.faults
def test_a_colleagues_alone_isnt_taken_for_what_was_being_made(here):
    left_with(here, f"{VPC}0000000a")
    assert verify.main(["--remove"]) == 0
    assert account(here) == [f"{VPC}0000000a"]


@pytest.mark.faults
def test_what_a_journal_without_an_id_left_is_named_and_nothing_is_taken_by_its_tag(here):
    """Of an earlier release: nobody can tell whose it is."""
    drawn = left_with(here, f"{VPC}0000000a")
    journal = here / "journal" / "rag-dev.jsonl"
    journal.write_text(journal.read_text().replace(f'"verification": "{drawn}", ', ""))
    for _ in range(2):
        with pytest.raises(SystemExit, match=rf"(?s)may be another's.*then {journal}.*vpc-0000000a.*perhaps urn:vpc"):
            verify.main(["--remove"])
    assert account(here) == [f"{VPC}0000000a"]
    journal.unlink()  # as it says
    with pytest.raises(SystemExit, match="Nothing was removed"):
        verify.main(["--remove"])
