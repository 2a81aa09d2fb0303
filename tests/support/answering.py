"""A server on loopback that does what a function says: `answer(path, body, count)` gives status, headers and bytes."""

import contextlib
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.loopback import JsonHandler, serving

Answer = Callable[[str, Any, int], tuple[int, Mapping[str, str], bytes]]


@dataclass
class Server:
    """Its base URL, and the bodies that it was sent."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)


def said(text: Any, ended: str | None = "stop", model: str | None = "m", **message: Any) -> tuple[int, dict, bytes]:
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text} | message, "finish_reason": ended}
    return 200, {}, json.dumps({"model": model, "choices": [choice]}).encode()


def wrong(status: int, error: Any, **headers: str) -> tuple[int, dict, bytes]:
    """An error in OpenAI's form."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, names, json.dumps({"error": error}).encode()


@contextlib.contextmanager
def serve(answer: Answer) -> Generator[Server]:
    """Serve until the block ends."""
    state, numbers = Server(), count(1)

    class Handler(JsonHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body at once: else each answer waits 40 ms for an acknowledgement

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"] or 0))
            body = json.loads(raw) if raw.startswith(b"{") else raw
            state.asked.append(body)
            status, headers, content = answer(self.path, body, next(numbers))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(content)

        do_GET = do_POST

    with serving(Handler) as url:
        state.url = f"{url}/v1"
        yield state
