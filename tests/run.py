"""Every test, as `make test` runs them: what the local tier needs is built while checks and unit tests run.

Prints the seconds of each phase at the end. Whatever ends this, be it Ctrl-C, leaves nothing running.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from localcloud.toolchain import plugin

PHASES = ("check", "unit", "tools", "local")


def main(make: str, folder: Path) -> int:
    """Run the phases in the folder until one fails; returns its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs lack
    log = folder / ".tandem" / "tools.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        tools = plugin.start(["nice", make, "tools"], cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    seconds = {}
    try:
        for phase in PHASES:
            print(f"\n=== {phase}", flush=True)
            began = time.monotonic()
            failed = follow(tools, log) if phase == "tools" else subprocess.call([make, phase], cwd=folder)
            seconds[phase] = time.monotonic() - began
            if failed:
                print(f"\n=== {phase} failed")
                return failed
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        plugin.stop(tools)
        seconds["all"] = sum(seconds.values())
        print("\n=== " + ", ".join(f"{phase} {took:.0f} s" for phase, took in seconds.items()))


def follow(tools: subprocess.Popen, log: Path) -> int:
    """Show what the build says until it ends, and return its exit code."""
    with log.open() as said:
        while True:
            ended = tools.poll() is not None
            print(said.read(), end="", flush=True)
            if ended:
                return tools.returncode
            time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(os.environ.get("MAKE", "make"), Path(__file__).resolve().parents[1]))
