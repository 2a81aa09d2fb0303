"""Checks, before a release is built, that tag, version, changes and repository are those of one release."""

import os
import re
import sys
import tomllib

import tandem_contract

from scripts.recorder import ROOT


def mistakes(tag: str, repository: str, changes: str) -> list[str]:
    """What is wrong with a release by this tag, from the repository at this URL, with this list of changes."""
    version, found = tandem_contract.__version__, []
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, the version {version}: change the tag, or tandem_contract.__version__.")
    if not re.search(rf"^## {re.escape(version)}\b", changes, re.MULTILINE):
        found.append(f"CHANGELOG.md has no section {version}: give `Unreleased` that name, and a date.")
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    if named != repository:
        found.append(f"project.urls in pyproject.toml names {named}, and this is {repository}: correct it there.")
    return found


if __name__ == "__main__":
    here = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    found = mistakes(os.environ["GITHUB_REF_NAME"], here, (ROOT / "CHANGELOG.md").read_text())
    sys.exit("\n".join(f"::error::{each}" for each in found))
