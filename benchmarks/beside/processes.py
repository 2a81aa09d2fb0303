"""Processor seconds of the local cloud's processes, by what they are."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from localcloud.services.supervisor import EMULATOR, MODELS, OPENSEARCH

PARTS = {"model server": MODELS, "OpenSearch": OPENSEARCH, "emulator": EMULATOR}
TICKS = os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    parent: int
    own: float
    ended: float
    """Of its children that have ended."""


def seconds() -> dict[str, float]:
    """User and system time up to now, also of children that have ended; the emulator's children are the functions."""
    found = dict(_processes())
    used: dict[str, float] = {}
    for name, part in PARTS.items():
        leader = part.running()["pid"]
        below = found[leader].ended + sum(found[each].own + found[each].ended for each in _below(leader, found))
        if part is EMULATOR:
            used |= {name: found[leader].own, "functions": below}
        else:
            used[name] = found[leader].own + below
    return used | {"client": sum(os.times()[:2])}


def _processes() -> Iterator[tuple[int, _Process]]:
    """All that run now, from `/proc/PID/stat` (man 5 proc)."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            user, system, ended_user, ended_system = (int(field) / TICKS for field in fields[11:15])
            yield int(folder.name), _Process(int(fields[1]), user + system, ended_user + ended_system)


def _below(leader: int, found: Mapping[int, _Process]) -> Iterator[int]:
    for pid, process in found.items():
        if process.parent == leader:
            yield pid
            yield from _below(pid, found)
