"""The parts are started, recovered and stopped for real."""

import ipaddress
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError

from localcloud import paths
from localcloud.services import opensearch, supervisor

pytestmark = pytest.mark.local


def test_port_in_use_is_one_sentence_with_the_variable(cloud, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    monkeypatch.setattr(paths, "LOGS", tmp_path / "logs")
    used = supervisor.EMULATOR.port  # by the running emulator, which this record folder knows nothing of
    for part in (supervisor.OPENSEARCH, supervisor.MODELS):
        monkeypatch.setenv(part.variable, str(part.port + 1000))
    with pytest.raises(TandemError) as error:
        supervisor.up(print)
    assert str(error.value).startswith(f"Port {used}, which emulator needs, is used by another program")
    assert "TANDEM_LOCAL_EMULATOR_PORT" in str(error.value)
    assert not list((tmp_path / "run").glob("*.json"))


def test_no_java_and_a_bad_port_say_what_to_do(cloud, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TandemError, match=r"java is not on PATH.*openjdk"):
        opensearch.prepare(paths.OPENSEARCH)
    monkeypatch.setenv(supervisor.MODELS.variable, "ninety")
    with pytest.raises(TandemError, match="TANDEM_LOCAL_MODELS_PORT='ninety'"):
        _ = supervisor.MODELS.port


@pytest.mark.faults
@pytest.mark.parametrize("part", supervisor.PARTS, ids=lambda part: part.name)
def test_up_recovers_a_killed_part(cloud, part):
    before = _pids(cloud)
    os.kill(before[part.name], signal.SIGKILL)
    cloud.up(print)
    after = _pids(cloud)
    assert after.pop(part.name) != before.pop(part.name)
    assert after == before
    assert {part.state() for part in cloud.PARTS} == {"running"}


@pytest.mark.faults
def test_up_replaces_a_part_that_hangs(cloud, monkeypatch):
    monkeypatch.setattr(supervisor, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.5)
    hanging = _pids(cloud)["models"]
    os.kill(hanging, signal.SIGSTOP)
    assert supervisor.MODELS.state() == "unresponsive"
    cloud.up(print)
    assert _pids(cloud)["models"] != hanging


def test_everything_listens_on_loopback_only(cloud):
    groups = set(_pids(cloud).values())
    listening = _listening(groups)
    ports = {port for _, port in listening}
    assert {part.port for part in supervisor.PARTS} <= ports
    assert all(address.is_loopback for address, _ in listening), listening


def test_down_leaves_no_process_and_no_port(cloud):
    groups = set(_pids(cloud).values())
    ports = [part.port for part in supervisor.PARTS]
    cloud.down()
    assert not groups & set(_groups().values())
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert {part.state() for part in cloud.PARTS} == {"stopped"}
    cloud.down()
    cloud.up(print)


def test_credentials_are_made_once_and_private(cloud):
    made = cloud.environment()
    assert re.fullmatch("AKIA[A-Z2-7]{16}", made["AWS_ACCESS_KEY_ID"])
    assert made == cloud.environment()
    assert (paths.RUN / "credentials.json").stat().st_mode & 0o777 == 0o600


def _pids(cloud) -> dict[str, int]:
    return {part.name: part.running()["pid"] for part in cloud.PARTS}


def _groups() -> dict[int, int]:
    listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    return {int(pid): int(group) for pid, group in (line.split() for line in listing.splitlines())}


def _listening(groups: set[int]) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Addresses and ports on which processes of these groups listen, from /proc."""
    inodes = set()
    for pid, group in _groups().items():
        if group in groups:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
                inodes |= {found[1]} if found else set()
    sockets = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: listening
                hexadecimal, port = fields[1].split(":")
                # Each group of four bytes is in the machine's order.
                words = [hexadecimal[at : at + 8] for at in range(0, len(hexadecimal), 8)]
                address = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
                sockets.append((getattr(address, "ipv4_mapped", None) or address, int(port, 16)))
    return sockets
