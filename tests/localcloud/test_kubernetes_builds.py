"""What the local cloud's Kubernetes asks of a machine, before anything is built; and what is built."""

import re
import shutil
import sys

import pytest
from tandem_contract.errors import TandemError

from localcloud.kubernetes import builds, charts
from localcloud.toolchain.go_programs import MODULES


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with openssl and Go, on which nothing is built; a function leaves programs away."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def programs(*names: str) -> None:
        folder = tmp_path / "-".join(("bin", *names))
        folder.mkdir()
        for name in names:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    programs("go", "openssl")
    return programs


@pytest.mark.faults
def test_each_thing_that_a_machine_lacks_is_one_sentence(machine, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=14 * 10**9))
    with pytest.raises(TandemError, match=r"has 14\.0 GB of disk left, and building Kubernetes takes 15\.0 GB: free"):
        builds.ensure(print)
    machine("openssl")
    with pytest.raises(TandemError, match=r"Go is missing, which builds Kubernetes: install Go 1\.26 or newer"):
        builds.ensure(print)
    machine("go")
    with pytest.raises(TandemError, match="openssl is not on PATH: install it"):
        builds.ensure(print)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(TandemError, match="on Linux only: all else runs without --kubernetes"):
        builds.ensure(print)
    assert not builds.folder().exists()


def test_what_is_built_needs_neither_go_nor_disk(machine, monkeypatch):
    builds.folder().mkdir(parents=True)
    (builds.folder() / "built").touch()
    machine("openssl")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: pytest.fail("no disk is needed"))
    assert builds.ensure(pytest.fail) == builds.folder()


def test_another_lock_or_another_way_to_build_is_another_folder(monkeypatch):
    before = builds.folder()
    changed = builds.PROGRAMS["kueue"]._replace(flags="-X other=1")
    monkeypatch.setitem(builds.PROGRAMS, "kueue", changed)
    assert builds.folder().parent == before.parent and builds.folder() != before


def test_the_versions_that_are_told_are_those_of_the_locks():
    locked = (MODULES / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{builds.VERSION}\n" in locked
    assert len({*re.findall(r"sigs\.k8s\.io/jobset (\S+)", locked + (MODULES / "jobset" / "go.mod").read_text())}) == 1
    for lock, path, _ in (*charts.CHARTS.values(), *charts.MANIFESTS.values()):
        assert re.search(rf"^{re.escape(path)} \S+ h1:", (MODULES / lock / "go.sum").read_text(), re.M), path
