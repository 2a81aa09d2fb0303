"""The `pulumi` of the local cloud, in front of one that only says what it was given."""

import subprocess
from pathlib import Path

import pytest

from localcloud import toolchain

PULUMI = """#!/bin/sh
[ "$1 $2" = "stack --show-name" ] && echo selected || echo "$PULUMI_OPTION_CONFIG_FILE $@"
"""


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        (["up", "--stack", "dev"], "config:\n  a: dev\n"),
        (["-C", "{project}", "preview", "-s=dev"], "config:\n  a: dev\n"),
        (["--cwd={project}/deep", "destroy", "--stack=organization/small/dev"], "config:\n  a: dev\n"),
        (["refresh"], "config:\n  a: selected\n"),
        (["up", "--stack", "new"], ""),
        (["up", "--stack", "dev", "--config-file", "other.yaml"], None),
        (["config", "set", "up", "1", "--stack", "dev"], None),
        (["stack", "output"], None),
    ],
)
def test_operations_get_a_copy_of_the_stack_file(tmp_path, arguments, config):
    project, pulumi = tmp_path / "project", tmp_path / "pulumi"
    (project / "deep").mkdir(parents=True)
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text("name: small\nstackConfigDir: stacks\n")
    for stack in ("dev", "selected"):
        (project / "stacks" / f"Pulumi.{stack}.yaml").write_text(f"config:\n  a: {stack}\n")
    pulumi.write_text(PULUMI)
    pulumi.chmod(0o755)
    wrapper = Path(toolchain.__file__).with_name("pulumi.sh")
    arguments = [argument.replace("{project}", str(project)) for argument in arguments]
    command = ["sh", str(wrapper), str(pulumi), str(tmp_path / "copies"), *arguments]
    printed = subprocess.check_output(command, cwd=project, text=True)
    file, _, passed = printed.partition(" ")
    assert passed.split() == arguments
    assert (Path(file).read_text() if file else None) == config
    assert not file or Path(file).is_relative_to(tmp_path / "copies")
