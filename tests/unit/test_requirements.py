"""What is installed outside of a checkout's own environment is the part of the lock that it needs."""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.recorder import ROOT


def pins(file: str) -> dict[str, str]:
    """Package -> its pin, platforms and hashes, without what uv says of their origin."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.lstrip().startswith("#")]
    blocks = re.split(r"\n(?=\S)", "\n".join(lines))
    return {block.partition("==")[0]: block for block in blocks}


def needed(*requirements: str) -> set[str]:
    """The distributions here that these requirements name, with all that they need in turn."""
    found: set[str] = set()
    open_ = list(requirements)
    while open_:
        asked = Requirement(open_.pop())
        name = canonicalize_name(asked.name)
        if name not in found and (asked.marker is None or asked.marker.evaluate({"extra": ""})):
            found.add(name)
            open_ += metadata.requires(name) or []
    return found


CORE = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text())["project"]["dependencies"]
POLICIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["policies"]


BUILDS = [line for line in (ROOT / "core" / "build.in").read_text().splitlines() if not line.startswith("#")]


def test_the_action_builds_with_what_the_core_asks_for():
    asked = tomllib.loads((ROOT / "core" / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {*BUILDS} == {each for each in asked if not each.startswith("pip==")}  # which is there


@pytest.mark.parametrize(
    ("file", "by"),
    [("requirements.txt", ["pulumi-tandem"]), ("core/requirements.lock", [*CORE, *POLICIES, *BUILDS])],
    ids=["the stack program", "the action for pull requests"],
)
def test_requirements_are_the_locked_ones_and_no_others(file, by):
    projects = [ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml")]
    ours = {tomllib.loads(file.read_text())["project"]["name"] for file in projects}
    required, locked = pins(file), pins("requirements.lock")
    assert all("--hash=sha256:" in pin for pin in required.values())
    assert {name: pin for name, pin in required.items() if pin != locked.get(name)} == {}
    assert required.keys() == needed(*by) - ours
