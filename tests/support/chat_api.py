"""An OpenAI-compatible API on loopback."""

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from tests.support.loopback import JsonHandler, serving


def completion(text: Any, read: int = 20, written: int = 5) -> dict[str, Any]:
    """A response with this text, and its tokens."""
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


@dataclass
class Chat:
    """What it answers to the user's message, as status and content, and what it was asked."""

    answer: Callable[[str], tuple[int, Any]]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def serve(answer: Callable[[str], tuple[int, Any]]) -> Generator[Chat]:
    """Serve until the block ends."""
    state = Chat(answer)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            text = request["messages"][-1]["content"]
            with state.lock:
                state.asked.append(text)
                state.requests.append(request)
                status, content = state.answer(text)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who asked was killed
                self.reply(status, content, {})

    with serving(Handler) as url:
        state.url = f"{url}/v1"
        yield state
