"""Lambda handler at destroy: drops an environment's indices from a store that stays, since it is others'."""

import socket
from typing import Any
from urllib.parse import urlsplit

from tandem_contract.payloads import DropIndices

from tandem.runtime.retry import Deadline
from tandem.runtime.telemetry import log

from .shared import ledger, open_index

SECONDS = 120.0


def handler(event: DropIndices, context: object) -> dict[str, Any]:  # noqa: ARG001
    """`{"endpoint", "drop", "tf": {"action"}}`: on `delete` with `drop` drops the indices that were made there.

    A store whose host is gone has none. Raises `Unavailable` if the store doesn't let us in, or doesn't answer.
    """
    dropped: list[str] = []
    if event["drop"] and event.get("tf", {}).get("action") == "delete" and not _gone(event["endpoint"]):
        deadline = Deadline(SECONDS)
        for version in ledger().made():
            if version.endpoint == event["endpoint"]:
                open_index(version).drop(deadline)
                dropped.append(version.index)
        log("indices dropped", indices=dropped)
    return {"dropped": dropped}


def _gone(endpoint: str) -> bool:
    """Whether nothing has the name of this host any more."""
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except socket.gaierror as error:
        return error.errno == socket.EAI_NONAME
    return False
