"""Files that are whole or not there, and what a disk refuses in a sentence."""

import errno
import shlex
import shutil
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud import paths

BLOCK = 4096  # what the smallest file takes of a disk
FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def write(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a text file at once."""
    partial = file.with_name(f"{file.name}.new")
    partial.touch(mode)
    partial.write_text(text)
    partial.replace(file)


def write_script(file: Path, *command: Path | str) -> bool:
    """Make an executable that runs this command with its own arguments at the end; return whether it is another one."""
    text = f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n'
    if file.is_file() and file.stat().st_size == len(text.encode()) and file.read_text() == text:
        return False
    write(file, text, 0o755)
    return True


def require_space(folder: Path, size: int, purpose: str) -> int:
    """The bytes that the disk of `folder` has left; raises TandemError where they are less than `size`."""
    free = shutil.disk_usage(folder).free
    if free < size:
        left, needed = (f"{number / 1e9:.1f} GB" for number in (free, size))
        raise TandemError(f"{folder} has {left} of disk left, and {purpose} takes {needed}: free some.")
    return free


def unpack(archive: Path, folder: Path, most: int) -> bool:
    """Unpack a zip archive of anybody's making into a new folder; return whether it is whole, and `most` bytes at most.

    Raises TandemError or OSError for what only the disk of `folder` is to blame for.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            size = sum(max(entry.file_size, BLOCK) for entry in packed.infolist())
            if size > most:
                return False
            require_space(folder.parent, size, f"unpacking {archive.name}")
            packed.extractall(folder)
    except Exception as error:  # zipfile lets through what its parts raise: zlib.error, struct.error, RuntimeError ...
        if isinstance(error, TandemError) or getattr(error, "errno", None) in FULL | FORBIDDEN:
            raise
        return False
    return True


@contextmanager
def disk_errors_told() -> Generator[None]:
    """Raise TandemError where a disk is full, or a file may not be written."""
    try:
        yield
    except OSError as error:
        place = error.filename or paths.TOOLS
        if error.errno in FULL:
            raise TandemError(f"{place}: no disk is left ({error.strerror}): free some, and try again.") from None
        if error.errno in FORBIDDEN:
            remedy = f"let this user write below {paths.TOOLS}, where the local cloud has all its tools"
            raise TandemError(f"{place}: {error.strerror}: {remedy}, and try again.") from None
        raise
