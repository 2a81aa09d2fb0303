"""The functions' zips and what importing each handler costs, against importing botocore alone and an earlier zip."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from pulumi_tandem.foundation.function_code import GROUPS, function_code

from .report import Say, Table, median_ratio

RUNS = 7
BASELINE = "botocore.session"
HANDLER = re.compile(r"tandem/(\w+)/functions/(\w+)\.py")
# What the Lambda runtime has besides the standard library.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
MEASURE = (
    "import importlib, sys, time; sys.path[:0] = sys.argv[2:]; start = time.perf_counter(); "
    "importlib.import_module(sys.argv[1]); print(time.perf_counter() - start)"
)


def run(stack: str, say: Say, reference: Sequence[Path] = ()) -> Table:  # noqa: ARG001 - the checkout's zips
    """Import each in a fresh interpreter that finds its zip's content and the runtime's packages alone.

    `reference` are zips of another build, made by its own `function_code`; what they have too is measured beside ours.
    """
    ours, theirs = handlers(archives()), handlers(reference)
    base, times = _measured(sorted({*ours.items(), *theirs.items()}), say)
    columns = ["import", "zip", "median ms", f"of {BASELINE}"]
    columns += ["reference zip", "of its size", "of its import"] if reference else []
    rows = [[BASELINE, "", f"{median(base) * 1000:.0f}", "1.00", "", "", ""][: len(columns)]]
    for module, archive in ours.items():
        seconds, other = times[module, archive], theirs.get(module)
        row = [_short(module), _size(archive), f"{median(seconds) * 1000:.0f}", f"{median_ratio(seconds, base):.2f}"]
        if other:
            size, time = archive.stat().st_size / other.stat().st_size, median_ratio(seconds, times[module, other])
            row += [_size(other), f"{size:.2f}", f"{time:.2f}"]
        rows.append([*row, "", "", ""][: len(columns)])
    return Table(columns, rows)


def _measured(
    imported: Sequence[tuple[str, Path]], say: Say
) -> tuple[list[float], dict[tuple[str, Path], list[float]]]:
    """Seconds of each round, of the baseline and of each module from its zip."""
    base: list[float] = []
    times: dict[tuple[str, Path], list[float]] = {each: [] for each in imported}
    with tempfile.TemporaryDirectory() as folder:
        runtime = _linked_packages(Path(folder, "runtime"))
        unpacked = {archive: Path(folder, str(at)) for at, archive in enumerate({archive for _, archive in times})}
        for archive, place in unpacked.items():
            with zipfile.ZipFile(archive) as content:
                content.extractall(place)
        for number in range(RUNS + 1):
            base.append(_import_seconds(BASELINE, runtime))
            for (module, archive), seconds in times.items():
                seconds.append(_import_seconds(module, unpacked[archive], runtime))
            say(f"round {number} of {RUNS}" if number else "warm-up")
    for seconds in (base, *times.values()):
        del seconds[0]  # which only warmed the disk cache
    return base, times


def archives() -> list[Path]:
    """The zips that a deployment of this checkout uploads."""
    return [Path(str(function_code(group.handlers).path)) for group in GROUPS]


def handlers(zips: Iterable[Path]) -> Mapping[str, Path]:
    """Module of each handler -> the zip that has it."""
    found = {}
    for archive in zips:
        with zipfile.ZipFile(archive) as content:
            for name in content.namelist():
                if HANDLER.fullmatch(name) and b"def handler(" in content.read(name):
                    found[name.removesuffix(".py").replace("/", ".")] = archive
    return found


def _short(module: str) -> str:
    _, room, _, name = module.split(".")
    return f"{room}: {name}"


def _size(archive: Path) -> str:
    with zipfile.ZipFile(archive) as content:
        unpacked = sum(entry.file_size for entry in content.infolist())
    return f"{archive.stat().st_size / 1000:.0f} kB ({unpacked / 1e6:.1f} MB unpacked)"


def _linked_packages(folder: Path) -> Path:
    folder.mkdir()
    for name in RUNTIME_PACKAGES:
        source = Path(str(getattr(importlib.util.find_spec(name), "origin", "")))
        source = source.parent if source.name == "__init__.py" else source
        (folder / source.name).symlink_to(source)
    return folder


def _import_seconds(module: str, *folders: Path) -> float:
    """Import a module in an interpreter with no other packages. -B: Lambda keeps no bytecode of a function's code."""
    command = [sys.executable, "-I", "-S", "-B", "-c", MEASURE, module, *map(str, folders)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
