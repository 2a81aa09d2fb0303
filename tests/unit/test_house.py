"""Rules of the house that a reader can count."""

import subprocess
from collections import Counter

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


# Part of the local cloud -> how many lines of Python it may have; blank ones, which nobody should save, are free.
LOCAL_CLOUD = {"kubernetes/": 2000, "services/sagemaker/": 1200, "services/": 1500, "toolchain/": 950, "": 500}


def test_each_part_of_the_local_cloud_stays_small():
    """What isn't Python (shell, templates, Maven's and Go's files) is printed, and has no limit."""
    python, others = Counter(), Counter()
    for path in tracked("", under="localcloud/"):
        name = path.relative_to(ROOT / "localcloud").as_posix()
        counted = python if path.suffix == ".py" else others
        part = next(each for each in LOCAL_CLOUD if name.startswith(each)) if counted is python else path.suffix
        counted[part] += sum(1 for line in path.read_text().splitlines() if line.strip())
    print(dict(python), dict(others))
    assert python.keys() == LOCAL_CLOUD.keys()
    assert {part: count for part, count in python.items() if count > LOCAL_CLOUD[part]} == {}


def test_no_file_is_two_rooms():
    written = ROOT / "components" / "pulumi_tandem" / "arguments.py"  # by `make schema`, from tables in many rooms
    assert {str(path): lines(path) for path in tracked() if lines(path) > 400 and path != written} == {}


def test_stack_program_is_read_at_a_glance():
    assert lines(ROOT / "__main__.py") < 60


def test_components_can_be_analyzed():
    """`from __future__ import annotations` breaks the schema of every component in the module."""
    assert not [p for p in tracked(under="components/") if "from __future__ import annotations" in p.read_text()]


def test_locks_name_no_package_index():
    for lock in (*tracked(".lock"), ROOT / "requirements.txt"):
        assert "://" not in lock.read_text(), lock
