"""The command behind `make test`, with a make that only says what it would make."""

import signal
import subprocess
import sys
import time

import pytest

from scripts.recorder import ROOT

MAKE = """#!/bin/sh
echo "made $1"
[ "$1" = tools ] && echo $$ >tools.pid && sleep {seconds}
[ "$1" != {failing} ]
"""
CODE = "import pathlib, sys; from tests import run; sys.exit(run.main(sys.argv[1], pathlib.Path(sys.argv[2])))"


@pytest.fixture
def run(tmp_path):
    """Starts the command with a make of which one target fails, and whose tools take a while."""
    started = []

    def start(failing="none", seconds=0.2):
        make = tmp_path / "make"
        make.write_text(MAKE.format(failing=failing, seconds=seconds))
        make.chmod(0o755)
        command = [sys.executable, "-c", CODE, str(make), str(tmp_path)]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def lives(file) -> bool:
    if not file.exists():  # it was ended before it could say who it is
        return False
    done = subprocess.run(["ps", "-o", "stat=", "-p", file.read_text()], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")


def test_tools_are_made_beside_checks_and_unit_tests_and_awaited(run):
    process = run()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [line for line in said.splitlines() if "made" in line] == [
        f"made {phase}" for phase in ("check", "unit", "tools", "local", "kubernetes-tools", "kubernetes")
    ]
    assert said.splitlines()[-1].startswith("=== check 0 s, unit 0 s, tools ")


def test_the_kubernetes_tier_is_left_out_by_name_alone(run, monkeypatch):
    monkeypatch.setenv("TANDEM_TEST_WITHOUT", "kubernetes")
    said, _ = run().communicate(timeout=60)
    assert [line for line in said.splitlines() if "made" in line][-1] == "made local"
    monkeypatch.setenv("TANDEM_TEST_WITHOUT", "1")
    process = run()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1 and "made" not in said


@pytest.mark.faults
@pytest.mark.parametrize("failing", ["unit", "tools"])
def test_a_failing_phase_is_the_last(run, failing, tmp_path):
    process = run(failing, seconds=0.2 if failing == "tools" else 60)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"=== {failing} failed" in said and "made local" not in said
    assert not lives(tmp_path / "tools.pid")


@pytest.mark.faults
@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_whatever_ends_it_nothing_is_left_running(run, tmp_path, signal_, code):
    process, made = run(seconds=60), tmp_path / "tools.pid"
    while not (made.exists() and made.read_text()):
        time.sleep(0.1)
    process.send_signal(signal_)
    process.communicate(timeout=10)
    assert process.returncode == code
    deadline = time.monotonic() + 5
    while lives(made) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not lives(made)
