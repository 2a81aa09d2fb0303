"""Any server with OpenAI's HTTP API: OpenAI itself, vLLM, LMI, llama.cpp, Together AI and others."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tandem.runtime.http import JSON, NETWORK_ERRORS, Http, Response, explained, printable, tls_remedy
from tandem.runtime.retry import Deadline, Transient, retry
from tandem.runtime.secret import Key

from .chat import Completion, Messages
from .chat_completions import LENGTHS, completion, openai_request
from .embed import BatchEmbedder, normalised
from .errors import Refused, problem
from .quirks import quirk

UNKNOWN_FIELD = {400, 422}
# How a refusal says that a field isn't taken at all; of a limit's value it says something else.
NOT_TAKEN = r"(?i)un(supported|known|recognized|recognised|expected)|not (supported|allowed|permitted|accepted|taken)"
NOT_TAKEN += r"|n't (support|allow|accept|take)|not support|deprecated|extra (inputs|fields)|instead"
TEXTS_PER_CALL = 32  # the default limit of Hugging Face's text-embeddings-inference, the lowest that is known


class OpenAiApi:
    """The API; `url` is its base, such as https://api.openai.com/v1, and `title` what errors call it.

    Threads may share it. The key is in no error, nor in what an error leads back to.
    """

    def __init__(self, url: str, key: Key | None = None, title: str = ""):
        self.title = title or url
        self._key = key
        self._http = Http(url, {"User-Agent": "tandem"}, key)

    def call(self, method: str, path: str, body: Any = b"", *, timeout: float, content_type: str = JSON) -> Any:
        """JSON of the answer to one request; a body that isn't bytes is sent as JSON. Raises `Transient`, `Refused`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            return self._read(
                f"{method} {path}", self._http.request(method, path, data, timeout=timeout, content_type=content_type)
            )
        except NETWORK_ERRORS as error:
            problem, remedy = explained(error), tls_remedy(error)
        # Outside of the handler: what a network error leads back to holds the request, and so the key.
        text = f"{self.title}: {self._key.masked(problem) if self._key else problem}"
        raise Refused(f"{text}. Remedy: {remedy}.") if remedy else Transient(text)

    def masked(self, found: Completion) -> Completion:
        """An answer without the key, of which several fields or parts of the text may have had a piece each."""
        if not self._key:
            return found
        key = self._key
        return found._replace(
            text=key.masked(found.text),
            finish_reason=key.masked(found.finish_reason),
            thought=key.masked(found.thought),
            answered_by=key.masked(found.answered_by),
            fingerprint=key.masked(found.fingerprint),
        )

    def _read(self, request: str, response: Response) -> Any:
        status, content = response.status, _json(response)
        if status < 300 and content is not None and not _is_error(content):
            return content
        if status == 401 and self._key and self._key.secret_id:
            remedy = f"put a valid one into the secret {self._key.secret_id!r} of AWS Secrets Manager"
            raise Refused(f"{self.title} refused the key: {remedy}.", status, "invalid_api_key")
        found = problem(content, response.body.decode(errors="replace"), status)
        error = found.error(f"{self.title} answered {request} with {status}", response.retry_after)
        if isinstance(error, Refused) and (hint := self._hint(request.split()[1], response)):
            error = Refused(f"{str(error).rstrip('. ')}. {hint}", error.status, error.code, error.param)
        raise error

    def _hint(self, path: str, response: Response) -> str:
        """What may be wrong with the base URL, by an answer that isn't the API's."""
        base = self._http.base
        if 300 <= response.status < 400:
            there = printable(response.header("location")).removesuffix(path) or "nowhere"
            return f"It redirects to {there}, which isn't followed: give the URL of the place itself."
        content = _json(response)
        elsewhere = response.status in (404, 405) and not problem(content).codes
        if not elsewhere and not (response.status < 300 and content is None):
            return ""
        url = urlsplit(base)
        usual = "" if "v1" in url.path.split("/") else f" With most servers that is {url.scheme}://{url.netloc}/v1."
        return f"Is {base} the API's base URL?{usual}"


class OpenAiChat:
    """A model behind the API. `extensions` says whether it may be sent fields that vLLM added (`quirks`).

    A server that refuses those fields is asked again without them, and from then on.
    """

    def __init__(self, api: OpenAiApi, model: str, *, extensions: bool = True):
        self._api, self._model, self._extensions = api, model, extensions
        self._without: frozenset[str] = frozenset()

    def chat(
        self, messages: Messages, max_tokens: int, deadline: Deadline, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Completion:
        """As `ChatModel.chat`; `tools` as the API has them."""
        without, extensions = self._without, self._extensions
        while True:
            fields = openai_request(
                messages, self._model, max_tokens, extensions=extensions, tools=tools, without=without
            )
            body = fields | {"model": self._model}
            try:
                answer = self._api.call("POST", "/chat/completions", body, timeout=max(deadline.remaining(), 0.1))
            except Refused as error:
                if error.status not in UNKNOWN_FIELD:
                    raise
                if refused := _refused(error, fields, without):
                    without |= {refused}
                elif extensions and quirk(self._model).extensions:
                    extensions = False
                else:
                    raise
                continue
            self._without, self._extensions = without, extensions  # from then on
            return self._api.masked(completion(answer, self._api.title, self._model))


def _refused(error: Refused, fields: Mapping[str, Any], without: frozenset[str]) -> str:
    """The field of a request that an error says isn't taken, and that the request can do without; empty if none."""
    text = str(error)
    for name in fields:
        if name in ("messages", "tools") or not (error.param == name or re.search(rf"\b{name}\b", text)):
            continue
        if name not in LENGTHS:
            return name
        # The limit is asked for by its other name, once, and its value is another matter.
        if not without & {*LENGTHS} and re.search(NOT_TAKEN, f"{error.code} {text}"):
            return name
    return ""


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
            raise Refused(f"{self._api.title} answered no embeddings: {str(answer)[:200]}") from None
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


def _is_error(content: Any) -> bool:
    """Whether an answer with a status of success is an error: proxies give it where the model behind them failed."""
    return isinstance(content, Mapping) and bool(content.get("error")) and not {"choices", "data", "id"} & {*content}
