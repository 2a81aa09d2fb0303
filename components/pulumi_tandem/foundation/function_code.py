"""The one zip that every function runs from, and how such zips are made.

It holds `tandem`'s runtime (`tandem/rag`, and `tandem/finetuning` without what needs a GPU) and the few pure-Python
packages that it imports, so it is the same bytes on every machine and for both processor architectures, and needs no
Docker.
"""

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pulumi
import tandem_contract

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold


def runtime_folder() -> Path:
    """The `tandem` package: beside this one in a checkout or a plugin's clone, else installed."""
    checkout = Path(__file__).resolve().parents[3] / "tandem"
    if (checkout / "rag" / "requirements.lock").is_file():
        return checkout
    specification = importlib.util.find_spec("tandem")
    if specification is None or specification.origin is None:
        raise pulumi.RunError("The package `tandem` (what the functions run) is missing. Reinstall pulumi-tandem.")
    return Path(specification.origin).parent


def cache_folder() -> Path:
    """Where packages and zips are kept between previews."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulumi-tandem"


@functools.cache
def function_code() -> pulumi.FileArchive:
    """The zip, made when first needed.

    Raises `pulumi.RunError` with pip's last words if the packages can't be installed.
    """
    packages = _packages(runtime_folder() / "rag" / "requirements.lock")
    files = runtime_files("runtime", "rag", "finetuning")
    files = {name: path for name, path in files.items() if not name.startswith("tandem/finetuning/training/")}
    files |= {path.relative_to(packages).as_posix(): path for path in packages.rglob("*.py")}
    return pulumi.FileArchive(str(archive("functions", ".zip", {name: files[name].read_bytes() for name in files})))


def runtime_files(*rooms: str) -> dict[str, Path]:
    """Name in a zip -> file, of these sub-packages of `tandem` and of the contract."""
    runtime = runtime_folder()
    contract = Path(tandem_contract.__file__).parent
    files = {f"tandem_contract/{path.relative_to(contract).as_posix()}": path for path in contract.rglob("*.py")}
    files["tandem/__init__.py"] = runtime / "__init__.py"
    for room in rooms:
        files |= {f"tandem/{path.relative_to(runtime).as_posix()}": path for path in (runtime / room).rglob("*.py")}
    return files


def archive(name: str, suffix: str, content: Mapping[str, bytes]) -> Path:
    """A zip in the cache, named by the digest of its content: unchanged content is an unchanged input."""
    digest = hashlib.sha256()
    for entry in sorted(content):
        digest.update(f"{entry}\0{len(content[entry])}\0".encode() + content[entry])
    made = cache_folder() / f"{name}-{digest.hexdigest()[:16]}{suffix}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        draft = made.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as bundle:
            for entry in sorted(content):
                info = zipfile.ZipInfo(entry, EPOCH)
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                bundle.writestr(info, content[entry])
        draft.replace(made)  # atomic: two previews at once make the same bytes
    return made


def _packages(lock: Path) -> Path:
    """The functions' packages: shipped in the wheel, or installed once per lock into the cache."""
    shipped = lock.parent / "_packages"
    if shipped.is_dir():
        return shipped
    folder = cache_folder() / f"packages-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    pulumi.log.info("Installing the functions' packages (once)")
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
    command += ["--only-binary", ":all:", "--target", str(draft), "--requirement", str(lock)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(draft)
        raise pulumi.RunError(f"The functions' packages could not be installed: {result.stderr.strip()[-500:]}")
    try:
        draft.replace(folder)
    except OSError:  # another preview was first
        shutil.rmtree(draft)
    return folder
