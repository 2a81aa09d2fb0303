"""Checkpoints that are whole: marks, written last, name every file with its size.

A job can be killed while it writes one, and the upload to S3 takes files one by one, so that a folder may be there in
part. Each rank writes its own shard and each host marks its own files, since it sees no others; the mark of rank 0
comes after all of these and names the hosts. Only a folder with all that its marks describe counts.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
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
    """The newest whole checkpoint. Removes those that are not; raises `Refused` if it belongs to something else."""
    found = sorted(folder.glob(f"{PREFIX}*"), key=step, reverse=True)
    whole = []
    for path in found:
        if missing := lacking(functools.partial(_read, path), functools.partial(_size, path)):
            say(f"{path.name} is not whole ({missing}) and is not used")
            shutil.rmtree(path)
        else:
            whole.append(path)
    if not whole:
        return None
    belongs = json.loads((whole[0] / MARKER).read_text(encoding="utf-8"))["identity"]
    if belongs != dict(identity):
        raise Refused(
            f"The checkpoints in {folder} belong to another run ({_brief(belongs)}, not {_brief(identity)}): "
            "give this run a folder of its own."
        )
    return whole[0]


def rotate(folder: Path) -> None:
    """Remove all but the newest of those that this host has in its folder."""
    for path in sorted(folder.glob(f"{PREFIX}*"), key=step, reverse=True)[KEPT:]:
        shutil.rmtree(path)


def step(path: PurePath) -> int:
    """The step that a checkpoint was written after; -1 for another name."""
    number = path.name.removeprefix(PREFIX)
    return int(number) if path.name.startswith(PREFIX) and number.isdecimal() else -1


def _mark_of(host: str) -> str:
    return f"host-{host}.json"


def lacking(read: Callable[[str], bytes | str], size: Callable[[str], int]) -> str:
    """What of a checkpoint isn't there as its marks say; empty if all is.

    Of a file of its folder, `read` gives the content and `size` the bytes; both raise `FileNotFoundError`.
    """
    try:
        for host in json.loads(read(MARKER))["hosts"]:
            files = json.loads(read(_mark_of(host)))["files"]
            for name, expected in files.items():
                if size(name) != expected:
                    return f"{name} of {host} has another size"
            if not files:
                return f"nothing of {host}"
    except FileNotFoundError as error:
        return f"without {Path(error.filename).name}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def _size(folder: Path, name: str) -> int:
    return (folder / name).stat().st_size


def is_mark(name: str) -> bool:
    """Whether a file of a checkpoint is a mark, which is good only behind all that it names."""
    return name == MARKER or (name.startswith("host-") and name.endswith(".json"))


def _brief(identity: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:12]}" for name, value in identity.items())
