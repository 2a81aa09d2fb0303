"""Every test, as `make test` runs them: what the tiers with a local cloud need is built while the others run.

Prints the seconds of each phase at the end. Whatever ends this, be it Ctrl-C, leaves nothing running. The Kubernetes
tier, which needs Linux and 15 GB of disk the first time, is left out where TANDEM_TEST_WITHOUT is `kubernetes`.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from localcloud.toolchain import plugin

PHASES = ("check", "unit", "tools", "local", "kubernetes-tools", "kubernetes")
BUILDS = ("tools", "kubernetes-tools")
WITHOUT = "TANDEM_TEST_WITHOUT"


def main(make: str, folder: Path) -> int:
    """Run the phases in the folder until one fails; returns its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs lack
    without = os.environ.get(WITHOUT, "")
    if without not in ("", "kubernetes"):
        sys.exit(f"{WITHOUT}={without!r} names no tier that may be left out: unset it, or set it to kubernetes.")
    phases = [phase for phase in PHASES if not without or not phase.startswith(without)]
    logs = {phase: folder / ".tandem" / f"{phase}.log" for phase in BUILDS if phase in phases}
    (folder / ".tandem").mkdir(exist_ok=True)
    builds = {phase: build(make, phase, folder, log) for phase, log in logs.items()}
    seconds = {}
    try:
        for phase in phases:
            print(f"\n=== {phase}", flush=True)
            began = time.monotonic()
            if phase in builds:
                failed = follow(builds[phase], logs[phase])
            else:
                failed = subprocess.call([make, phase], cwd=folder)
            seconds[phase] = time.monotonic() - began
            if failed:
                print(f"\n=== {phase} failed")
                return failed
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        for process in builds.values():
            plugin.stop(process)
        seconds["all"] = sum(seconds.values())
        print("\n=== " + ", ".join(f"{phase} {took:.0f} s" for phase, took in seconds.items()))


def build(make: str, target: str, folder: Path, log: Path) -> subprocess.Popen:
    """Make the target in the background."""
    with log.open("wb") as output:
        return plugin.start(["nice", make, target], cwd=folder, stdout=output, stderr=subprocess.STDOUT)


def follow(process: subprocess.Popen, log: Path) -> int:
    """Show what a build says until it ends, and return its exit code."""
    with log.open() as said:
        while True:
            ended = process.poll() is not None
            print(said.read(), end="", flush=True)
            if ended:
                return process.returncode
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(os.environ.get("MAKE", "make"), Path(__file__).resolve().parents[1]))
