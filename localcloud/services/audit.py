"""What the local cloud still holds: every record of the emulator's own state, and indices without a collection."""

import json
import urllib.request
from typing import Any

from localcloud.services import LocalCloudError, supervisor

# No resources of a stack: data points, history, a second key of the same queues, AWS's own event bus.
IGNORED = {
    ("cloudwatch", "metrics"),
    ("cloudwatch", "alarm_history"),
    ("sqs", "queue_name_to_url"),
    ("eventbridge", "buses", "default"),
}


def leftovers() -> list[tuple[str, ...]]:
    """Return (service, kind, name) of everything that is left, sorted; empty after a complete destroy."""
    records = [tuple(record) for record in _get(supervisor.EMULATOR, "/_tandem/resources")]
    indices = _get(supervisor.OPENSEARCH, "/_cat/indices?format=json&expand_wildcards=open,closed")
    found = [record for record in records if not {record, record[:2]} & IGNORED]
    for name in (index["index"] for index in indices):
        if ("opensearchserverless", "collections", name.partition(".")[0]) not in records:
            found.append(("opensearch", "index", name))
    return sorted(found)


def _get(part: supervisor.Part, path: str) -> Any:
    try:
        with urllib.request.urlopen(part.url + path, timeout=30) as answer:  # noqa: S310 - a loopback URL
            return json.load(answer)
    except OSError:
        raise LocalCloudError(f"{part.name} doesn't answer: start it with tandem local up.") from None
