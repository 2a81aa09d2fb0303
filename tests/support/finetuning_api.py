"""A managed fine-tuning service on loopback, in the dialects of OpenAI and of Together AI.

It is as strict as the real ones' typed clients (PyPI: openai 3.57.0, together 3.1.1): unknown and missing fields, wrong
types and wrong paths are refused with OpenAI's error object. A job goes one state further each time it is read.
"""

import contextlib
import email
import email.policy
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

NUMBER = (int, float)
# Field: its type, or the fields of the object; required ones begin with "!".
OPENAI_JOB = {
    "!model": str,
    "!training_file": str,
    "validation_file": str,
    "suffix": str,
    "seed": int,
    "metadata": dict,
    "method": {
        "!type": str,
        "supervised": {
            "hyperparameters": {"n_epochs": int, "batch_size": int, "learning_rate_multiplier": NUMBER},
        },
    },
}
TOGETHER_JOB = {
    "!model": str,
    "!training_file": str,
    "validation_file": str,
    "suffix": str,
    "n_epochs": int,
    "n_evals": int,
    "n_checkpoints": int,
    "packing": bool,
    "learning_rate": NUMBER,
    "lr_scheduler": {"!lr_scheduler_type": str, "lr_scheduler_args": {"min_lr_ratio": NUMBER, "num_cycles": NUMBER}},
    "warmup_ratio": NUMBER,
    "max_grad_norm": NUMBER,
    "weight_decay": NUMBER,
    "max_seq_length": int,
    "batch_size": int,
    "gradient_accumulation_steps": int,
    "random_seed": int,
    "training_method": {"!method": str, "train_on_inputs": bool},
    "training_type": {
        "!type": str,
        "lora_r": int,
        "lora_alpha": int,
        "lora_dropout": NUMBER,
        "lora_trainable_modules": str,
    },
}
CHAT = {"!model": str, "!messages": list, "temperature": NUMBER}
THINKING = {"chat_template_kwargs": {"enable_thinking": bool}}
STEPS, LOSSES = 30, (2.5, 1.25, 0.5)


@dataclass(frozen=True)
class Speech:
    """What differs between the dialects."""

    files: str
    file_fields: set[str]
    jobs: str
    job: dict[str, Any]
    length: str
    states: tuple[str, ...]
    ends: dict[str, str]
    suffix: int


SPEECHES = {
    "openai": Speech(
        "/v1/files",
        {"purpose", "file"},
        "/v1/fine_tuning/jobs",
        OPENAI_JOB,
        "max_completion_tokens",
        ("validating_files", "queued", "running", "running", "succeeded"),
        {"failed": "failed", "cancelled": "cancelled"},
        64,
    ),
    "together": Speech(
        "/v1/files/upload",
        {"purpose", "file", "file_name", "file_type"},
        "/v1/fine-tunes",
        TOGETHER_JOB,
        "max_tokens",
        ("pending", "queued", "running", "compressing", "uploading", "completed"),
        {"failed": "error", "cancelled": "cancelled"},
        40,
    ),
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Fault:
    """An answer in place of the service's own, to requests of `method` to `path`, `times` times.

    With `after`, the request is carried out first. Status 0 closes the connection without an answer.
    """

    method: str
    path: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "scripted"
    code: str | None = None
    after: bool = False


@dataclass
class Api:
    """The service's state, and what the tests tell it."""

    dialect: str
    key: str = "sk-local-0123456789"
    url: str = ""
    speak: Callable[[str, list[dict[str, str]]], str] = lambda model, messages: "yes"
    page: int = 100
    fails: str = ""
    """Makes jobs fail with this message."""
    served: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    chats: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of chat requests that were taken."""

    def __post_init__(self) -> None:
        self.speech, self.lock = SPEECHES[self.dialect], threading.Lock()

    def asked(self, method: str, path: str) -> int:
        """How often something was asked."""
        return sum(each == (method, path) for each in self.requests)

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        """The answer to a request; raises `Refused`."""
        if headers.get("authorization") != f"Bearer {self.key}":
            shown = headers.get("authorization", "").removeprefix("Bearer ")
            raise Refused(401, f"Incorrect API key provided: {shown}.", "invalid_api_key")
        path, query = urlsplit(target).path, dict(parse_qsl(urlsplit(target).query))
        job, _, action = path.removeprefix(f"{self.speech.jobs}/").partition("/")
        if (method, path) == ("POST", self.speech.files):
            return self._file(headers["content-type"], body)
        if (method, path) == ("POST", self.speech.jobs):
            return self._job(json.loads(body))
        if (method, path) == ("GET", self.speech.jobs):
            return self._list(query)
        if (method, path) == ("POST", "/v1/chat/completions"):
            return self._chat(json.loads(body))
        if path.startswith(f"{self.speech.jobs}/") and job in self.jobs:
            if (method, action) == ("GET", ""):
                return self._read(self.jobs[job])
            if (method, action) == ("POST", "cancel"):
                return self._cancel(self.jobs[job])
            if (method, action) == ("GET", "events") and self.dialect == "openai":
                return {"object": "list", "data": self._events(self.jobs[job])[::-1], "has_more": False}
            if (method, action) == ("GET", "metrics") and self.dialect == "together":
                rows = zip(self._steps(self.jobs[job]), LOSSES, strict=False)
                return {"metrics": [{"train/global_step": step, "train/loss": loss} for step, loss in rows]}
        raise Refused(404, f"Invalid URL ({method} {target})")

    def _file(self, kind: str, body: bytes) -> dict[str, Any]:
        text = f"Content-Type: {kind}\r\n\r\n".encode() + body
        parts = list(email.message_from_bytes(text, policy=email.policy.HTTP).iter_parts())
        fields = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
        if set(fields) != self.speech.file_fields or fields["purpose"] != b"fine-tune":
            raise Refused(400, f"fields of the form: {sorted(fields)}")
        if self.dialect == "together" and fields["file_type"] != b"jsonl":
            raise Refused(400, "file_type")
        for line in fields["file"].splitlines():
            if set(row := json.loads(line)) != {"messages"} or row["messages"][-1]["role"] != "assistant":
                raise Refused(400, f"not a row of a conversation: {row}")
        name = f"file-{len(self.files) + 1}"
        self.files[name] = fields["file"]
        return {"id": name, "object": "file", "bytes": len(fields["file"]), "filename": f"{name}.jsonl"}

    def _job(self, body: dict[str, Any]) -> dict[str, Any]:
        _strict(body, self.speech.job)
        for key in ("training_file", "validation_file"):
            if key in body and body[key] not in self.files:
                raise Refused(400, f"Invalid file for {key}", "invalid_file")
        if len(body.get("suffix", "")) > self.speech.suffix:
            raise Refused(400, "suffix is too long")
        name = f"{'ftjob' if self.dialect == 'openai' else 'ft'}-{len(self.jobs) + 1}"
        self.jobs[name] = {"id": name, "status": self.speech.states[0], "asked": body, "reads": 0}
        return self._shown(self.jobs[name])

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        jobs = [self._shown(job) for job in reversed(self.jobs.values())]
        if self.dialect == "together":
            if query:
                raise Refused(400, f"unknown parameters: {sorted(query)}")
            return {"data": jobs}
        wanted = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
        jobs = [job for job in jobs if wanted.items() <= (job["metadata"] or {}).items()]
        at = next((at + 1 for at, job in enumerate(jobs) if job["id"] == query.get("after")), 0)
        end = at + min(int(query.get("limit", 20)), self.page)
        return {"object": "list", "data": jobs[at:end], "has_more": end < len(jobs)}

    def _read(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["status"] not in (self.speech.states[-1], *self.speech.ends.values()):
            job["reads"] += 1
            job["status"] = self.speech.states[min(job["reads"], len(self.speech.states) - 1)]
            if self.fails and job["reads"] == 2:
                job["status"] = self.speech.ends["failed"]
        return self._shown(job)

    def _cancel(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["status"] in (self.speech.states[-1], *self.speech.ends.values()):
            raise Refused(400, "Job has already completed.", "invalid_state")
        job["status"] = self.speech.ends["cancelled"]
        return self._shown(job)

    def _steps(self, job: dict[str, Any]) -> list[int]:
        return [10, 20, STEPS][: max(0, job["reads"] - 1)] if job["reads"] > 1 else []

    def _events(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        openai = self.dialect == "openai"
        kinds = ("message", "metrics") if openai else ("job_start", "epoch_complete")
        events = [{"type": kinds[0], "message": "Created fine-tuning job."}]
        for step, loss in zip(self._steps(job), LOSSES, strict=False):
            event = {"type": kinds[1], "message": f"Step {step}/{STEPS}: training loss={loss:.2f}"}
            event |= {"data": {"step": step, "train_loss": loss}} if openai else {"step": step, "total_steps": STEPS}
            events.append(event)
        if job["status"] == self.speech.ends["failed"] and not openai:
            events.append({"type": "job_error", "message": self.fails})
        times = (1_750_000_000 + at if openai else f"2026-11-24T10:00:{at:02}Z" for at in range(len(events)))
        return [event | {"id": f"e-{time}", "created_at": time} for event, time in zip(events, times, strict=True)]

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        asked, done = job["asked"], job["status"] == self.speech.states[-1]
        tuned = f"{asked['model']}:{asked.get('suffix', '')}:{job['id']}"
        shown = {key: asked.get(key) for key in ("model", "training_file", "validation_file", "suffix")}
        shown |= {"id": job["id"], "status": job["status"]}
        if self.dialect == "openai":
            del shown["suffix"]  # it is in the model's name alone
            failed = {"code": "invalid_training_file", "message": self.fails, "param": "training_file"}
            shown |= {"object": "fine_tuning.job", "metadata": asked.get("metadata"), "created_at": 1_750_000_000}
            shown |= {"fine_tuned_model": f"ft:{tuned}" if done else None, "trained_tokens": 12_000 if done else None}
            return shown | {"error": failed if job["status"] == "failed" else None}
        shown |= {"user_id": "user-1", "created_at": "2026-11-24T10:00:00Z", "events": self._events(job)}
        return shown | {"model_output_name": f"acme/{tuned}", "token_count": 12_000 if done else None}

    def _chat(self, body: dict[str, Any]) -> dict[str, Any]:
        _strict(body, CHAT | {self.speech.length: int} | ({} if self.dialect == "openai" else THINKING))
        models = {job["asked"]["model"] for job in self.jobs.values()} | self.served
        if self.dialect == "openai":
            models |= {self._shown(job)["fine_tuned_model"] for job in self.jobs.values()}
        if body["model"] not in models:
            code, status = ("model_not_found", 404) if self.dialect == "openai" else ("model_not_available", 400)
            raise Refused(status, f"Unable to access non-serverless model {body['model']}.", code)
        self.chats.append(body)
        message = {"role": "assistant", "content": self.speak(body["model"], body["messages"])}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"id": "c-1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]}


def _strict(body: Any, fields: dict[str, Any], under: str = "") -> None:
    kinds = {name.lstrip("!"): kind for name, kind in fields.items()}
    missing = [name[1:] for name in fields if name.startswith("!") and name[1:] not in body]
    if unknown := [name for name in body if name not in kinds]:
        raise Refused(400, f"Unknown parameter: '{under}{unknown[0]}'.", "unknown_parameter")
    if missing:
        raise Refused(400, f"Missing required parameter: '{under}{missing[0]}'.", "missing_required_parameter")
    for name, value in body.items():
        kind = kinds[name]
        wrong = not isinstance(value, dict if isinstance(kind, dict) else kind)
        if wrong or (isinstance(value, bool) and kind is not bool):
            raise Refused(400, f"Invalid type for '{under}{name}'.", "invalid_type")
        if isinstance(kind, dict):
            _strict(value, kind, f"{under}{name}.")


@contextlib.contextmanager
def serve(dialect: str) -> Generator[Api]:
    """Serve an `Api` until the block ends."""
    api = Api(dialect)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = urlsplit(self.path).path
            with api.lock:
                api.requests.append((self.command, path.removeprefix("/v1")))
                where = (self.command, path.removeprefix("/v1"))
                fault = next((each for each in api.faults if (each.method, each.path) == where and each.times), None)
                if fault:
                    fault.times -= 1
                status, extra, content = 200, {}, None
                if fault is None or fault.after:
                    try:
                        headers = {name.lower(): value for name, value in self.headers.items()}
                        content = api.handle(self.command, self.path, headers, body)
                    except Refused as error:
                        status, content = error.status, _error(str(error), error.code)
            if fault and fault.status == 0:
                self.close_connection = True
                return
            if fault:
                status, extra, content = fault.status, fault.headers, _error(fault.message, fault.code)
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**extra, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64  # with five, the default, connections that come at once wait a second

    server = Server(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()


def _error(message: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
