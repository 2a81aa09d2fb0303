"""What answers questions: a hosted model, one behind an OpenAI-compatible URL or an endpoint, or a RAG stack."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tandem.runtime.retry import Deadline, Transient, retry

Messages = Sequence[Mapping[str, str]]

RETRIED = {408, 409, 425, 429}
JSON = "application/json"
MOST_BYTES = 16_000_000
"""Of a response: an answer that never ends is none."""


class TargetError(Exception):
    """The target refused the request or answered nonsense: asking again would not help."""


@dataclass(frozen=True)
class Answer:
    """What a target says, and what it took: the fields of `runs.Reply`."""

    text: str | None
    refused: bool = False
    cited: tuple[str, ...] = ()
    retrieved: tuple[str, ...] | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    score: float | None = None


# Takes messages as the Chat Completions API has them.
Target = Callable[[Messages], Answer]
# Takes a question.
Ask = Callable[[str], Answer]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: followed, it would take the key elsewhere, and a POST becomes a GET."""

    def redirect_request(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        return None


_HTTP = urllib.request.build_opener(_NoRedirects)


class OpenAiTarget:
    """A model behind an OpenAI-compatible API; `url` is the base, e.g. `https://api.openai.com/v1`.

    A call raises `Unavailable` when there is no answer within `seconds`, `TargetError` on refusal.
    """

    def __init__(self, url: str, model: str, key: str | None = None, *, max_tokens: int = 256, seconds: float = 120):
        if not url.startswith(("http://", "https://")):
            raise ValueError(
                f"url is {url!r}: give the base of an OpenAI-compatible API, e.g. http://localhost:8000/v1"
            )
        self._url, self._model, self._max_tokens = f"{url.rstrip('/')}/chat/completions", model, max_tokens
        self._headers = {"Content-Type": JSON} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._seconds = seconds

    def __call__(self, messages: Messages) -> Answer:
        """The answer."""
        deadline = Deadline(self._seconds)
        body = _body(messages, self._max_tokens) | {"model": self._model}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), self._headers)  # noqa: S310 - checked

        def ask() -> bytes:
            try:
                with _HTTP.open(request, timeout=max(deadline.remaining(), 0.1)) as response:
                    return _read(response, deadline)
            except urllib.error.HTTPError as error:
                text = f"{self._url} answered {error.code}: {_reason(error)}"
                if error.code in RETRIED or error.code >= 500:
                    raise Transient(text) from error
                raise TargetError(text) from error
            except (OSError, http.client.HTTPException) as error:  # no connection, reset, timed out, no HTTP
                raise Transient(f"{self._url}: {str(error) or type(error).__name__}") from error

        return _completion(retry(ask, deadline), self._url, self._model)


class EndpointTarget:
    """A model behind a SageMaker endpoint that speaks OpenAI's chat format, as vLLM's and LMI's containers do.

    `client` is boto3's or botocore's `sagemaker-runtime`; `component` is the inference component of an endpoint that
    scales to zero. Raises as `OpenAiTarget` does.
    """

    def __init__(self, client: Any, endpoint: str, *, component: str = "", max_tokens: int = 256, seconds: float = 120):
        self._client, self._endpoint, self._max_tokens, self._seconds = client, endpoint, max_tokens, seconds
        self._to = {"EndpointName": endpoint} | ({"InferenceComponentName": component} if component else {})

    def __call__(self, messages: Messages) -> Answer:
        """The answer."""
        body = json.dumps(_body(messages, self._max_tokens)).encode()
        subject = f"endpoint {self._endpoint}"

        def ask() -> bytes:
            answer = self._client.invoke_endpoint(**self._to, ContentType=JSON, Accept=JSON, Body=body)
            return answer["Body"].read()

        return _completion(_retried(ask, subject, self._seconds), subject, self._endpoint)


class BedrockTarget:
    """A model of Bedrock's, by Converse; `client` is boto3's or botocore's `bedrock-runtime`.

    Raises as `OpenAiTarget` does.
    """

    def __init__(self, client: Any, model: str, *, max_tokens: int = 256, seconds: float = 120):
        self._client, self._model, self._max_tokens, self._seconds = client, model, max_tokens, seconds

    def __call__(self, messages: Messages) -> Answer:
        """The answer."""
        texts = [(message["role"], [{"text": message["content"]}]) for message in messages]
        request = {
            "modelId": self._model,
            "system": [part for role, content in texts if role == "system" for part in content],
            "messages": [{"role": role, "content": content} for role, content in texts if role != "system"],
            "inferenceConfig": {"temperature": 0, "maxTokens": self._max_tokens},
        }
        answer = _retried(lambda: self._client.converse(**request), self._model, self._seconds)
        try:
            text = "".join(part.get("text", "") for part in answer["output"]["message"]["content"])
        except (LookupError, TypeError) as error:
            raise TargetError(f"{self._model} answered no message: {str(answer)[:200]}") from error
        usage = answer.get("usage") or {}
        read, written = (_count(usage.get(f"{way}Tokens")) for way in ("input", "output"))
        return Answer(_text(text), model=self._model, input_tokens=read, output_tokens=written)


def asking(target: Target, system: str | None = None) -> Ask:
    """A target that takes a question, after a system message; it refuses in the words that RAG's prompt asks for."""
    from tandem.rag.answer import NOT_FOUND

    before = [{"role": "system", "content": system}] if system else []

    def ask(question: str) -> Answer:
        answer = target([*before, {"role": "user", "content": question}])
        refused = (answer.text or "").strip().startswith(NOT_FOUND.rstrip("."))
        return replace(answer, refused=refused)

    return ask


def of_query_api(response: Any) -> Answer:
    """The answer in a response of the query API; raises `TargetError` for one of another shape."""
    try:
        citations, usage = response["citations"], response.get("usage") or {}
        retrieved = response.get("retrieved")
        return Answer(
            _text(response["answer"]),
            refused=bool(response["refused"]),
            cited=_documents(citations),
            retrieved=None if retrieved is None else _documents(retrieved),
            model=response.get("model"),
            input_tokens=_count(usage.get("input_tokens")),
            output_tokens=_count(usage.get("output_tokens")),
            score=max((float(citation["score"]) for citation in citations), default=None),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TargetError(f"the response has another shape ({type(error).__name__}: {error})") from error


def _body(messages: Messages, max_tokens: int) -> dict[str, Any]:
    return {"messages": [dict(message) for message in messages], "max_tokens": max_tokens, "temperature": 0}


def _read(response: http.client.HTTPResponse, deadline: Deadline) -> bytes:
    """The whole body; the time limit of a socket starts again with each byte, so ours is held to here."""
    content = b""
    while part := response.read1(65536):
        content += part
        if not deadline.remaining():
            raise TimeoutError("the answer didn't end in time")
        if len(content) > MOST_BYTES:
            raise TargetError(f"the answer is longer than {MOST_BYTES:,} bytes")
    if response.length:
        raise http.client.IncompleteRead(content, response.length)
    return content


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return error.reason


def _retried(call: Callable[[], Any], subject: str, seconds: float) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    from tandem.runtime.clients import is_transient

    def ask() -> Any:
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            kind = Transient if is_transient(error) else TargetError
            raise kind(f"{subject}: {error}") from error

    return retry(ask, Deadline(seconds))


def _completion(content: bytes, subject: str, model: str) -> Answer:
    try:
        answer = json.loads(content)
        text, usage = _text(answer["choices"][0]["message"]["content"]), answer.get("usage") or {}
        read, written = (_count(usage.get(f"{what}_tokens")) for what in ("prompt", "completion"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise TargetError(f"{subject} answered no chat completion: {content[:200].decode(errors='replace')}") from error
    return Answer(text or "", model=model, input_tokens=read, output_tokens=written)


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"the text is {value!r}")
    return value and value.encode(errors="replace").decode()  # half a surrogate pair can't be stored


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _documents(places: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(place["document"]) for place in places))
