"""Stacks on the local backend, and the `pulumi` command that leaves the stack files of the checkout as they are.

Pulumi keeps the salt of its passphrase encryption in the stack file, and each operation on a stack whose file has none
rewrites that file (`SecretsManagerShouldSave` in pkg/cmd/pulumi/stack/secrets.go). A local stack's salt belongs to the
local state: operations take it from there, and get a copy of the stack file to write into.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from localcloud import paths

if TYPE_CHECKING:
    from localcloud.toolchain.build import Toolchain

OPERATIONS = {"up", "update", "preview", "pre", "destroy", "down", "dn", "refresh", "import", "watch"}


def ensure_stack(toolchain: "Toolchain", name: str, directory: Path = paths.ROOT) -> None:
    """Create the stack of the project in `directory` if the local backend has none of that name.

    Raises subprocess.CalledProcessError, with what pulumi wrote in `stderr`.
    """

    def run(*arguments: str) -> str:
        command = [str(toolchain.pulumi), *arguments, "--non-interactive"]
        environment = os.environ | toolchain.env
        return subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, text=True, check=True
        ).stdout

    if any(stack["name"] == name for stack in json.loads(run("stack", "ls", "--json"))):
        return
    file = _stack_file(directory, name)
    before = file.read_bytes() if file.exists() else None
    try:
        run("stack", "init", name, "--no-select")
    finally:
        file.unlink(missing_ok=True) if before is None else file.write_bytes(before)


def main() -> None:
    """Become the pulumi that the first argument names, with the rest as its arguments."""
    program, *arguments = sys.argv[1:]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-s", "--stack", default=os.environ.get("PULUMI_STACK"))
    parser.add_argument("-C", "--cwd", type=Path, default=Path())
    parser.add_argument("-c", "--config", action="append")
    parser.add_argument("--config-file")
    given, rest = parser.parse_known_args(arguments)
    if OPERATIONS & set(rest) and not given.config and not given.config_file:
        stack = given.stack or _selected_stack(program, given.cwd)
        if stack:
            file = _stack_file(given.cwd, stack)
            copy = paths.CACHE / "stacks" / "-".join(file.parts[1:])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes() if file.exists() else b"")
            os.environ["PULUMI_OPTION_CONFIG_FILE"] = str(copy)
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted


def _selected_stack(program: str, directory: Path) -> str:
    command = [program, "stack", "--show-name", "--non-interactive"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False).stdout.strip()


def _stack_file(directory: Path, stack: str) -> Path:
    directory = directory.resolve()
    project = next((at for at in (directory, *directory.parents) if (at / "Pulumi.yaml").exists()), directory)
    settings = yaml.safe_load((project / "Pulumi.yaml").read_text()) if (project / "Pulumi.yaml").exists() else {}
    return project / settings.get("stackConfigDir", "") / f"Pulumi.{stack.rpartition('/')[2]}.yaml"


if __name__ == "__main__":
    main()
