"""What a host and its ranks print, as files beside what the container prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, signal, subprocess, sys
from tandem.finetuning.training import logs

with logs.kept("rank-3"):
    print("of this process")
    print("an error", file=sys.stderr)
    subprocess.run(["sh", "-c", "echo of a child"])
    if len(sys.argv) > 1:
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
print("after it")
"""


def printed(folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'components'}"}
    if folder:
        environment["TANDEM_LOGS"] = str(folder)
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_log_has_all_that_is_printed_below_it_and_goes_on_with_the_next_attempt(tmp_path):
    done = printed(tmp_path / "logs")
    log = tmp_path / "logs" / "rank-3.log"
    lines = ["of this process", "an error", "of a child"]
    assert sorted(log.read_text().splitlines()) == sorted(lines)
    assert sorted(done.stdout.splitlines()) == sorted([*lines, "after it"]) and done.returncode == 0
    printed(tmp_path / "logs")
    assert len(log.read_text().splitlines()) == 6


@pytest.mark.faults
def test_what_was_printed_before_a_sigkill_is_kept(tmp_path):
    assert printed(tmp_path, "kill").returncode == -9
    assert "of this process\n" in (tmp_path / "rank-3.log").read_text()


def test_without_a_folder_nothing_is_kept(tmp_path):
    done = printed(None)
    assert done.stderr == "an error\n" and done.stdout.startswith("of ")
