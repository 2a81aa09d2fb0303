"""Rules of the house that a reader can count."""

import subprocess

from scripts.recorder import ROOT


def tracked(suffix: str = ".py", under: str = "") -> list:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", f"{under}*{suffix}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def lines(path) -> int:
    return len(path.read_text().splitlines())


def test_local_cloud_stays_small():
    """Under 2,500 lines, blank ones not counted, which nobody should save."""
    files = tracked(under="localcloud/")
    assert 0 < sum(1 for path in files for line in path.read_text().splitlines() if line.strip()) < 2500


def test_no_file_is_two_rooms():
    assert {str(path): lines(path) for path in tracked() if lines(path) > 400} == {}


def test_stack_program_is_read_at_a_glance():
    assert lines(ROOT / "__main__.py") < 60


def test_components_can_be_analyzed():
    """`from __future__ import annotations` breaks the schema of every component in the module."""
    assert not [p for p in tracked(under="components/") if "from __future__ import annotations" in p.read_text()]


def test_locks_name_no_package_index():
    for lock in tracked(".lock"):
        assert "://" not in lock.read_text(), lock
