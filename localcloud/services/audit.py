"""What the local cloud still holds: every record of the emulator's own state, and indices without a collection."""

import json
import urllib.request
from typing import Any

from localcloud.services import supervisor

# Records that are no resources of a stack: what AWS makes by itself, and history.
IGNORED = {
    ("cloudwatch", "metrics"): "data points",
    ("cloudwatch", "alarm_history"): "history",
    ("eventbridge", "buses"): "default",
    ("sqs", "queue_name_to_url"): "a second key of the same queues",
}


def leftovers() -> list[tuple[str, str, str]]:
    """Return (service, kind, name) of everything that is left, sorted; empty after a complete destroy."""
    held = _get(f"{supervisor.EMULATOR.url}/_tandem/resources")
    found = []
    for service, kinds in held.items():
        for kind, names in kinds.items():
            ignored = IGNORED.get((service, kind), "")
            found += [
                (service, kind, name) for name in names if not ignored or (ignored == "default" and name != ignored)
            ]
    collections = held.get("opensearchserverless", {}).get("collections", [])
    indices = _get(f"{supervisor.OPENSEARCH.url}/_cat/indices?format=json&expand_wildcards=open,closed")
    for index in indices:
        if index["index"].partition(".")[0] not in collections:
            found.append(("opensearch", "index", index["index"]))
    return sorted(found)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a loopback URL
        return json.load(answer)
