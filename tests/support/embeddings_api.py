"""An OpenAI-compatible embeddings API on loopback: a text's vector is the counts of its words, hashed."""

import contextlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from tests.support.loopback import JsonHandler, serving
from tests.unit.rag.fakes import embedding


@dataclass
class Embeddings:
    """What it answers in place of embeddings, once each, and what it was asked."""

    dimensions: int = 8
    key: str = ""
    """The one that it takes; any if empty."""
    faults: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    """Status, headers and content."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    """With the model's name: an embedder of a stack."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The embeddings, in an order of their own."""
        rows = [
            {"object": "embedding", "index": at, "embedding": embedding(text, self.dimensions)}
            for at, text in enumerate(request["input"])
        ]
        return {"object": "list", "data": rows[::-1], "model": request["model"]}


@contextlib.contextmanager
def serve(dimensions: int = 8, key: str = "") -> Generator[Embeddings]:
    """Serve until the block ends."""
    state, lock = Embeddings(dimensions, key), threading.Lock()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            given = self.headers.get("authorization", "").removeprefix("Bearer ")
            with lock:
                state.requests.append({**request, "path": self.path})
                status, headers, content = state.faults.pop(0) if state.faults else (200, {}, state.answer(request))
            if state.key and given != state.key:
                problem = {"message": f"Incorrect API key provided: {given}", "code": "invalid_api_key"}
                status, headers, content = 401, {}, {"error": problem}
            self.reply(status, content, headers)

    with serving(Handler) as url:
        state.url = f"{url}/v1#tuned-embedder"
        yield state
