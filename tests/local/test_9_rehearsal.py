"""A verification that is killed in the middle of `up`: the next call removes what it left."""

import sys

import pytest

from tests.local.conftest import ROOT

pytestmark = pytest.mark.local

STACK = "rag-dev"


def dates() -> list[bytes]:
    """What a verification on AWS writes."""
    noted = (ROOT / "docs" / name for name in ("verified.md", "aws-facts-seen.json"))
    return [file.read_bytes() for file in noted if file.exists()]


@pytest.mark.faults
def test_what_a_killed_verification_left_is_removed_by_the_next(cloud):
    cloud.pulumi("destroy", "--stack", STACK, "--yes", check=False)  # where tests before this one left it
    before, noted = cloud.tandem("local", "audit", check=False).stdout, dates()
    rehearsal = [sys.executable, "-m", "scripts.rehearse", "--stack", STACK, "--point", "up"]
    done = cloud.run(*rehearsal, check=False, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert cloud.tandem("local", "audit", check=False).stdout == before
    assert dates() == noted
    assert not [*(cloud.home / "state").rglob("*.attrs")]  # which a kill leaves empty, and the state can't be read
    journal = cloud.home / "rehearsal" / f"{STACK}.jsonl"
    steps = [line.split('"')[3] for line in journal.read_text().splitlines()]
    assert steps[-5:] == ["begin", "up", "mend", "destroy", "clean"]
