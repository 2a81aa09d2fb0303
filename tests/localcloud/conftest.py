"""A local cloud of its own for these tests, on free ports, beside the one that the developer uses."""

import os
import shutil
import socket

import pytest

from localcloud import paths
from localcloud.services import supervisor


@pytest.fixture(scope="session")
def cloud():
    """The supervisor with all parts running; a test that stops one calls `up` again."""
    home = paths.TOOLS / f"test-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "HOME", home)
        for name in ("EMULATOR", "LOGS", "RUN", "SEARCH"):
            patch.setattr(paths, name, home / name.lower())
        for part in supervisor.PARTS:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                patch.setenv(part.variable, str(free.getsockname()[1]))
        try:
            supervisor.up(print)
            yield supervisor
        finally:
            supervisor.down()
            shutil.rmtree(home)
