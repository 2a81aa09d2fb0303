"""A whole stack in memory, and its handlers."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from tandem.models.bedrock_embedder import BedrockEmbedder
from tandem.rag import reader_process, reading
from tandem.rag.documents.section import Rejected
from tandem.rag.functions import drop_indices, ensure_index, ingest, query, sweep
from tandem.rag.index_version import IndexVersion
from tandem.rag.ingest import Ingester
from tandem.rag.ledger import Ledger, Row
from tandem.rag.stores.opensearch import OpenSearchIndex
from tandem.rag.sweep import Summary, Sweep
from tandem.runtime import retry
from tandem.runtime.retry import Deadline

from .fakes import BUCKET, DEAD_LETTERS, QUEUE, TABLE, Clock, FakeBedrock, FakeDynamoDB, FakeOpenSearch, FakeS3, FakeSQS

VERSION = IndexVersion("https://search", "docs-1", "amazon.titan-embed-text-v2:0", 256, 20, 4)
ENVIRONMENT = {
    "TANDEM_LEDGER_TABLE": TABLE,
    "TANDEM_DOCUMENTS_BUCKET": BUCKET,
    "TANDEM_QUEUE_URL": QUEUE,
    "TANDEM_DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
    "TANDEM_MAX_RECEIVES": "10",
    "TANDEM_MAX_DOCUMENT_MB": "1",
    "TANDEM_GENERATOR": "amazon.nova-lite-v1:0",
    "TANDEM_MIN_SCORE": "0.2",
    "TANDEM_TOP_K": "5",
    "AWS_REGION": "eu-north-1",
}


@dataclass
class Stack:
    clock: Clock = field(default_factory=Clock)
    dynamodb: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    sqs: FakeSQS = field(default_factory=FakeSQS)
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    opensearch: FakeOpenSearch = field(default_factory=FakeOpenSearch)
    version: IndexVersion = VERSION

    def __post_init__(self):
        self.s3 = FakeS3(self.clock)
        self.ledger = Ledger(self.dynamodb, TABLE, self.clock)
        self.ledger.activate(VERSION)
        self.index = OpenSearchIndex(self.opensearch, VERSION.index)
        self.embedder = BedrockEmbedder(self.bedrock, VERSION.embedder, VERSION.dimensions)
        self.ingester = Ingester(self.s3, BUCKET, self.ledger, lambda _: self.index, lambda _: self.embedder, 1)

    def converge(self, document: str, seconds: float = 100):
        return self.ingester.converge(document, Deadline(seconds))

    def sweep(self, full: bool = False) -> Summary:
        return Sweep(
            s3=self.s3,
            bucket=BUCKET,
            sqs=self.sqs,
            queue_url=QUEUE,
            ledger=self.ledger,
            index=self.index,
            version=self.version,
            deadline=Deadline(60),
        ).run(full)

    def row(self, document: str) -> Row | None:
        return self.ledger.row(VERSION.index, document)

    def indexed_texts(self) -> set[tuple[str, str]]:
        """What a reader of the index finds, whether queries would show it or not."""
        return {(source["document"], source["text"]) for source in self.opensearch.searched.values()}


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture(autouse=True)
def read_in_this_process(request, monkeypatch):
    """Tests of what a process of its own is for say so: `@pytest.mark.usefixtures("own_process")`."""
    if "own_process" in request.fixturenames:
        return

    def run(task, deadline, keep):
        try:
            result = reader_process.read(task)
        except Rejected as error:
            result = reader_process.Result(rejected=str(error))
        Path(task.result).write_text(json.dumps(result))
        return 0

    monkeypatch.setattr(reading.READERS, "run", run)


@pytest.fixture
def own_process():
    """Documents are read in a process, as in a function."""
    reading.READERS.end()
    yield
    reading.READERS.end()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=retry.time.monotonic))


def context(seconds: float = 300):
    return SimpleNamespace(get_remaining_time_in_millis=lambda: seconds * 1000, aws_request_id="r-1")


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    """What functions are told: it says what their requests name (`tests/support/aws_requests.py`), handler or not."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def environment(stack: Stack, monkeypatch):
    """Handlers find what the stack is made of."""
    fakes = {"s3": stack.s3, "sqs": stack.sqs, "dynamodb": stack.dynamodb, "bedrock-runtime": stack.bedrock}
    query._retriever.cache_clear()
    query._settings.cache_clear()
    query._writer.cache_clear()
    for module in (drop_indices, ensure_index, ingest, query, sweep):
        for name, stand_in in {
            "client": fakes.get,
            "ledger": lambda: stack.ledger,
            "open_index": lambda version: OpenSearchIndex(stack.opensearch, version.index, version.service),
            "open_embedder": lambda version: stack.embedder,
        }.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, stand_in)


def ask(request, seconds: float = 28, **event) -> tuple[int, dict, dict]:
    body = request if isinstance(request, str) else json.dumps(request)
    response = query.handler({"body": body, **event}, context(seconds))
    return response["statusCode"], response["headers"], json.loads(response["body"])


@pytest.fixture
def answering(stack: Stack) -> Stack:
    stack.s3.put("tea.md", "# Tea\nGreen tea is warm.")
    stack.converge("tea.md")
    return stack
