"""A tuned model behind the endpoint's protocol: `python serve.py FOLDER`, in the environment with torch.

`GET /ping`, and `POST /invocations` with an OpenAI chat body, on the loopback interface only. One answer is generated
at a time; a few requests may wait, and more are told to come back.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from tandem.finetuning.training.generate import Conversation, Generator, TooLong, open_generator
from tandem.finetuning.training.layout import Refused, say

WAITING = 8
MAX_TOKENS = 256  # when a request doesn't say
BODY_BYTES = 2**20
ROLES = ("system", "user", "assistant")
TAKEN = {"messages", "model", "max_tokens", "max_completion_tokens", "temperature"}
# What a client may send though this server can't do it: the value that changes nothing.
HARMLESS = {"stream": False, "n": 1, "top_p": 1, "stop": None}


class BadRequest(Exception):
    """A request that can't be answered; the text says why."""


class Server(ThreadingHTTPServer):
    """Answers for one loaded model."""

    daemon_threads = True
    request_queue_size = 128  # connections that nobody has accepted yet; more are reset without an answer

    def __init__(self, port: int, name: str, generator: Generator) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name, self.generator = name, generator
        self.places = threading.BoundedSemaphore(WAITING + 1)
        self.turn = threading.Lock()

    def complete(self, request: Any) -> dict[str, Any]:
        """A chat completion; raises `BadRequest` or `TooLong`."""
        conversation, max_tokens, temperature = read(request)
        with self.turn:
            (answer,) = self.generator.generate([Conversation(conversation)], max_tokens, temperature)
        message = {"role": "assistant", "content": answer.text}
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.name,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop" if answer.ended else "length"}],
            "usage": {
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.answer_tokens,
                "total_tokens": answer.prompt_tokens + answer.answer_tokens,
            },
        }


def read(request: Any) -> tuple[list[dict[str, str]], int, float]:
    """The conversation, the most tokens to answer with, and the temperature; raises `BadRequest`."""
    if not isinstance(request, dict):
        raise BadRequest("the body is not a JSON object")
    for key, value in request.items():
        if key not in TAKEN and value is not None and value != HARMLESS.get(key):
            raise BadRequest(f"{key!r} is not supported here: leave it out")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' has to be a list with a message")
    for at, message in enumerate(messages):
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in ROLES or not isinstance(content, str):
            raise BadRequest(f"messages[{at}] needs a role ({', '.join(ROLES)}) and a text as content")
    if messages[-1]["role"] == "assistant":
        raise BadRequest("the last message has to be the user's")
    most = request.get("max_completion_tokens") or request.get("max_tokens") or MAX_TOKENS
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise BadRequest(f"'max_tokens' is {most!r}: give a whole number from 1")
    temperature = request.get("temperature") or 0.0
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise BadRequest(f"'temperature' is {temperature!r}: give a number from 0 to 2")
    return [{"role": each["role"], "content": each["content"]} for each in messages], most, float(temperature)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    server: Server  # ty: ignore[incompatible-mutable-override]

    def do_GET(self) -> None:
        """`/ping`: loaded, since the port opens only then."""
        if self.path == "/ping":
            self._answer(HTTPStatus.OK, {})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}: GET /ping, POST /invocations")

    def do_POST(self) -> None:
        """`/invocations`: an answer."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES:
            self.close_connection = True  # what follows is the body, unread
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"give a Content-Length of at most {BODY_BYTES}")
        body = self.rfile.read(int(length))
        if self.path != "/invocations":
            return self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}: GET /ping, POST /invocations")
        if not self.server.places.acquire(blocking=False):
            message = f"{WAITING} requests are waiting: come back later"
            return self._refuse(HTTPStatus.TOO_MANY_REQUESTS, message, {"Retry-After": "1"})
        try:
            self._answer(HTTPStatus.OK, self.server.complete(json.loads(body)))
        except (TooLong, BadRequest, json.JSONDecodeError, UnicodeDecodeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
            raise
        finally:
            self.server.places.release()

    def _refuse(self, status: HTTPStatus, message: str, headers: dict[str, str] | None = None) -> None:
        kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
        self._answer(status, {"error": {"message": message, "type": kind, "code": int(status)}}, headers)

    def _answer(self, status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Leave the log to failures: prompts may be private, and paths say nothing here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM. Exits 2 with a sentence when the model doesn't load."""
    parser = argparse.ArgumentParser(prog="serve.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="what training wrote to model/")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args(arguments)

    def end(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        if not (options.folder / "config.json").is_file():
            raise Refused(f"{options.folder} has no config.json: give the folder that training wrote its model to.")
        tokens = os.environ.get("OPTION_MAX_MODEL_LEN", "")  # what LMI calls vLLM's limit (`functions/register.py`)
        if tokens and not (tokens.isdecimal() and int(tokens)):
            raise Refused(f"OPTION_MAX_MODEL_LEN is {tokens!r}: give a whole number from 1.")
        generator = open_generator(str(options.folder), int(tokens or 0) or None)
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    with Server(options.port, options.folder.name, generator) as server:
        say(f"{generator.engine} serves {options.folder} on http://127.0.0.1:{server.server_port}")
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
