"""A Kubernetes API of one process: objects by path, merged patches, watches; no defaults, checks or controllers."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import JsonHandler, serving

Json = dict[str, Any]


class Cluster:
    """What the server holds: `objects` by path, `asked` as method, path and body in their order."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.changes: list[tuple[str, str, Json]] = []
        self.away = False
        self.changed = threading.Condition()

    def put(self, path: str, content: Json) -> Json:
        """Make or replace an object."""
        with self.changed:
            kind = "MODIFIED" if path in self.objects else "ADDED"
            content.setdefault("metadata", {}).setdefault("name", path.rpartition("/")[2])
            content["metadata"].setdefault("uid", f"uid-of-{path}")
            content["metadata"].setdefault("creationTimestamp", f"{len(self.changes):09}")
            self.objects[path] = content
            self._note(kind, path)
        return content

    def patch(self, path: str, change: Json) -> None:
        """Merge a change into an object."""
        with self.changed:
            _merge(self.objects[path], change)
            self._note("MODIFIED", path)

    def remove(self, path: str) -> None:
        with self.changed:
            if path in self.objects:
                self._note("DELETED", path)
                del self.objects[path]

    def below(self, path: str, selector: str = "") -> list[Json]:
        """Objects of a kind, of all namespaces where the path names none."""
        group, _, kind = path.rpartition("/")
        found = []
        for place, content in self.objects.items():
            parent = place.rpartition("/")[0]
            spread = parent.startswith(f"{group}/namespaces/") and parent.count("/") == group.count("/") + 3
            if (parent == path or (spread and parent.endswith(f"/{kind}"))) and _selected(content, selector):
                found.append(json.loads(json.dumps(content)))
        return found

    def sent(self, method: str, end: str = "") -> list[Any]:
        """Bodies of the requests of a method to paths with that end."""
        return [body for how, path, body in self.asked if how == method and path.endswith(end)]

    def _note(self, kind: str, path: str) -> None:
        self.changes.append((kind, path, json.loads(json.dumps(self.objects[path]))))
        self.changed.notify_all()


@contextmanager
def serve() -> Generator[tuple[str, Cluster]]:
    """Serve until the block ends; gives the URL and what the server holds."""
    cluster = Cluster()

    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            self.answer("GET")

        def do_POST(self) -> None:
            self.answer("POST")

        def do_PATCH(self) -> None:
            self.answer("PATCH")

        def do_DELETE(self) -> None:
            self.answer("DELETE")

        def answer(self, method: str) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "null")
            if cluster.away:
                return self.reply(503, {"message": "away"}, {})
            if "watch" not in query:
                cluster.asked.append((method, parts.path, body))
            if "watch" in query:
                return self.watch(parts.path, query)
            status, content = _do(cluster, method, parts.path, body, query)
            self.reply(status, content, {})

        def watch(self, path: str, query: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            at, until = int(query["resourceVersion"]), time.monotonic() + 10
            while not cluster.away and time.monotonic() < until:
                with cluster.changed:
                    cluster.changed.wait(0.05)
                    new, at = cluster.changes[at:], len(cluster.changes)
                for kind, place, content in new:
                    parent = place.rpartition("/")[0]
                    of_kind = parent == path or parent.endswith(f"/{path.rpartition('/')[2]}")
                    if of_kind and _selected(content, query.get("labelSelector", "")):
                        self.chunk(json.dumps({"type": kind, "object": content}).encode() + b"\n")
            self.chunk(b"")

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    with serving(Handler) as url:
        yield url, cluster
        cluster.away = True  # ends the watches


def _do(cluster: Cluster, method: str, path: str, body: Any, query: dict[str, str]) -> tuple[int, Json]:
    place = path.removesuffix("/status")
    if method == "GET":
        if path in cluster.objects:
            return 200, cluster.objects[path]
        items = cluster.below(path, query.get("labelSelector", ""))
        named = path.rpartition("/")[2]
        if not items and not named.endswith("s"):
            return 404, {"message": f"{named} not found"}
        return 200, {"items": items, "metadata": {"resourceVersion": str(len(cluster.changes))}}
    if method == "POST":
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{len(cluster.objects)}"
        return 201, cluster.put(f"{path}/{name}", body)
    if method == "PATCH" and place not in cluster.objects and "force" in query:
        return 201, cluster.put(place, body)
    if place not in cluster.objects:
        return 404, {"message": f"{place} not found"}
    if method == "PATCH":
        cluster.patch(place, body)
        return 200, cluster.objects[place]
    cluster.remove(place)
    return 200, {}


def _selected(content: Json, selector: str) -> bool:
    labels = content["metadata"].get("labels", {})
    for part in filter(None, selector.split(",")):
        key, _, value = part.partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    return True


def _merge(into: Json, change: Json) -> None:
    """As a merge patch; lists are replaced, also conditions."""
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
