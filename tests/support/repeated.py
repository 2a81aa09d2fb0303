"""Calls that an SDK sends again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcloud.services.answers import ID


@contextmanager
def as_call(client: Any, call: str) -> Iterator[None]:
    """Have boto3's `client` send this id, which it would give a call and its retries."""

    def identify(request: Any, **_: Any) -> None:
        del request.headers[ID]
        request.headers[ID] = call

    client.meta.events.register("before-send", identify)
    try:
        yield
    finally:
        client.meta.events.unregister("before-send", identify)
