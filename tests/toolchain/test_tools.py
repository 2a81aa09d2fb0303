"""What the local cloud says of a Pulumi CLI that can't be used, and of a machine that lacks a tool, or room for it."""

import os
import re
from pathlib import Path

import pytest
import yaml
from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.toolchain import bridge, build, engine, go_programs
from tandem.clients.machine import OLDEST_PULUMI

CLI = """#!/bin/sh
[ "$1" = version ] && echo "{version}" && exit
case "{fetches}" in
    yes) mkdir -p {plugin} && touch {plugin}/pulumi-resource-terraform-provider ;;
    page) echo "warning: Error downloading plugin: gzip: invalid header" >&2 ;;
esac
echo "error: failed all 5 attempts" >&2
exit 1
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that makes a machine with such a CLI, neither Go nor tools."""
    plugin = tmp_path / "plugins" / "resource-terraform-provider"
    monkeypatch.setattr(bridge, "PLUGIN", plugin / "pulumi-resource-terraform-provider")
    monkeypatch.setattr(paths, "CACHE", tmp_path)  # where it says what was built
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(version, fetches="no"):
        cli = tmp_path / "bin" / "pulumi"
        cli.parent.mkdir()
        cli.write_text(CLI.format(version=version, fetches=fetches, plugin=plugin))
        cli.chmod(0o755)
        return cli

    return make


@pytest.mark.parametrize("version", ["v3.237.0", "v3.259.0", "3.260.0-alpha.1", "v4.0.0"])
def test_a_new_enough_cli_is_used(machine, version):
    cli = machine(version)
    assert engine.installed_cli() == cli


@pytest.mark.parametrize(("version", "said"), [("v3.236.9", "v3.236.9"), ("v2.9.1", "v2.9.1"), ("", "of no version")])
def test_an_older_cli_is_one_sentence(machine, version, said):
    cli = machine(version)
    with pytest.raises(TandemError, match=f"{cli} is {said}.*; 3.237.0 or newer is needed: upgrade it .*, or "):
        engine.installed_cli()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x7fELF of another machine", "Exec format error"),
        (b"#!/nowhere/sh\n", "No such file"),
        (b"#!/bin/sh\nexec sleep 60\n", "doesn't tell its version within 2 s"),
        (b"#!/bin/sh\nprintf '\\377\\n'\n", "is \ufffd; 3.237.0 or newer is needed"),
    ],
)
def test_a_cli_that_does_not_run_is_one_sentence(machine, monkeypatch, content, said):
    machine("").write_bytes(content)
    monkeypatch.setattr(engine, "SECONDS", 2)
    with pytest.raises(TandemError, match=f"pulumi .*{said}.*: .*, or take it off PATH to have an engine built"):
        engine.installed_cli()


def test_the_oldest_cli_is_the_one_that_plugin_and_package_ask_for():
    oldest = ".".join(map(str, OLDEST_PULUMI))
    plugin = yaml.safe_load((paths.ROOT / "components" / "PulumiPlugin.yaml").read_text())
    assert plugin["requiredPulumiVersion"] == f">={oldest}"
    assert f'"pulumi>={oldest.removesuffix(".0")},<4"' in (paths.ROOT / "localcloud/pyproject.toml").read_text()


def test_the_local_clouds_own_command_is_no_cli(monkeypatch, tmp_path):
    own = tmp_path / "pulumi"
    own.write_text(CLI)
    own.chmod(0o755)
    monkeypatch.setattr(paths, "BIN", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert engine.installed_cli() is None


def test_the_bridge_is_fetched_once(machine):
    cli, lines = machine("v3.259.0", "yes"), []
    fetched = bridge.ensure(cli, {}, lines.append)
    assert fetched == (bridge.PLUGIN, bridge.VERSION)
    assert re.fullmatch(rf"fetched terraform-provider {bridge.VERSION} in \d+ s", lines[-1])
    cli.unlink()
    assert bridge.ensure(cli, {}, pytest.fail) == fetched


@pytest.mark.parametrize(
    ("fetches", "reason"), [("no", "error: failed all 5 attempts"), ("page", "gzip: invalid header")]
)
def test_without_network_and_go_one_sentence_says_what_failed(machine, fetches, reason):
    lines = []
    with pytest.raises(TandemError) as caught:
        bridge.ensure(machine("v3.259.0", fetches), {}, lines.append)
    assert lines[-1] == f"terraform-provider can't be fetched ({reason}), so it has to be built with Go"
    assert str(caught.value) == (
        "Go is missing, which builds pulumi-resource-terraform-provider: install Go 1.26 or newer (https://go.dev/dl), "
        f"or let the Pulumi CLI fetch its plugin terraform-provider {bridge.VERSION}, which failed: {reason}."
    )


def test_without_cli_and_go_one_sentence_offers_both(machine, tmp_path, monkeypatch):
    missing = {tmp_path / "pulumi": ("pulumi", "", 6)}
    monkeypatch.setattr(go_programs, "PROGRAMS", missing)
    monkeypatch.setattr(engine, "ENGINE", *missing)
    with pytest.raises(TandemError, match=r"Go is missing, which builds pulumi: install Go 1.26 .*, or the Pulumi CLI"):
        engine.ensure(engine.installed_cli(), print)


def test_a_bridge_that_does_not_start_is_one_sentence(machine, tmp_path):
    provider = tmp_path / "terraform-provider-aws"
    with pytest.raises(TandemError, match=f"/bin/false and {provider} don't work together .*: delete the one that"):
        build._install_stand_in(Path("/bin/false"), "1", provider, print)


def test_a_full_disk_is_one_sentence():
    with pytest.raises(TandemError, match="no disk is left"), files.disk_errors_told():
        Path("/dev/full").write_text("anything")


def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    tmp_path.chmod(0o755)
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        os.seteuid(user or 64200)
        with pytest.raises(TandemError) as caught, files.disk_errors_told():
            files.write(folder / "file", "text")
    finally:
        os.seteuid(user)
    assert re.search(r"closed.*: Permission denied: let this user write below .*\.tandem, ", str(caught.value))
