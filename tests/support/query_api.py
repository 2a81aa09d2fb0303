"""A query API on loopback that gives scripted replies."""

import contextlib
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from tests.support.loopback import JsonHandler, serving


@dataclass
class Api:
    """A query API that gives the scripted replies in turn, the last one for ever, and keeps what it was asked.

    A reply's content may be a function of the request.
    """

    url: str = ""
    replies: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def answer(*documents: str, **changes: Any) -> dict[str, Any]:
    """Return a response of the query API that cites the given documents."""
    citations = [
        {"marker": at, "document": name, "page": None, "heading": "Prices", "score": 0.7 - at / 10, "excerpt": "..."}
        for at, name in enumerate(documents, start=1)
    ]
    timings = {"embed": 11.0, "search": 22.0, "ledger": 3.0, "generate": 400.0, "total": 436.0}
    response = {"answer": "34 francs [P1].", "refused": False, "reason": None, "citations": citations, "model": "nova"}
    return response | {"passages": [], "timings_ms": timings} | changes


@contextlib.contextmanager
def serve() -> Generator[Api]:
    """Serve an `Api` until the block ends."""
    state = Api()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.requests.append(json.loads(body))
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, content = state.replies.pop(0) if len(state.replies) > 1 else state.replies[0]
            content = content(state.requests[-1]) if callable(content) else content
            self.reply(status, content, headers)

    with serving(Handler) as url:
        state.url = f"{url}/dev/query"
        yield state
