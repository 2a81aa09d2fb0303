"""Ships the functions' packages in the wheel, so that its users need neither pip nor network at deployment."""

import subprocess
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FunctionPackages(BuildHookInterface):
    """Installs what the lock of each group of functions names into `_packages` beside the lock, in the wheel."""

    def initialize(self, version: str, build_data: dict) -> None:
        if version == "editable":
            return
        for lock in sorted(Path(self.root, "tandem").glob("*/requirements.lock")):
            folder = tempfile.mkdtemp()
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
            command += ["--require-hashes", "--only-binary", ":all:", "--target", folder, "--requirement", str(lock)]
            subprocess.run(command, check=True)
            build_data["force_include"][folder] = f"tandem/{lock.parent.name}/_packages"
