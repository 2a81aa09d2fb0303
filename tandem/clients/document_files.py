"""Finds the files that `tandem ingest` uploads and decides their keys in the bucket."""

import os
from dataclasses import dataclass
from pathlib import Path

from tandem_contract.errors import TandemError

LONGEST_KEY = 1024  # bytes of UTF-8 (S3 user guide, "Naming Amazon S3 objects")


@dataclass(frozen=True)
class Document:
    """A local file and the key that it gets in the bucket."""

    path: Path
    key: str


@dataclass(frozen=True)
class Skipped:
    """A file that is not uploaded, and why."""

    path: Path
    reason: str


def find_documents(paths: list[Path], prefix: str = "") -> tuple[list[Document], list[Skipped]]:
    """Walk files and folders and return what to upload and what not.

    A key is the prefix and the path relative to the given folder; of a file that is named itself, the prefix and its
    name. Hidden files and folders are passed over, and what S3 takes no such key for. A named file is uploaded whatever
    is in it: the service reports what is wrong with it. Raises `TandemError` for a path that can't be read and for two
    files with the same key.
    """
    start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    found: dict[str, Document] = {}
    skipped: list[Skipped] = []
    for given in paths:
        if not os.access(given, os.R_OK):
            raise TandemError(f"{given} does not exist or can't be read.")
        if given.is_file():
            candidates = [(given, given.resolve().name)]
        else:
            candidates = [(path, path.relative_to(given).as_posix()) for path in _visible_files(given)]
        for path, name in candidates:
            if not given.is_file() and (reason := _unfit(path)):
                skipped.append(Skipped(path, reason))
                continue
            key = start + name
            if reason := _no_key(key):
                skipped.append(Skipped(Path(str(path).encode("utf-8", "backslashreplace").decode()), reason))
                continue
            if key in found and not found[key].path.samefile(path):
                raise TandemError(
                    f"{found[key].path} and {path} would both become {key!r}: give one of them another --prefix."
                )
            found[key] = Document(path, key)
    return list(found.values()), skipped


def _visible_files(folder: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return files


def _no_key(key: str) -> str | None:
    """Why S3 would take no object of this key."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "its name isn't UTF-8"
    return f"its key would have {size:,} bytes, and S3 takes {LONGEST_KEY:,}" if size > LONGEST_KEY else None


def _unfit(path: Path) -> str | None:
    from tandem.rag.documents import EXTENSIONS

    if path.suffix.lower() not in EXTENSIONS:
        return f"unknown type {path.suffix!r} (known: {', '.join(EXTENSIONS)})" if path.suffix else "no extension"
    if not (path.is_file() and os.access(path, os.R_OK)):
        return "can't be read"
    return None
