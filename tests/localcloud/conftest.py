"""A local cloud of its own for these tests, on free ports, beside the one that the developer uses."""

import os
import shutil
import socket

import pytest

from localcloud import paths
from localcloud.services import opensearch, supervisor


@pytest.fixture(scope="session")
def cloud():
    """The supervisor with all parts running; a test that stops one calls `up` again."""
    home = paths.ROOT / ".tandem" / f"test-{os.getpid()}"
    assembled = opensearch.ensure(print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TANDEM_LOCAL_HOME", str(home))
        patch.setattr(paths, "HOME", home)
        for name in ("EMULATOR", "LOGS", "OPENSEARCH", "RUN"):
            patch.setattr(paths, name, home / name.lower())
        for part in supervisor.PARTS:
            patch.setenv(part.variable, str(_free_port()))
        shutil.copytree(assembled, home / "opensearch" / assembled.name, ignore=shutil.ignore_patterns("data", "logs"))
        try:
            supervisor.up(print)
            yield supervisor
        finally:
            supervisor.down()
            shutil.rmtree(home)


def _free_port() -> int:
    """A port that is free on loopback, with the one 100 above it (OpenSearch's transport)."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 100))
            except (OSError, OverflowError):
                continue
            if port <= 64000:
                return port
