"""Checkpoints that are whole: marks, written last, name every file with its size.

A job can be killed while it writes one, and the upload to S3 takes files one by one, so that a folder may be there in
part. Each rank writes its own shard and each host marks its own files, since it sees no others; the mark of rank 0
comes after all of these and names the hosts. Only a folder with all that its marks describe counts.
"""

import functools
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from .layout import Refused, Say, write_json

MARKER = "complete.json"
PREFIX = "checkpoint-"
KEPT = 2


def mark_host(folder: Path, host: str, files: Iterable[str]) -> None:
    """Declare what this host wrote to be whole: the files, relative to the folder."""
    sizes = {name: (folder / name).stat().st_size for name in sorted(files)}
    write_json(folder / _mark_of(host), {"files": sizes})


def mark(folder: Path, identity: Mapping[str, Any], hosts: Iterable[str], world: int) -> None:
    """Declare a checkpoint whole, once all hosts have marked theirs. `identity` says what it belongs to."""
    write_json(folder / MARKER, {"identity": dict(identity), "hosts": list(hosts), "world_size": world})


def newest(folder: Path, identity: Mapping[str, Any], say: Say) -> Path | None:
    """The newest whole checkpoint; raises `Refused` if it belongs to something else."""
    whole = None
    for path in _newest_first(folder):
        if not (missing := _lacking(path)):
            whole = path
            break
        say(f"{path.name} is not whole ({missing}) and is not used")
    if whole is None:
        return None
    belongs = json.loads((whole / MARKER).read_text(encoding="utf-8")).get("identity", {})
    if belongs != dict(identity):
        raise Refused(
            f"The checkpoints in {folder} belong to another run ({_brief(belongs)}, not {_brief(identity)}): "
            "give this run a folder of its own."
        )
    return whole


def newest_part(folder: Path, host: str) -> tuple[str, bool]:
    """Name of the newest of which a host has all that it marked itself, and whether rank 0's mark is with it."""
    path = next((path for path in _newest_first(folder) if not _lacking(path, [host])), None)
    return (path.name, (path / MARKER).is_file()) if path else ("", False)


def clear(folder: Path) -> None:
    """Remove those that are not whole."""
    for path in _newest_first(folder):
        if _lacking(path):
            _remove(path)


def rotate(folder: Path) -> None:
    """Remove all but the newest of those that this host has in its folder."""
    for path in _newest_first(folder)[KEPT:]:
        _remove(path)


def _newest_first(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob(f"{PREFIX}*") if path.is_dir()), key=step, reverse=True)


def _remove(path: Path) -> None:
    """Another host may do the same, where hosts share a folder."""
    shutil.rmtree(path, ignore_errors=True)


def step(path: PurePath) -> int:
    """The step that a checkpoint was written after; -1 for another name."""
    number = path.name.removeprefix(PREFIX)
    return int(number) if path.name.startswith(PREFIX) and number.isdecimal() else -1


def _mark_of(host: str) -> str:
    return f"host-{host}.json"


def lacking(read: Callable[[str], bytes | str], size: Callable[[str], int], hosts: Sequence[str] = ()) -> str:
    """What of a checkpoint isn't there as its marks say; empty if all is. Of all its hosts, if none are given.

    Of a file of its folder, `read` gives the content and `size` the bytes; both raise `FileNotFoundError`.
    """
    try:
        hosts = hosts or json.loads(read(MARKER))["hosts"]
        if not hosts:
            return "no host"
        for host in hosts:
            files = json.loads(read(_mark_of(host)))["files"]
            for name, expected in files.items():
                if size(name) != expected:
                    return f"{name} of {host} has another size"
            if not files:
                return f"nothing of {host}"
    except FileNotFoundError as error:
        return f"without {Path(error.filename).name}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _lacking(path: Path, hosts: Sequence[str] = ()) -> str:
    return lacking(functools.partial(_read, path), functools.partial(_size, path), hosts)


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def _size(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size


def is_mark(name: str) -> bool:
    """Whether a file of a checkpoint is a mark of a host, also one that is just written, or of rank 0.

    A mark is good only behind all that it names.
    """
    return name == MARKER or re.match(r"host-.*\.json", name) is not None


def _brief(identity: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:12]}" for name, value in identity.items())
