"""Who writes the answers: a hosted model, or a tuned one with the hosted one behind it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import Unavailable

from tandem.models.embed import invoke
from tandem.runtime.circuit_breaker import CircuitBreaker, CircuitOpen
from tandem.runtime.retry import Deadline, Transient, retry

MAX_TOKENS = 300
RETRY_SECONDS = 15.0
# A question has 24 seconds (functions/query.py). Of what retrieval leaves of them the second writer keeps enough for an
# answer, whatever the first does. Too little for the first would only look like its failure, so then it isn't asked.
FIRST_SECONDS, LEAST_FIRST_SECONDS, SECOND_SECONDS = 10.0, 4.0, 8.0
# InvokeEndpoint's errors where there is no such endpoint, where an inference component has no copy (AWS's notebooks on
# scaling to zero show the message), and where a model is still loading (API reference).
NOBODY_THERE = {"ValidationError", "ModelNotReadyException"}


class NobodyThere(Unavailable):
    """There is nobody to ask, for some minutes at least."""


class Usage(NamedTuple):
    """The tokens that a model read and wrote for one text."""

    input_tokens: int
    output_tokens: int


class Written(NamedTuple):
    """A text, the model that wrote it, and what it says that it read and wrote; None if it doesn't say."""

    text: str
    model: str
    usage: Usage | None


class Writer(Protocol):
    """Writes texts."""

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """A text that is never empty. Raises `Unavailable`."""
        ...


class HostedWriter:
    """A Bedrock model."""

    def __init__(self, client: Any, model: str):
        self._client, self._model = client, model

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have the model write. Raises `Unavailable`."""
        request = {
            "modelId": self._model,
            "system": [{"text": instructions}],
            "messages": [{"role": "user", "content": [{"text": prompt}]}],
            "inferenceConfig": {"temperature": 0, "maxTokens": MAX_TOKENS},
        }

        def converse() -> Written:
            answer = invoke(lambda: self._client.converse(**request))
            text = "".join(part.get("text", "") for part in answer["output"]["message"]["content"]).strip()
            if not text:
                raise Transient(f"{self._model} returned no text (stop reason {answer.get('stopReason')})")
            return Written(text, self._model, _usage(answer, "inputTokens", "outputTokens"))

        # A refusal comes at once and is worth another try; a model that was silent for long would only be asked again
        # behind its own abandoned answer.
        return retry(converse, deadline.within(RETRY_SECONDS), tries=4)


class TunedWriter:
    """A SageMaker endpoint that takes OpenAI's chat requests, as vLLM's and LMI's containers do.

    `component` is its inference component, where it scales to zero.
    """

    def __init__(self, client: Any, endpoint: str, component: str = ""):
        self._client, self._endpoint = client, endpoint
        self._to = {"EndpointName": endpoint} | ({"InferenceComponentName": component} if component else {})
        # A client's timeouts bound each wait for data, not the whole of an answer that trickles. What is left behind
        # here ends by itself: SageMaker gives a model 60 seconds.
        self._pool = ThreadPoolExecutor(4)

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have the endpoint write, once: who waits has another model. Raises `Unavailable`, also as `NobodyThere`."""
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": prompt}]
        body = json.dumps({"messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0})
        try:
            return self._pool.submit(self._ask, body).result(deadline.remaining())
        except TimeoutError as error:
            raise Unavailable(f"endpoint {self._endpoint} has not answered in time") from error
        except ClientError as error:
            kind = NobodyThere if error.response.get("Error", {}).get("Code") in NOBODY_THERE else Unavailable
            raise kind(f"endpoint {self._endpoint}: {error}") from error
        except (BotoCoreError, ValueError, LookupError, TypeError) as error:  # also an answer of another shape
            raise Unavailable(f"endpoint {self._endpoint}: {type(error).__name__}: {error}") from error

    def _ask(self, body: str) -> Written:
        response = self._client.invoke_endpoint(**self._to, ContentType="application/json", Body=body)
        answer = json.loads(response["Body"].read())
        text = answer["choices"][0]["message"]["content"]
        if not isinstance(text, str) or not text.strip():
            raise ValueError("no text in the answer")
        return Written(text.strip(), self._endpoint, _usage(answer, "prompt_tokens", "completion_tokens"))


class FallbackWriter:
    """The first writer while its circuit is closed and there is time for both, else the second.

    `failed` is told of each failure of the first.
    """

    def __init__(self, first: Writer, second: Writer, circuit: CircuitBreaker, failed: Callable[[str], None]):
        self._first, self._second, self._circuit, self._failed = first, second, circuit, failed

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Written:
        """Have one of them write. Raises `Unavailable` when neither can."""
        spare = deadline.remaining() - SECOND_SECONDS
        if spare >= LEAST_FIRST_SECONDS:
            patience = deadline.within(min(FIRST_SECONDS, spare))
            try:
                return self._circuit.call(lambda: self._first.write(instructions, prompt, patience))
            except CircuitOpen:
                pass
            except Unavailable as error:
                self._failed(str(error))
        return self._second.write(instructions, prompt, deadline)


def _usage(answer: dict[str, Any], read: str, written: str) -> Usage | None:
    """The tokens by an answer's `usage`, under the names that it has there."""
    try:
        return Usage(int(answer["usage"][read]), int(answer["usage"][written]))
    except (LookupError, TypeError, ValueError):
        return None
