"""Any server with OpenAI's HTTP API: OpenAI itself, vLLM, LMI, llama.cpp, Together AI and others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tandem.runtime.http import JSON, NETWORK_ERRORS, Http, Response, explained
from tandem.runtime.retry import Deadline, Transient, retry
from tandem.runtime.secret import Key

from .chat import Completion, Messages
from .chat_completions import completion, openai_request
from .embed import BatchEmbedder, normalised
from .errors import Refused
from .quirks import quirk

RETRIED = {408, 409, 425, 429}
UNKNOWN_FIELD = {400, 422}
NO_CREDIT = "insufficient_quota"  # a 429 that waiting doesn't mend
TEXTS_PER_CALL = 32  # the default limit of Hugging Face's text-embeddings-inference, the lowest that is known


class OpenAiApi:
    """The API; `url` is its base, such as https://api.openai.com/v1, and `title` what errors call it.

    Threads may share it. The key is in no error, nor in what an error leads back to.
    """

    def __init__(self, url: str, key: Key | None = None, title: str = ""):
        self.title = title or url
        self._key = key
        self._http = Http(url, {"User-Agent": "tandem"} | ({"Authorization": f"Bearer {key.value}"} if key else {}))

    def call(self, method: str, path: str, body: Any = b"", *, timeout: float, content_type: str = JSON) -> Any:
        """JSON of the answer to one request; a body that isn't bytes is sent as JSON. Raises `Transient`, `Refused`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            return self._read(
                f"{method} {path}", self._http.request(method, path, data, timeout=timeout, content_type=content_type)
            )
        except NETWORK_ERRORS as error:
            problem = explained(error)
        # Outside of the handler: what a network error leads back to holds the request, and so the key.
        raise Transient(self.shown(f"{self.title}: {problem}"))

    def _read(self, request: str, response: Response) -> Any:
        status, content = response.status, _json(response)
        if status < 300 and content is not None:
            return content
        reason, code = _problem(content, self.shown(response.body.decode(errors="replace")))
        text = self.shown(f"{self.title} answered {request} with {status} {reason}")
        if (status in RETRIED and code != NO_CREDIT) or status >= 500:
            raise Transient(text, response.retry_after)
        if status == 401 and self._key and self._key.secret_id:
            remedy = f"put a valid one into the secret {self._key.secret_id!r} of AWS Secrets Manager"
            text = f"{self.title} refused the key: {remedy}."
        raise Refused(text, status, code)

    def shown(self, text: str) -> str:
        """What may be shown: a service may repeat the key in what it says."""
        return text.replace(self._key.value, "***") if self._key else text


class OpenAiChat:
    """A model behind the API. `extensions` says whether it may be sent fields that vLLM added (`quirks`).

    A server that refuses those fields is asked again without them, and from then on.
    """

    def __init__(self, api: OpenAiApi, model: str, *, extensions: bool = True):
        self._api, self._model, self._extensions = api, model, extensions

    def chat(self, messages: Messages, max_tokens: int, deadline: Deadline) -> Completion:
        """As `ChatModel.chat`."""
        body = openai_request(messages, self._model, max_tokens, extensions=self._extensions) | {"model": self._model}
        try:
            answer = self._api.call("POST", "/chat/completions", body, timeout=max(deadline.remaining(), 0.1))
        except Refused as error:
            if not (self._extensions and quirk(self._model).extensions and error.status in UNKNOWN_FIELD):
                raise
            self._extensions = False
            return self.chat(messages, max_tokens, deadline)
        return completion(answer, self._api.title, self._model, self._api.shown)


class OpenAiEmbedder(BatchEmbedder):
    """An embedding model behind the API; an embedding of another length than `dimensions` is refused."""

    step = TEXTS_PER_CALL

    def __init__(self, api: OpenAiApi, model: str, dimensions: int):
        self._api, self._model, self._dimensions = api, model, dimensions

    def _embed(self, texts: Sequence[str], query: bool, deadline: Deadline) -> list[list[float]]:  # noqa: ARG002
        body: dict[str, Any] = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        if quirk(self._model).dimensions:
            body["dimensions"] = self._dimensions

        def call() -> Any:
            return self._api.call("POST", "/embeddings", body, timeout=max(deadline.remaining(), 0.1))

        answer = retry(call, deadline)
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            vectors = [normalised(row["embedding"]) for row in rows]
        except (LookupError, TypeError, AttributeError):
            raise Refused(f"{self._api.title} answered no embeddings: {self._api.shown(str(answer))[:200]}") from None
        if len(vectors) != len(texts):
            raise Refused(f"{self._api.title} answered {len(vectors)} embeddings to {len(texts)} texts.")
        if wrong := next((len(vector) for vector in vectors if len(vector) != self._dimensions), 0):
            problem = f"{self._model} gives embeddings of {wrong} dimensions, and `dimensions` is {self._dimensions}"
            raise Refused(f"{problem}: set `dimensions` to {wrong}, or choose another embedder.")
        return vectors


def _json(response: Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _problem(content: Any, body: str) -> tuple[str, str]:
    """Message and code of an error in OpenAI's form; else the answer's beginning."""
    error = content.get("error") if isinstance(content, Mapping) else None
    if isinstance(error, Mapping):
        return str(error.get("message")), str(error.get("code") or "")
    return body[:200], ""
