"""A local service of each dialect, for every test of the managed back end."""

from types import SimpleNamespace

import pytest

from tandem.runtime import retry
from tests.support.finetuning_api import serve

from .runs import speak


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The pauses between tries, none of which is waited for."""
    seconds = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=seconds.append, monotonic=retry.time.monotonic))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return seconds


@pytest.fixture(params=["openai", "together"])
def api(request):
    with serve(request.param) as served:
        served.speak = speak
        yield served
