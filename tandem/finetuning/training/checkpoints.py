"""Checkpoints that are whole: a marker, written last, names every file with its size.

A job can be killed while it writes one, and the upload to S3 takes files one by one, so that a folder may be there in
part. Only what its marker describes counts.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .layout import Refused, Say, write_json

MARKER = "complete.json"
PREFIX = "checkpoint-"
KEPT = 2


def mark(folder: Path, identity: Mapping[str, Any]) -> None:
    """Declare a checkpoint whole. `identity` says what it belongs to."""
    files = {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MARKER
    }
    write_json(folder / MARKER, {"identity": dict(identity), "files": files})


def newest(folder: Path, identity: Mapping[str, Any], say: Say) -> Path | None:
    """The newest whole checkpoint. Removes those that are not; raises `Refused` if it belongs to something else."""
    found = sorted(folder.glob(f"{PREFIX}*"), key=step, reverse=True)
    whole = []
    for path in found:
        if _is_whole(path):
            whole.append(path)
        else:
            say(f"{path.name} is not whole and is not used")
            shutil.rmtree(path)
    if not whole:
        return None
    belongs = json.loads((whole[0] / MARKER).read_text(encoding="utf-8"))["identity"]
    if belongs != dict(identity):
        raise Refused(
            f"The checkpoints in {folder} belong to another run ({_brief(belongs)}, not {_brief(identity)}): "
            "give this run a folder of its own."
        )
    return whole[0]


def step(path: Path) -> int:
    """The step that a checkpoint was written after; -1 for another name."""
    number = path.name.removeprefix(PREFIX)
    return int(number) if number.isdecimal() else -1


def _is_whole(path: Path) -> bool:
    try:
        files = json.loads((path / MARKER).read_text(encoding="utf-8"))["files"]
        return bool(files) and all((path / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _brief(identity: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:12]}" for name, value in identity.items())
