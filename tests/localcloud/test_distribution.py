"""The local cloud's own distribution."""

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points

from localcloud import cli, paths

LOCAL_CLOUD = paths.ROOT / "localcloud"


def test_it_brings_the_command():
    (found,) = entry_points(group="tandem.commands", name="local")
    assert found.load() is cli.app


def test_its_wheel_is_whole(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=LOCAL_CLOUD, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("tandem_local_cloud-*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    listed = subprocess.check_output(["git", "ls-files", "localcloud"], cwd=paths.ROOT, text=True).split()
    assert names == {*listed} - {"localcloud/pyproject.toml"}
