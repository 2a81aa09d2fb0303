"""`python -m benchmarks [NAME] [--write]`: run all benchmarks, or one, and print their tables."""

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    beside,
    cost,
    first_step,
    functions,
    ingestion,
    previews,
    queries,
    ranking,
    reading,
    samples,
    training,
    words,
)
from benchmarks.report import write_section
from scripts.local_environment import local_environment

MODULES = (ingestion, queries, functions, previews, training, cost, first_step, words, reading, ranking, beside)
BENCHMARKS = {module.__name__.rpartition(".")[2]: module for module in MODULES}
NEED_DOCUMENTS = ("words", "reading", "ranking", "beside")
OPTIONS = {
    "functions": ("reference",),
    "words": ("documents", "reference"),
    "reading": ("documents", "reference"),
    "ranking": ("documents", "embedder"),
    "beside": ("documents",),
}
HERE_ALONE = ("functions", "cost", "words", "reading")  # they need no local cloud
README = Path(__file__).parent / "README.md"
PACKAGES = ("pulumi-tandem", "pulumi-aws", "botocore", "ministack")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=BENCHMARKS, help="run this one only")
    parser.add_argument("--stack", default="rag-dev")
    parser.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        default=[],
        metavar="ZIP",
        help="functions, words, reading: compare with these",
    )
    parser.add_argument(
        "--documents",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help=f"{', '.join(NEED_DOCUMENTS)}: documents",
    )
    parser.add_argument("--embedder", default="", metavar="URL", help="ranking: not the local cloud's")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    options = parser.parse_args()
    if options.name not in HERE_ALONE and "AWS_ENDPOINT_URL" not in os.environ:
        arguments = [sys.executable, "-m", "benchmarks", *sys.argv[1:]]
        os.execve(sys.executable, arguments, local_environment())  # noqa: S606 - no shell is wanted
    needs_samples = options.name not in (*HERE_ALONE, "training", "first_step", "ranking")
    if needs_samples and (problem := samples.problem(options.stack)):
        sys.exit(f"{problem}\nThe benchmarks need stack {options.stack} with the sample documents: run make rag first.")
    setting = _setting()
    for name in [options.name] if options.name else [name for name in BENCHMARKS if name not in NEED_DOCUMENTS]:
        begun = time.monotonic()

        def say(line: str, name: str = name, begun: float = begun) -> None:
            print(f"{name} {time.monotonic() - begun:5.0f} s  {line}", flush=True)

        own = {option: getattr(options, option) for option in OPTIONS.get(name, ())}
        table = BENCHMARKS[name].run(options.stack, say, **own).markdown()
        print(f"\n{table}\n", flush=True)
        if options.write:
            write_section(README, name, f"{table}\n\n{setting}")
    print(setting)
    return 0


def _setting() -> str:
    """When, on how much and with which versions."""
    versions = [f"Python {platform.python_version()}"]
    if shutil.which("pulumi"):
        pulumi = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()
        versions.append(f"Pulumi {pulumi.removeprefix('v')}")
    versions += [f"{package} {version(package)}" for package in PACKAGES]
    day = datetime.datetime.now(datetime.UTC).date()
    return f"{day}, {os.cpu_count()} CPUs ({platform.machine()}), {', '.join(versions)}."


if __name__ == "__main__":
    sys.exit(main())
