"""`tandem policies`, as a team writes a pack beside its own program."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tandem_contract import __version__
from typer.testing import CliRunner

from tandem.cli.main import app

FILES = {"PulumiPolicy.yaml", "__main__.py", "dev.json", "prod.json"}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["policies", *arguments])


def test_a_pack_names_the_environment_of_the_command(write, tmp_path):
    done = write()
    assert (done.exit_code, done.output) == (0, "policies: run `pulumi preview --policy-pack policies`\n")
    folder = tmp_path / "policies"
    assert {file.name for file in folder.iterdir()} == FILES
    options = yaml.safe_load((folder / "PulumiPolicy.yaml").read_text())["runtime"]["options"]
    assert not Path(options["virtualenv"]).is_absolute()  # so that it can be committed
    assert (folder / options["virtualenv"] / "bin" / "python").samefile(sys.executable)
    assert write().exit_code == 0  # again, with nothing to change


def test_without_a_virtual_environment_the_engine_takes_the_python_on_the_path(write, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert write("deep/pack").exit_code == 0
    assert yaml.safe_load((tmp_path / "deep/pack/PulumiPolicy.yaml").read_text())["runtime"] == {"name": "python"}


def test_its_program_serves_the_rules(write, tmp_path):
    """As the engine starts it: it prints its port, and serves until it is ended."""
    write()
    with subprocess.Popen([sys.executable, "-u", tmp_path / "policies"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip().isdigit()
        process.terminate()


def test_after_an_upgrade_it_names_the_new_version(write, tmp_path, monkeypatch):
    monkeypatch.setattr("tandem_policies.folder.__version__", "0.0.9")
    write()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert write().exit_code == 0
    assert f"version: {__version__}\n" in (tmp_path / "policies" / "PulumiPolicy.yaml").read_text()


@pytest.mark.faults
def test_what_somebody_changed_is_left_alone(write, tmp_path):
    write()
    for name in ("__main__.py", "dev.json"):
        (tmp_path / "policies" / name).write_text("ours\n")
    done = write()
    assert done.exit_code == 1
    assert "__main__.py, dev.json in policies: already there, and something else. Name another folder" in done.output
    assert (tmp_path / "policies" / "dev.json").read_text() == "ours\n"


@pytest.mark.faults
def test_the_policy_sdk_is_asked_for_before_anything_is_written(write, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = write()
    assert done.exit_code == 1 and "run `pip install pulumi-policy`" in done.output
    assert [*tmp_path.iterdir()] == []
