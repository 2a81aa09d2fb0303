"""What `tandem doctor` finds for the local cloud, provoked from outside: ports, a full disk, folders, Java."""

import os
import socket
import subprocess
import sys
import tomllib

import pytest

from localcloud import paths
from localcloud.services import supervisor

JAVA = "#!/bin/sh\necho 'openjdk version \"{version}.0.2\" 2022-01-18' >&2\n"


@pytest.fixture
def doctor(tmp_path):
    """Runs the command beside a distribution with the entry points that ours declares, Java 17 and free ports."""
    declared = tomllib.loads((paths.ROOT / "localcloud" / "pyproject.toml").read_text())["project"]["entry-points"]
    described = tmp_path / "local-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: local\nVersion: 1.0\n")
    groups = (f"[{group}]\nlocal = {points['local']}\n" for group, points in declared.items())
    (described / "entry_points.txt").write_text("".join(groups))
    java(tmp_path, 17)
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    environment |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(**variables: str) -> list[str]:
        command = [sys.executable, "-m", "tandem.cli.main", "doctor"]
        done = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        start = lines.index("This machine, for the local cloud") + 1
        return lines[start : lines.index("", start)]

    return run


def java(folder, version: int) -> None:
    (folder / "java").write_text(JAVA.format(version=version))
    (folder / "java").chmod(0o755)


def free_ports() -> dict[str, str]:
    ports = {}
    for part in supervisor.PARTS:
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports[part.variable] = str(free.getsockname()[1])
    return ports


def test_where_all_is_well_it_says_what_there_is(doctor, tmp_path):
    ports = free_ports()
    said = doctor(TANDEM_LOCAL_HOME=str(tmp_path / "home"), **ports)
    assert said[0] == f"ok its folder {tmp_path}/home" and said[3] == f"ok Java {tmp_path}/java"
    assert said[2].startswith("ok disk ") and said[2].endswith(" MB free, 2048 needed")
    assert said[4].startswith("warning Kubernetes Go is missing, which builds Kubernetes: install Go 1.26 or newer (")
    assert said[5:] == [f"ok port of {part.name} {ports[part.variable]}, free" for part in supervisor.PARTS]
    assert not (tmp_path / "home").exists()


@pytest.mark.faults
def test_each_problem_has_its_remedy(doctor, tmp_path):
    java(tmp_path, 11)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = free_ports() | {"TANDEM_LOCAL_MODELS_PORT": port, "TANDEM_LOCAL_EMULATOR_PORT": "ninety"}
        said = doctor(TANDEM_LOCAL_HOME="/proc/tandem", **ports)  # where nothing fits, and nobody may write
    assert said[0].startswith("problem its folder /proc/tandem can't be written to (")
    assert said[2] == "problem disk /proc has 0.0 GB of disk left, and the local cloud takes 2.1 GB: free some."
    assert said[3].startswith(
        f"problem Java OpenSearch needs Java 17 or later, and {tmp_path}/java is 11: install one ("
    )
    used = f"Port {port}, which models needs, is used by another program: stop that or set TANDEM_LOCAL_MODELS_PORT."
    assert said[6] == f"problem port of models {used}"
    assert said[7].startswith("problem port of emulator TANDEM_LOCAL_EMULATOR_PORT='ninety' is not a port: give a")


@pytest.mark.faults
def test_what_the_system_refuses_is_a_problem_like_others(doctor, tmp_path):
    """A Java of another machine, and a folder that can't even be looked for."""
    (tmp_path / "java").write_bytes(b"\x7fELF of another machine")
    home = "/" + "x" * 300
    said = doctor(TANDEM_LOCAL_HOME=home, **free_ports())
    assert said[0].startswith(f"problem its folder {home} can't be written to (File name too long): work in a")
    assert said[2].startswith("problem disk [Errno 36] File name too long: ")
    assert (
        said[3] == f"problem Java [Errno 8] Exec format error: '{tmp_path}/java': mend what it names, and look again."
    )
