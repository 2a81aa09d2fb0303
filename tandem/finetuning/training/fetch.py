"""Brings a Pod what it needs from S3: its channels, the newest whole checkpoint, and the logs of earlier attempts.

Each Pod has a folder of its own and sees no other's. What counts as a checkpoint is therefore decided in S3: the newest
of which every host has marked its files.
"""

import json
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tandem_contract.cluster import PodVariable

from . import checkpoints
from .bucket import Prefix
from .layout import Layout, Refused, Say, say

FETCHED = "fetched.json"
"""In the job's folder: each file that came from where `mirror` copies to, with its size and time."""


def fetch(layout: Layout) -> None:
    """Bring everything; why it can't goes to `failure` in S3, since nothing mirrors yet. Raises `Refused`."""
    if os.getpid() == 1:  # a container's first process, which no signal ends that it doesn't handle
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    output = Prefix(os.environ[PodVariable.OUTPUT])
    output.delete("failure")  # an earlier attempt's
    try:
        _fetch(layout, output)
    except Exception as error:
        output.write("failure", f"The inputs can't be fetched: {error}".encode())
        raise


def _fetch(layout: Layout, output: Prefix) -> None:
    inputs = layout.root / "input" / "data"
    for name, address in json.loads(os.environ[PodVariable.CHANNELS]).items():
        files = Prefix(address).files()
        if not files:
            raise Refused(f"Channel `{name}` is empty: there is nothing under {address}, or it may not be listed.")
        _bring(Prefix(address), files, inputs / name)
    kept = Prefix(os.environ[PodVariable.CHECKPOINTS])
    files = kept.files()
    newest = newest_whole(kept, files, say)
    files = {name: size for name, size in files.items() if PurePosixPath(name).parts[0] == newest or "/" not in name}
    _bring(kept, files, layout.checkpoints)
    logs = output.within("../logs")
    _bring(logs, logs.files(), layout.logs)
    folders = (layout.checkpoints, layout.logs)
    came = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    known = {str(file.relative_to(layout.root)): state(file) for file in came}
    (layout.root / FETCHED).write_text(json.dumps(known), encoding="utf-8")
    say(f"Fetched all; checkpoint: {newest or 'none'}")


def newest_whole(kept: Prefix, files: Mapping[str, int], say: Say) -> str | None:
    """The newest checkpoint of which all that its marks name is in S3. `files` is what is there."""
    folders = {PurePosixPath(name).parts[0] for name in files if "/" in name}
    found = [PurePosixPath(folder) for folder in folders if checkpoints.step(PurePosixPath(folder)) >= 0]
    for path in sorted(found, key=checkpoints.step, reverse=True):

        def size(name: str, folder: str = path.name) -> int:
            if (there := files.get(f"{folder}/{name}")) is None:
                raise FileNotFoundError(2, "", name)
            return there

        def read(name: str, folder: str = path.name) -> bytes:
            size(name, folder)
            return kept.read(f"{folder}/{name}")

        if not (missing := checkpoints.lacking(read, size)):
            return path.name
        say(f"{path.name} in S3 is not whole ({missing}) and is passed over")
    return None


def state(file: Path) -> list[int]:
    """What tells that a file has changed: its size and time."""
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def _bring(source: Prefix, files: Mapping[str, int], to: Path) -> None:
    """Get files, if there is room for them."""
    to.mkdir(parents=True, exist_ok=True)
    needed, free = sum(files.values()), shutil.disk_usage(to).free
    if needed > free:
        raise Refused(
            f"{source.address} has {needed / 1e9:.1f} GB and {to} has {free / 1e9:.1f} GB left: give the nodes a "
            "larger volume (tandem:volumeGigabytes), or take an instance type with a disk of its own."
        )
    if files:
        say(f"Fetching {len(files)} files, {needed / 1e9:.2f} GB, from {source.address}")
    for name in files:
        source.download(name, to / name)
