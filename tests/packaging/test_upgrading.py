"""What docs/upgrading.md promises of a rename, on the real engine; it needs no cloud."""

import json
import os
import subprocess

import pytest

from localcloud.toolchain import build

pytestmark = pytest.mark.local
PROGRAM = """
import pulumi

class Part(pulumi.ComponentResource):
    def __init__(self, name, aliases=()):
        super().__init__("{type}", name, opts=pulumi.ResourceOptions(aliases=list(aliases)))
        pulumi.Stash(
            f"{{name}}-{child}",
            input="content",
            opts=pulumi.ResourceOptions(parent=self, protect=True, aliases={child_aliases}),
        )

Part("handbook", {aliases})
"""
BEFORE = {"type": "tandem:rag:Ledger", "child": "table", "aliases": "[]", "child_aliases": "[]"}
RENAMED = {**BEFORE, "type": "tandem:rag:Records", "child": "records"}
ALIASED = {
    **RENAMED,
    "aliases": '[pulumi.Alias(type_="tandem:rag:Ledger")]',
    "child_aliases": '[pulumi.Alias(name=f"{name}-table")]',
}


@pytest.fixture
def preview(tmp_path):
    """Deploys the program as it was; the rest is what a preview of another says: the operations, and its code."""
    (tmp_path / "state").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: upgrade\nruntime: python\n")
    environment = os.environ | build.ensure(print) | {"PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}"}

    def pulumi(*arguments, program):
        (tmp_path / "__main__.py").write_text(PROGRAM.format(**program))
        command = ["pulumi", *arguments, "--stack", "dev", "--non-interactive"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    build.ensure_stack(environment, "dev", tmp_path)
    deployed = pulumi("up", "--yes", program=BEFORE)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    def operations(program):
        done = pulumi("preview", "--json", "--show-sames", program=program)
        return {step["op"] for step in json.loads(done.stdout)["steps"]}

    return operations


def test_a_rename_with_aliases_replaces_nothing(preview):
    assert preview(ALIASED) == {"same"}
    assert {"create", "delete"} <= preview(RENAMED)  # which the alias is for
