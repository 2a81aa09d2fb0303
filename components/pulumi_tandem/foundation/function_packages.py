"""The packages that functions carry, built for Lambda: shipped in the wheel, or fetched once for each lock."""

import csv
import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pulumi

from .cache import cache_folder, drafted
from .function_platform import ARCHITECTURE, PIP_OPTIONS, PYTHON, UV_OPTIONS

SHIPPED = "_packages"  # as hatch_build.py calls it
# What an installer adds to what is in a wheel: commands, which name a machine's Python, and notes.
COMMANDS = ("..", "bin")
NOTES = tuple(f".dist-info/{name}" for name in ("INSTALLER", "REQUESTED", "direct_url.json"))


class Installer(NamedTuple):
    """What fetches packages."""

    name: str
    command: list[str]
    variables: tuple[str, ...]
    """What says which index it asks, through which proxy, and which certificates it trusts."""


def function_packages(lock: Path) -> Path:
    """The folder with what a lock names.

    Raises `pulumi.RunError` with what the installer said, and how to help it, if the packages can't be fetched.
    """
    shipped = lock.parent / SHIPPED
    if shipped.is_dir():
        return shipped
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    kept = cache_folder() / f"packages-{PYTHON}-{ARCHITECTURE}-{digest}"
    if not kept.is_dir():
        pulumi.log.info("Installing the functions' packages (once)")
        with drafted(kept) as draft:
            _install(lock, draft)
    return kept


def package_files(folder: Path) -> dict[str, bytes]:
    """Name in a zip -> content, of every file that the wheels in a folder list as theirs (RECORD), native code too.

    It is the same on every machine and by every installer, whose own files stay out, of the lists too.
    """
    content = {}
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        listed = csv.reader(record.read_text().splitlines())
        rows = sorted(row for row in listed if row[0].split("/")[0] not in COMMANDS and not row[0].endswith(NOTES))
        content |= {row[0]: (folder / row[0]).read_bytes() for row in rows}
        csv.writer(written := io.StringIO(), lineterminator="\n").writerows(rows)
        content[record.relative_to(folder).as_posix()] = written.getvalue().encode()
    return content


def _install(lock: Path, folder: Path) -> None:
    installer = _installer()
    command = [*installer.command, "--target", str(folder), "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise pulumi.RunError(
            f"The functions' packages in {lock} could not be fetched: {_safe(said)}\n"
            f"{installer.name} was told where to look by {', '.join(map(_shown, installer.variables))} and its "
            "configuration file. Correct them, or install pulumi-tandem as a wheel, which has these packages inside."
        )


def _installer() -> Installer:
    """This environment's pip, or uv where it made the environment, without pip."""
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", *PIP_OPTIONS]
        return Installer("pip", command, ("PIP_INDEX_URL", "HTTPS_PROXY", "PIP_CERT"))
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable, *UV_OPTIONS]
        return Installer("uv", command, ("UV_DEFAULT_INDEX", "HTTPS_PROXY", "SSL_CERT_FILE"))
    raise pulumi.RunError(
        f"The functions' packages can't be fetched: {sys.prefix} has no pip, and no uv is on PATH. "
        "Run `python -m ensurepip` or `uv pip install pip` for that environment."
    )


def _shown(variable: str) -> str:
    value = os.environ.get(variable) or os.environ.get(variable.lower())
    return f"{variable}={_safe(value)}" if value else f"{variable} (not set)"


def _safe(text: str) -> str:
    """A text without users, passwords and queries of the URLs in it, which may lack their scheme or host.

    What an index has in its path can't be told from other paths.
    """
    return re.sub(r"(?<=[\w/])\?\S+", "", re.sub(r"[^\s/=]*:[^\s/]*@", "", re.sub(r"(?<=://)\S*@", "", text)))
