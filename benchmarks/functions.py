"""The functions' zip and what importing each handler costs, against importing botocore alone."""

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median

from pulumi_tandem.foundation.function_code import function_code

from .report import Say, Table, median_ratio

RUNS = 7
HANDLERS = ("ensure_index", "ingest", "sweep", "query")
BASELINE = "botocore.session"
# What the Lambda runtime has besides the standard library.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
MEASURE = (
    "import importlib, sys, time; sys.path[:0] = sys.argv[2:]; start = time.perf_counter(); "
    "importlib.import_module(sys.argv[1]); print(time.perf_counter() - start)"
)


def run(stack: str, say: Say) -> Table:  # noqa: ARG001 - the checkout's zip, which is what a deployment uploads
    """Import each in a fresh interpreter that finds the zip's content and the runtime's packages alone."""
    archive = Path(str(function_code().path))
    modules = [BASELINE, *(f"tandem.rag.functions.{name}" for name in HANDLERS)]
    times: dict[str, list[float]] = {module: [] for module in modules}
    with tempfile.TemporaryDirectory() as folder:
        task, runtime = Path(folder, "task"), Path(folder, "runtime")
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(task)
            unpacked = sum(entry.file_size for entry in bundle.infolist())
        _link_packages(runtime)
        for number in range(RUNS + 1):
            for module in modules:
                seconds = _import_seconds(module, task, runtime)
                if number:  # the first only warms the disk cache
                    times[module].append(seconds)
            say(f"round {number} of {RUNS}" if number else "warm-up")
    size = f"{archive.stat().st_size / 1000:.0f} kB ({unpacked / 1e6:.1f} MB unpacked)"
    rows = []
    for module, seconds in times.items():
        cells = [f"{median(seconds) * 1000:.0f}", f"{median_ratio(seconds, times[BASELINE]):.2f}"]
        rows.append([module.rpartition("functions.")[2], "" if module == BASELINE else size, *cells])
    return Table(["import", "zip", "median ms", f"of {BASELINE}"], rows)


def _link_packages(folder: Path) -> None:
    folder.mkdir()
    for name in RUNTIME_PACKAGES:
        source = Path(str(getattr(importlib.util.find_spec(name), "origin", "")))
        source = source.parent if source.name == "__init__.py" else source
        (folder / source.name).symlink_to(source)


def _import_seconds(module: str, *folders: Path) -> float:
    """Import a module in an interpreter with no other packages. -B: Lambda keeps no bytecode of a function's code."""
    command = [sys.executable, "-I", "-S", "-B", "-c", MEASURE, module, *map(str, folders)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
