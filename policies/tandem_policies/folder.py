"""A policy pack as the Pulumi engine wants it: a folder, whose program serves the rules."""

import os
import re
import sys
from pathlib import Path

from tandem_contract import __version__
from tandem_contract.errors import TandemError

from .catalogue import configuration
from .levels import KINDS

PROGRAM = '''\
"""Serves Tandem's rules to the Pulumi engine, at the levels of the stack that it works on.

Written by `tandem policies`. Rules of your own go into the list: `[*policies(kind), *yours]`.
"""

import os

from pulumi_policy import PolicyPack
from tandem_policies.levels import kind_of
from tandem_policies.pack import policies

kind = kind_of(os.environ.get("PULUMI_STACK", ""))  # which the engine sets for a policy pack
PolicyPack("tandem", policies(kind))  # serves until the engine ends it
'''
PROJECT = """\
description: What stops the expensive and the unsafe before it is made
version: {version}
runtime:
  name: python
"""
ENVIRONMENT = """\
  options:
    toolchain: pip
    virtualenv: {path}
"""


def files(environment: str | None) -> dict[str, str]:
    """What stands in the folder, by name. `environment`: the virtual one that it runs in, as seen from there.

    Without one the engine takes the Python on PATH.
    """
    project = PROJECT.format(version=__version__) + (ENVIRONMENT.format(path=environment) if environment else "")
    return {
        "PulumiPolicy.yaml": project,
        "__main__.py": PROGRAM,
        **{f"{kind}.json": configuration(kind) for kind in KINDS},
    }


def write(folder: Path) -> None:
    """Write a pack that runs in this Python's environment. Raises `TandemError` for files there that say otherwise, but
    for the version that an earlier release has written."""
    virtual = (Path(sys.prefix) / "bin" / "python").exists()
    wanted = files(os.path.relpath(sys.prefix, folder) if virtual else None)
    try:
        there = {name: text for name, text in wanted.items() if (folder / name).exists()}
        others = ", ".join(name for name, text in there.items() if _said(folder / name) != _versionless(text))
        if others:
            remedy = "Name another folder, or remove it."
            raise TandemError(f"{others} in {folder}: already there, and something else. {remedy}")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise TandemError(f"The policy pack can't be written ({error}): name another folder.") from error


def _said(file: Path) -> str:
    return _versionless(file.read_bytes().decode(errors="replace"))


def _versionless(text: str) -> str:
    return re.sub("^version: .*$", "", text, flags=re.MULTILINE)
