"""Stacks on the local backend, and the `pulumi` command that leaves the stack files of the checkout as they are.

Pulumi keeps the salt of its passphrase encryption in the stack file: every operation on a stack whose file has none
rewrites the file (`SecretsManagerShouldSave` in pkg/cmd/pulumi/stack/secrets.go). The salt of a local stack belongs to
the local state, so operations get a copy of the file by `--config-file`; its salt comes from the state.
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
ENVIRONMENT = {"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true"}


def ensure_stack(toolchain: "Toolchain", name: str, directory: Path = paths.ROOT) -> None:
    """Create the stack of the project in `directory` if the local backend has none of that name.

    Raises subprocess.CalledProcessError, with what pulumi wrote in `stderr`.
    """

    def pulumi(*arguments: str) -> str:
        command = [str(toolchain.pulumi), *arguments, "--non-interactive"]
        environment = os.environ | toolchain.env
        return subprocess.run(
            command, cwd=directory, env=environment, check=True, capture_output=True, text=True
        ).stdout

    if any(stack["name"] == name for stack in json.loads(pulumi("stack", "ls", "--json"))):
        return
    file = _stack_file(directory, name)
    before = file.read_bytes() if file.exists() else None
    try:
        pulumi("stack", "init", name, "--no-select")
    finally:
        if before is not None:
            file.write_bytes(before)
        else:
            file.unlink(missing_ok=True)


def main() -> None:
    """Become the pulumi that the first argument names, with the rest as its arguments."""
    program, *arguments = sys.argv[1:]
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-s", "--stack")
    parser.add_argument("-C", "--cwd", type=Path, default=Path())
    parser.add_argument("-c", "--config", action="append")
    parser.add_argument("--config-file")
    given, rest = parser.parse_known_args(arguments)
    if OPERATIONS & set(rest) and not given.config and not given.config_file:
        stack = given.stack or os.environ.get("PULUMI_STACK") or _selected(program, given.cwd)
        if stack and (copy := _copy_of(_stack_file(given.cwd, stack))):
            os.environ["PULUMI_OPTION_CONFIG_FILE"] = str(copy)
    os.execv(program, [program, *arguments])  # noqa: S606 - no shell is wanted


def _selected(program: str, directory: Path) -> str:
    command = [program, "stack", "--show-name", "--non-interactive"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False).stdout.strip()


def _stack_file(directory: Path, stack: str) -> Path:
    directory = directory.resolve()
    for folder in (directory, *directory.parents):
        if (folder / "Pulumi.yaml").exists():
            project = yaml.safe_load((folder / "Pulumi.yaml").read_text())
            return folder / project.get("stackConfigDir", "") / f"Pulumi.{stack.split('/')[-1]}.yaml"
    return directory / f"Pulumi.{stack}.yaml"


def _copy_of(file: Path) -> Path | None:
    if not file.exists():
        return None
    copy = paths.CACHE / "stacks" / str(file.parent).strip("/").replace("/", "-") / file.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = copy.with_suffix(f".{os.getpid()}")
    partial.write_bytes(file.read_bytes())
    return partial.replace(copy)


if __name__ == "__main__":
    main()
