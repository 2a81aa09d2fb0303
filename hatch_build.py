"""Ships the functions' packages in the wheel, so that its users need neither pip nor network at deployment."""

import subprocess
import sys
import tempfile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FunctionPackages(BuildHookInterface):
    """Installs `tandem/rag/requirements.lock` into `tandem/rag/_packages` of the wheel."""

    def initialize(self, version: str, build_data: dict) -> None:
        if version == "editable":
            return
        folder = tempfile.mkdtemp()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
        command += ["--only-binary", ":all:", "--target", folder, "--requirement", "tandem/rag/requirements.lock"]
        subprocess.run(command, cwd=self.root, check=True)
        build_data["force_include"][folder] = "tandem/rag/_packages"
