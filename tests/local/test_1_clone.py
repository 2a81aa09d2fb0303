"""A fresh clone and the engine alone: no `.venv`, an empty home, no `tandem` on PATH."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import paths
from localcloud.toolchain.go_programs import ENGINE
from tests.local.conftest import ROOT

pytestmark = pytest.mark.local

PYTHON = Path(sys._base_executable)  # without this environment's packages


@pytest.fixture
def newcomer(cloud, tmp_path):
    """Runs pulumi, as who has only that and Python; the AWS plugin is the one thing that is already in his home."""
    home = tmp_path / "home"
    (home / ".pulumi").mkdir(parents=True)
    (home / ".pulumi" / "plugins").symlink_to(paths.PULUMI / "plugins")
    environment = {name: value for name, value in cloud.environment.items() if not name.startswith("PYTHON")}
    environment |= {
        "PATH": os.pathsep.join([str(ENGINE.parent), str(PYTHON.parent), "/usr/bin", "/bin"]),
        "HOME": str(home),
        "PULUMI_HOME": str(home / ".pulumi"),
        "PULUMI_BACKEND_URL": f"file://{home}",
        "PIP_CACHE_DIR": subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True).strip(),
        "PIP_NO_COMPILE": "no",  # which is how pip reads that it is not to compile
    }

    def run(*arguments: str, works: bool = True, **more: str) -> str:
        command = ["pulumi", *arguments, "--non-interactive"]
        done = subprocess.run(
            command,
            cwd=tmp_path / "clone",
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is works, done.stdout
        return done.stdout

    return run


def test_the_readmes_commands_work_as_typed(newcomer, tmp_path):
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
        if (ROOT / name).is_file():
            (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / "clone" / name)
    assert shutil.which("tandem", path=f"{ENGINE.parent}:{PYTHON.parent}:/usr/bin:/bin") is None
    try:
        newcomer("stack", "init", "rag-dev")
        shown = newcomer("preview", "--stack", "rag-dev")
        assert "tandem:index:RagEnvironment rag create" in shown
        assert "Finished installing dependencies" in shown
        installed = {path.name for path in (tmp_path / "clone" / ".venv").glob("lib/python3.*/site-packages/*")}
        assert installed >= {"pulumi", "pulumi_aws", "boto3", "typer"}
        assert not installed & {"pulumi_tandem", "pytest", "ministack"}
        command = [tmp_path / "clone" / ".venv" / "bin" / "python", "-m", "scripts.tandem", "cost", "show", "--help"]
        assert "preview" in subprocess.check_output(command, cwd=tmp_path / "clone", env={}, text=True)
    finally:
        shutil.rmtree(tmp_path / "clone")  # half a gigabyte, which pytest would keep


@pytest.mark.faults
def test_an_environment_that_cannot_be_made_says_why(newcomer, tmp_path):
    (tmp_path / "clone").mkdir()
    project = "name: small\nruntime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: venv\n"
    (tmp_path / "clone" / "Pulumi.yaml").write_text(project)
    (tmp_path / "clone" / "requirements.txt").write_text("pulumi==3.272.0\n")
    newcomer("stack", "init", "small")
    for command in ("install", "preview"):
        shown = newcomer(command, works=False, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
        assert "updating pip, setuptools, and wheel via" in shown and "No matching distribution found" in shown
        shutil.rmtree(tmp_path / "clone" / "venv")
