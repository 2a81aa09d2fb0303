"""Documents of several parts: what is written stays written, and nothing else stays."""

import json
from types import SimpleNamespace

import pytest
from tandem_contract.errors import Unavailable

from tandem.rag import ingest
from tandem.rag.functions import ingest as handler
from tandem.rag.lease import LEASE_SECONDS, Lease, LeaseLost
from tandem.rag.ledger import Part
from tandem.rag.sweep import CLOCK_SKEW_SECONDS
from tandem.runtime import retry

from .conftest import VERSION, Stack, context
from .fakes import QUEUE, refused, silence
from .test_functions import message
from .test_sweep import work_off

KEY = "long.md"


class Killed(BaseException):
    """The end of the process: nothing after it runs."""


def text(word: str, paragraphs: int = 14) -> str:
    """Markdown of which each paragraph is a chunk."""
    return "\n\n".join(f"# {number}\n\n{word} number {number}" for number in range(paragraphs))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(ingest, "PART", 5)


def part_items(stack: Stack) -> dict[tuple[str, str], dict]:
    return {key: item for key, item in stack.dynamodb.items.items() if key[0].startswith("attempt#")}


def assert_agreement(stack: Stack, content: dict[str, str]) -> None:
    """Bucket, ledger and index hold the same, and nothing is left of anything else."""
    stack.opensearch.refresh()
    rows = {row.document: row for row in stack.ledger.rows(VERSION.index)}
    assert rows.keys() == content.keys() == stack.s3.objects.keys()
    owned = set()
    for document, row in rows.items():
        ids = stack.ledger.chunks(row)
        found = [stack.opensearch.searched[chunk] for chunk in ids]
        assert [chunk["position"] for chunk in found] == list(range(row.chunk_count)), document
        assert {chunk["attempt"] for chunk in found} == {row.current}
        assert {chunk["version"] for chunk in found} == {stack.s3.objects[document]["ETag"].strip('"')}
        assert found[0]["text"] in content[document]
        assert (row.status, row.attempt, [*row.garbage, *row.garbage_attempts]) == ("indexed", "", [])
        owned |= set(ids)
    assert owned == stack.opensearch.searched.keys()
    kept = {f"attempt#{row.current}" for row in rows.values() if row.parts}
    assert {key[0] for key in part_items(stack)} == kept


def test_comes_changes_and_goes(stack: Stack):
    stack.s3.put(KEY, text("old"))
    outcome = stack.converge(KEY)
    row = stack.row(KEY)
    assert (outcome.status, row.chunks, row.parts) == ("indexed", (), 3)
    assert outcome.chunks == row.chunk_count == 14
    assert [len(part.chunks) for part in stack.ledger.parts(row.current)] == [5, 5, 4]
    assert_agreement(stack, {KEY: text("old")})
    assert stack.converge(KEY).status == "unchanged"
    stack.s3.put(KEY, text("new", 16))
    assert stack.converge(KEY).chunks == 16
    assert_agreement(stack, {KEY: text("new", 16)})
    stack.s3.put(KEY, "short")
    assert stack.converge(KEY).chunks == 1
    assert (stack.row(KEY).chunks, stack.row(KEY).parts, part_items(stack)) == ([stack.row(KEY).chunks[0]], 0, {})
    stack.s3.put(KEY, text("new"))
    stack.converge(KEY)
    assert stack.row(KEY).chunks == ()
    assert_agreement(stack, {KEY: text("new")})
    stack.s3.put(KEY, b"\xff\xff")
    assert stack.converge(KEY).status == "rejected"
    assert (part_items(stack), stack.indexed_texts()) == ({}, set())
    stack.s3.put(KEY, text("new"))
    stack.converge(KEY)
    del stack.s3.objects[KEY]
    assert stack.converge(KEY).status == "deleted"
    assert_agreement(stack, {})


@pytest.mark.parametrize("after", [text("new"), "short", ""])
def test_a_row_of_an_earlier_release_names_all_chunks_itself(stack: Stack, monkeypatch, after):
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "PART", 5000)
        stack.s3.put(KEY, text("old"))
        stack.converge(KEY)
    [row] = [item for key, item in stack.dynamodb.items.items() if key[1] == f"document#{KEY}"]
    for name in ("parts", "warnings", "extractor", "garbage_attempts"):
        row.pop(name, None)
    assert (stack.converge(KEY).status, stack.row(KEY).chunk_count) == ("unchanged", 14)
    stack.clock.now += 1000
    summary = stack.sweep(full=True)
    assert (summary.orphans_deleted, summary.incomplete, summary.hints) == (0, 0, 0)
    stack.s3.put(KEY, after)
    if not after:
        del stack.s3.objects[KEY]
    stack.converge(KEY)
    assert_agreement(stack, {KEY: after} if after else {})


def test_a_retry_goes_on_after_the_last_part(stack: Stack):
    stack.s3.put(KEY, text("old"))
    whole, stack.embedder.documents = stack.embedder.documents, failing_after(stack, 2)
    with pytest.raises(Unavailable):
        stack.converge(KEY)
    attempt = stack.row(KEY).attempt
    assert (stack.row(KEY).status, len(stack.ledger.parts(attempt))) == ("working", 2)
    survived = set(stack.opensearch.searched)
    stack.embedder.documents = whole
    stack.bedrock.embedded.clear()
    assert stack.converge(KEY).status == "indexed"
    assert len(stack.bedrock.embedded) == 4
    assert stack.row(KEY).current == attempt and survived < set(stack.opensearch.searched)
    assert_agreement(stack, {KEY: text("old")})


def failing_after(stack: Stack, calls: int):
    whole = stack.embedder.documents

    def documents(texts, deadline):
        nonlocal calls
        calls -= 1
        if calls < 0:
            raise Unavailable("throttled")
        return whole(texts, deadline)

    return documents


@pytest.mark.parametrize("change", ["object", "metadata", "chunking"])
def test_parts_of_another_text_are_of_no_use(stack: Stack, change, monkeypatch):
    stack.s3.put(KEY, text("old"))
    whole, stack.embedder.documents = stack.embedder.documents, failing_after(stack, 2)
    with pytest.raises(Unavailable):
        stack.converge(KEY)
    stack.embedder.documents = whole
    given_up = stack.row(KEY).attempt
    if change == "object":
        stack.s3.put(KEY, text("new"))
    if change == "metadata":
        stack.s3.put(KEY, text("old"), {"team": "tea"})
    if change == "chunking":
        monkeypatch.setattr(ingest, "PART", 6)
    assert stack.converge(KEY).status == "indexed"
    assert stack.row(KEY).current != given_up
    assert_agreement(stack, {KEY: text("new" if change == "object" else "old")})


def test_a_sweep_keeps_the_parts_of_an_attempt_that_goes_on(stack: Stack):
    stack.s3.put(KEY, text("old"))
    stack.converge(KEY)
    stack.s3.put(KEY, text("new"))
    whole, stack.embedder.documents = stack.embedder.documents, failing_after(stack, 2)
    with pytest.raises(Unavailable):
        stack.converge(KEY)
    stack.embedder.documents = whole
    stack.clock.now += 1000
    assert {word.split()[0] for _, word in stack.indexed_texts()} >= {"old", "new"}
    summary = stack.sweep(full=True)
    assert (summary.orphans_deleted, summary.garbage_deleted, summary.incomplete, summary.hints) == (0, 0, 0, 1)
    stack.bedrock.embedded.clear()
    work_off(stack)
    assert len(stack.bedrock.embedded) == 4
    assert_agreement(stack, {KEY: text("new")})


def test_a_worker_without_its_lease_records_no_part(stack: Stack):
    slow = Lease.acquire(stack.ledger, VERSION.index, KEY)
    slow.begin_attempt("slow")
    slow.finish_part(Part(0, "digest", ["id-1"]))
    stack.clock.now += LEASE_SECONDS
    with pytest.raises(LeaseLost):
        slow.finish_part(Part(1, "digest", ["id-2"]))
    assert stack.ledger.parts("slow") == [Part(0, "digest", ["id-1"])]


def test_garbage_of_many_parts_that_ingestion_could_not_delete(stack: Stack):
    stack.s3.put(KEY, text("old"))
    stack.converge(KEY)
    stack.s3.put(KEY, "short")
    # One write, two deletes of parts, and then search is away.
    stack.opensearch.faults = [lambda: None] * 3 + [silence] * 100
    with pytest.raises(Unavailable):
        stack.converge(KEY)
    stack.opensearch.faults = []
    assert len(stack.row(KEY).garbage_attempts) == len(part_items(stack)) == 1
    assert stack.sweep().garbage_deleted == 4
    assert_agreement(stack, {KEY: "short"})


class Time:
    """Time that passes with every text that is embedded."""

    def __init__(self, stack: Stack, monkeypatch, seconds: float):
        whole, self.now = stack.embedder.documents, 0.0

        def documents(texts, deadline):
            vectors = whole(texts, deadline)
            self.now += seconds
            return vectors

        monkeypatch.setattr(stack.embedder, "documents", documents)
        for module in (ingest, retry):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_what_takes_longer_than_a_call_goes_on_in_the_next(stack: Stack, environment, monkeypatch, capsys):
    Time(stack, monkeypatch, 60)
    stack.s3.put(KEY, text("old", 34))
    calls, records = 0, [message(KEY, receives=9)]
    while records:
        result = handler.handler({"Records": records}, context(300))
        assert result == {"batchItemFailures": []}
        sent, stack.sqs.sent[QUEUE] = stack.sqs.sent[QUEUE], []
        assert [each["body"] for each in sent] in ([], [records[0]["body"]])
        records = [{**message("-"), **each} for each in sent]
        calls += 1
    assert calls == 3  # seven parts of a minute, three in a call of 290 s, of which half a minute stays free
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    events = [(line["event"], line["chunks"]) for line in lines if "document" in line]
    assert events == [("document unfinished", 15), ("document unfinished", 30), ("document indexed", 34)]
    assert_agreement(stack, {KEY: text("old", 34)})


def test_going_on_without_having_written_a_part_is_a_failure(stack: Stack, environment):
    stack.s3.put(KEY, text("old"))
    stack.bedrock.faults = [refused("ThrottlingException", 429)] * 1000
    assert len(handler.handler({"Records": [message(KEY)]}, context(300))["batchItemFailures"]) == 1
    assert stack.sqs.sent[QUEUE] == []


class Kill:
    """Counts what leaves the function, and ends the process at one call: before or after it was carried out."""

    calls = 0

    def __init__(self, stack: Stack, monkeypatch, at: int, carried_out: bool):
        self.at, self.carried_out = at, carried_out
        names = {
            stack.s3: ["get_object"],
            stack.dynamodb: ["get_item", "update_item", "query", "transact_write_items", "delete_item"],
            stack.bedrock: ["invoke_model"],
            stack.opensearch: ["request"],
        }
        for client in names:
            for name in names[client]:
                monkeypatch.setattr(client, name, self.call(getattr(client, name)))
        monkeypatch.setattr(Lease, "release", lambda lease, worked: None)  # a killed process gives no lease back

    def call(self, of):
        def counted(*arguments, **named):
            self.calls += 1
            if self.calls == self.at and not self.carried_out:
                raise Killed
            try:
                return of(*arguments, **named)
            finally:
                if self.calls == self.at:
                    raise Killed

        return counted


@pytest.mark.faults
@pytest.mark.parametrize("before", ["", "short", text("old", 5)], ids=["nothing", "short", "long"])
@pytest.mark.parametrize("after", ["", text("new", 5)], ids=["gone", "long"])
def test_killed_at_any_call(before, after, monkeypatch):
    """At each in turn, in a document of three parts: afterwards bucket, ledger and index agree."""
    monkeypatch.setattr(ingest, "PART", 2)
    at, done = 0, False
    while not done:
        at += 1
        for carried_out in (False, True):
            stack = Stack()
            if before:
                stack.s3.put(KEY, before)
                stack.converge(KEY)
            stack.s3.put(KEY, after)
            if not after:
                del stack.s3.objects[KEY]
            with monkeypatch.context() as patch:
                Kill(stack, patch, at, carried_out)
                try:
                    stack.converge(KEY)
                    done = True
                except Killed:
                    pass
            for _ in range(2):
                stack.clock.now += LEASE_SECONDS + CLOCK_SKEW_SECONDS + 1000
                stack.sweep(full=True)
                work_off(stack)
            assert_agreement(stack, {KEY: after} if after else {})
    assert at > (15 if after else 3)
