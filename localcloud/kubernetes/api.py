"""The local Kubernetes API for the programs beside it: plain REST, patient while the server is away, and watches
without an end."""

import json
import logging
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

Json = dict[str, Any]

MANAGER = "tandem-local-cloud"
"""What fields that we write are managed by."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

WATCH_SECONDS = 300
LATER = (429, 500, 503, 504)


class Api:
    """An API server by its URL, its CA's file and a file with a bearer token."""

    def __init__(self, url: str, ca: Path, token: Path) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token.read_text().strip()}"}
        self._pool = urllib3.PoolManager(ca_certs=str(ca), maxsize=64, retries=False)

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: Any):
        """HTTP status and JSON of an answer. Waits as long as the server is away: no exit code may be lost."""
        pause = 0.2
        while True:
            try:
                answer = self._request(method, path, query, body, kind, urllib3.Timeout(connect=5, read=30))
                if answer.status not in LATER:
                    return answer.status, _content(answer.data)
                problem = f"{answer.status} {answer.data[:200]!r}"
            except urllib3.exceptions.HTTPError as error:
                problem = str(error)
            logging.warning("%s %s: again: %s", method, path, problem)
            time.sleep(pause)
            pause = min(5.0, pause * 2)

    def apply(self, path: str, content: Json) -> tuple[int, Json]:
        """Server-side apply of what we want of an object."""
        return self.call("PATCH", path, content, APPLY, fieldManager=MANAGER, force="true")

    def items(self, path: str, **query: Any) -> list[Json]:
        """All objects of a kind; none where the server doesn't know the kind yet."""
        return self.call("GET", path, **query)[1].get("items", [])

    def watch(self, path: str, **query: Any) -> Generator[tuple[str, Json]]:
        """Event type and object: at first all that are there, then changes, for ever.

        What vanished while the server was away comes as DELETED. A kind that isn't there yet is waited for.
        """
        known: dict[str, Json] = {}
        while True:
            status, page = self.call("GET", path, **query)
            if status != 200:
                time.sleep(2)
                continue
            listed = {each["metadata"]["uid"]: each for each in page["items"]}
            for uid in known.keys() - listed.keys():
                yield "DELETED", known[uid]
            known = listed
            yield from (("MODIFIED", each) for each in list(listed.values()))
            try:
                for change in self._changes(path, query, page["metadata"]["resourceVersion"]):
                    uid = change["object"]["metadata"]["uid"]
                    if change["type"] == "DELETED":
                        known.pop(uid, None)
                    else:
                        known[uid] = change["object"]
                    yield change["type"], change["object"]
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                logging.warning("watch of %s: again: %s", path, error)
                time.sleep(0.5)

    def _changes(self, path: str, query: Json, version: str) -> Generator[Json]:
        query = query | {"watch": "1", "resourceVersion": version, "timeoutSeconds": WATCH_SECONDS}
        timeout = urllib3.Timeout(connect=5, read=WATCH_SECONDS + 10)
        answer = self._request("GET", path, query, None, "", timeout, preload_content=False)
        try:
            left = b""
            for piece in answer.stream(65536):
                *lines, left = (left + piece).split(b"\n")
                for line in lines:
                    change = json.loads(line)
                    if change["type"] == "ERROR":  # too old a version: list again
                        return
                    yield change
        finally:
            answer.close()

    def _request(self, method: str, path: str, query: Json, body: Any, kind: str, timeout: urllib3.Timeout, **how: Any):
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self.url}{path}" + (f"?{urlencode(given)}" if given else "")
        data = None if body is None else json.dumps(body)
        return self._pool.request(method, url, headers=headers, body=data, timeout=timeout, **how)


def _content(data: bytes) -> Json:
    """An answer's JSON; what the server says in words, as of a kind that isn't there, is its message."""
    try:
        return json.loads(data or b"{}")
    except ValueError:
        return {"message": data.decode(errors="replace").strip()}


def begin(name: str, work: Callable[[], object]) -> None:
    """Do it in a thread, again after whatever it raises: no part of this process takes another with it."""

    def loop() -> None:
        while True:
            try:
                work()
            except Exception:
                logging.exception("%s begins again", name)
            time.sleep(1)

    threading.Thread(target=loop, name=name, daemon=True).start()
