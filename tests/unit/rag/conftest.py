"""A whole stack in memory."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from tandem.rag import retry
from tandem.rag.embed import Embedder
from tandem.rag.index_version import IndexVersion
from tandem.rag.ingest import Ingester
from tandem.rag.ledger import Ledger, Row
from tandem.rag.retry import Deadline
from tandem.rag.search_index import SearchIndex
from tandem.rag.sweep import Summary, Sweep

from .fakes import BUCKET, QUEUE, TABLE, Clock, FakeBedrock, FakeDynamoDB, FakeOpenSearch, FakeS3, FakeSQS

VERSION = IndexVersion("https://search", "docs-1", "amazon.titan-embed-text-v2:0", 256, 20, 4)


@dataclass
class Stack:
    clock: Clock = field(default_factory=Clock)
    dynamodb: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    sqs: FakeSQS = field(default_factory=FakeSQS)
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    opensearch: FakeOpenSearch = field(default_factory=FakeOpenSearch)

    def __post_init__(self):
        self.s3 = FakeS3(self.clock)
        self.ledger = Ledger(self.dynamodb, TABLE, self.clock)
        self.ledger.activate_first(VERSION)
        self.index = SearchIndex(self.opensearch, VERSION.index)
        self.embedder = Embedder(self.bedrock, VERSION.embedder, VERSION.dimensions)
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
            index_name=VERSION.index,
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
def no_pauses(monkeypatch):
    monkeypatch.setattr(retry, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=retry.time.monotonic))
