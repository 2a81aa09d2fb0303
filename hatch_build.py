"""Builds two distributions from one tree: pulumi-tandem here, and its core in core/ (docs/adr/0015)."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = Path(__file__).resolve().parent
RUNTIME = {
    "tandem": HERE / "tandem",
    "tandem/LICENSE": HERE / "LICENSE",
    "tandem_contract": HERE / "components" / "tandem_contract",
    "tandem_policies": HERE / "policies" / "tandem_policies",
}
CORE = "tandem-core"
RELEASE = "TANDEM_RELEASE" in os.environ
"""Whether what is built is for an index, where pulumi-tandem finds its core; else its wheel has the core inside."""


class Metadata(MetadataHookInterface):
    """What both distributions say alike, and what pulumi-tandem needs of its core."""

    def update(self, metadata: dict[str, Any]) -> None:
        ours = project(HERE)
        if metadata["name"] == CORE:
            metadata |= {key: ours[key] for key in ("authors", "classifiers", "keywords", "urls")}
            metadata["optional-dependencies"] = {"policies": ours["optional-dependencies"]["policies"]}
            return
        files = f"{ours['urls']['Repository']}/blob/v{metadata['version']}"
        readme = for_an_index((HERE / "README.md").read_text(), files)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
        core = {"dependencies": [f"{CORE}=={metadata['version']}"]} if RELEASE else project(HERE / "core")
        metadata["dependencies"] = [*self.config["dependencies"], *core["dependencies"]]
        metadata["scripts"] = core.get("scripts", {})


class Runtime(BuildHookInterface):
    """Ships what runs; and with the components the packages of the functions, so that deploying needs no network."""

    folders: tuple[tempfile.TemporaryDirectory, ...] = ()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        is_core = self.metadata.core.name == CORE
        if is_core or not RELEASE:
            build_data["force_include"] |= {str(path): name for name, path in RUNTIME.items()}
        for lock in [] if is_core else sorted(RUNTIME["tandem"].glob("*/requirements.lock")):
            folder = tempfile.TemporaryDirectory()
            self.folders += (folder,)
            install(lock, folder.name)
            build_data["force_include"][folder.name] = f"tandem/{lock.parent.name}/_packages"

    def finalize(self, *_: Any) -> None:
        for folder in self.folders:
            folder.cleanup()


def project(folder: Path) -> dict[str, Any]:
    """The table `project` of a folder's pyproject.toml."""
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


def for_an_index(readme: str, files: str) -> str:
    """The README where its relative links lead nowhere: they become those of the release's `files`."""
    absolute = re.sub(r"\]\((?![a-z]+:|#)([^)]+)\)", rf"]({files}/\1)", readme)
    return re.sub(r"(!\[[^]]*\]\([^)]+\.svg)\)", r"\1?raw=true)", absolute)


def install(lock: Path, folder: str) -> None:
    """Install what a lock of the functions names, and nothing else, for Lambda."""
    platform = runpy.run_path(str(HERE / "components" / "pulumi_tandem" / "foundation" / "function_platform.py"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", *platform["PIP_OPTIONS"]]
    command += ["--target", folder, "--requirement", str(lock)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(
            f"The functions' packages in {lock.relative_to(HERE)} could not be installed; pip says why above. It takes "
            "an index, a proxy and a certificate from PIP_INDEX_URL, HTTPS_PROXY and PIP_CERT, or from pip.conf."
        )
    shutil.rmtree(Path(folder, "bin"), ignore_errors=True)  # commands, which name this machine's Python
