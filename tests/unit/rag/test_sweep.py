"""The sweep makes the index equal to the bucket."""

import json

import pytest

from tandem.rag import sweep
from tandem.rag.lease import Lease
from tandem.rag.sweep import outer_join
from tandem.runtime.retry import Deadline

from .conftest import VERSION, Stack
from .fakes import QUEUE, silence

NAMES = ["B.txt", "a/1.txt", "a/2.txt", "a0.txt", "z.txt", "é.txt", "𝒳.txt"]  # noqa: RUF001 - beyond 16 bits on purpose


def work_off(stack: Stack) -> list[str]:
    """Do what the queued hints say, as ingestion would."""
    messages, stack.sqs.sent[QUEUE] = stack.sqs.sent[QUEUE], []
    documents = [json.loads(message["body"])["detail"]["object"]["key"] for message in messages]
    for document in documents:
        stack.converge(document)
    return documents


def assert_consistent(stack: Stack) -> None:
    assert {document for document, _ in stack.indexed_texts()} == stack.s3.objects.keys()
    assert {row.document for row in stack.ledger.rows(VERSION.index)} == stack.s3.objects.keys()
    assert {i for row in stack.ledger.rows(VERSION.index) for i in row.chunks} == stack.opensearch.searched.keys()


@pytest.fixture
def filled(stack: Stack) -> Stack:
    for name in NAMES:
        stack.s3.put(name, f"Content of {name}")
        stack.converge(name)
    stack.clock.now += 1000
    return stack


def test_nothing_to_do_lets_search_sleep(filled: Stack):
    first = filled.sweep()
    assert (first.documents, first.unindexed, first.hints, first.compared_index) == (len(NAMES), 0, 0, True)
    calls = len(filled.opensearch.requests)
    second = filled.sweep()
    assert (second.compared_index, second.stopped, len(filled.opensearch.requests)) == (False, "", calls)
    assert filled.sweep(full=True).compared_index
    filled.clock.now += sweep.FULL_AFTER_SECONDS + 1
    assert filled.sweep().compared_index


def test_an_event_that_changes_nothing_lets_search_sleep(filled: Stack):
    """Such as S3's own of a superseded version that expires, a month after each update."""
    filled.sweep()
    for name in NAMES[:2]:
        assert filled.converge(name).status == "unchanged"
    outcomes = filled.ingester.converge_all(NAMES, Deadline(100))
    assert {outcome.status for _, outcome in outcomes} == {"unchanged"}
    calls = len(filled.opensearch.requests)
    assert not filled.sweep().compared_index
    assert len(filled.opensearch.requests) == calls


def test_work_that_failed_has_the_index_looked_at(filled: Stack):
    """Its chunks may be in the index, and nothing of the document's row names them."""
    filled.sweep()
    filled.s3.put("z.txt", "changed")
    filled.dynamodb.before_update = fails_to_commit
    with pytest.raises(RuntimeError):
        filled.converge("z.txt")
    filled.dynamodb.before_update = lambda request: None
    del filled.s3.objects["z.txt"]
    filled.s3.put("z.txt", "Content of z.txt")  # as it was, so that no later commit tells of it
    filled.clock.now += 1000
    summary = filled.sweep()
    assert (summary.compared_index, summary.orphans_deleted) == (True, 1)


def fails_to_commit(request):
    if "#chunk_count" in request["UpdateExpression"]:
        raise RuntimeError


def test_chunks_of_a_worker_that_died_are_not_lost_sight_of(filled: Stack):
    """It had the lease, wrote chunks that aren't visible yet, and was gone."""
    filled.sweep()
    Lease.acquire(filled.ledger, VERSION.index, "z.txt")
    filled.clock.now += 75  # the lease is over, and what was written at its end may not be seen yet
    assert filled.sweep().compared_index
    chunk = next(iter(filled.opensearch.written.values()))
    filled.opensearch.written["left behind"] = chunk | {"document": "z.txt", "attempt": "of the dead"}
    filled.opensearch.refresh()
    filled.clock.now += 1000
    assert filled.sweep().orphans_deleted == 1


def test_the_ledger_is_listed_at_half_the_price(filled: Stack):
    """Reads that needn't be strongly consistent: a stale row has a document looked at once more, and no harm done."""
    listed, query = [], filled.dynamodb.query
    filled.dynamodb.query = lambda **request: listed.append(request["ConsistentRead"]) or query(**request)
    filled.sweep(full=True)
    assert set(listed) == {False}


def test_an_index_of_the_same_name_in_another_store_is_filled(filled: Stack):
    filled.sweep()
    filled.version = VERSION._replace(endpoint="https://another")
    filled.opensearch.written.clear()
    filled.opensearch.refresh()
    assert filled.sweep().incomplete == len(NAMES)
    assert set(work_off(filled)) == set(NAMES)
    assert_consistent(filled)
    filled.clock.now += 1000
    assert filled.sweep().hints == 0


def test_missed_events_are_made_up_for(filled: Stack):
    del filled.s3.objects["a/2.txt"]
    filled.s3.put("a/1.txt", "changed")
    filled.s3.put("new.txt", "new")
    filled.clock.now += 50
    summary = filled.sweep()
    assert (summary.hints, summary.unindexed, summary.oldest_unindexed_seconds) == (3, 2, 50)
    assert work_off(filled) == ["a/1.txt", "a/2.txt", "new.txt"]
    assert_consistent(filled)
    assert filled.sweep().hints == 0


def test_orphans_are_deleted_and_owned_chunks_are_not(filled: Stack, monkeypatch):
    monkeypatch.setattr("tandem.rag.stores.opensearch.PAGE", 3)
    owned = dict(filled.opensearch.written)
    copy = next(iter(owned.values()))
    filled.opensearch.written |= {
        "copy of a retried write": copy,
        "interrupted attempt": copy | {"attempt": "interrupted"},
        "of no document": copy | {"document": "gone.txt"},
    }
    filled.opensearch.refresh()
    assert filled.sweep(full=True).orphans_deleted == 3
    assert filled.opensearch.written == owned


def test_work_in_progress_is_left_alone(filled: Stack):
    Lease.acquire(filled.ledger, VERSION.index, "new.txt").begin_attempt("live")
    chunk = next(iter(filled.opensearch.written.values()))
    filled.opensearch.written["in progress"] = chunk | {"document": "new.txt", "attempt": "live"}
    filled.opensearch.refresh()
    filled.s3.put("new.txt", "new")
    summary = filled.sweep()
    assert (summary.orphans_deleted, summary.hints) == (0, 0)
    assert "in progress" in filled.opensearch.written


def test_a_document_committed_while_the_sweep_reads_keeps_its_chunks(filled: Stack):
    """The ledger was listed before the commit, the index after it: only a fresh row tells."""
    filled.s3.put("new.txt", "new")
    heads = filled.index.heads

    def commit_then_list(deadline):
        filled.converge("new.txt")
        return heads(deadline)

    rows = list(filled.ledger.rows(VERSION.index))
    filled.index.heads = commit_then_list
    filled.ledger.rows = lambda index: iter(rows)
    assert filled.sweep(full=True).orphans_deleted == 0
    assert ("new.txt", "new") in filled.indexed_texts()


def test_lost_chunks_are_indexed_again(filled: Stack):
    filled.opensearch.written.pop(filled.row("z.txt").chunks[0])
    filled.opensearch.refresh()
    summary = filled.sweep(full=True)
    assert (summary.incomplete, summary.hints) == (1, 1)
    assert work_off(filled) == ["z.txt"]
    assert_consistent(filled)


def test_writes_that_are_not_visible_yet_are_no_loss(filled: Stack):
    filled.opensearch.auto_refresh = False
    filled.s3.put("z.txt", "changed")
    filled.converge("z.txt")
    summary = filled.sweep()
    assert (summary.incomplete, summary.hints) == (0, 0)
    filled.opensearch.refresh()
    filled.clock.now += 1000
    assert filled.sweep().incomplete == 0
    assert_consistent(filled)


def test_garbage_that_ingestion_could_not_delete(filled: Stack):
    filled.s3.put("z.txt", "changed")
    filled.opensearch.faults = [lambda: None] + [silence] * 100
    with pytest.raises(Exception, match="OpenSearch did not answer"):
        filled.converge("z.txt")
    filled.opensearch.faults = []
    assert len(filled.row("z.txt").garbage) == 1
    assert filled.sweep().garbage_deleted == 1
    assert not filled.row("z.txt").garbage
    assert_consistent(filled)


def test_a_rejected_document_is_not_queued_for_ever(stack: Stack):
    stack.s3.put("a.bin", "x")
    assert stack.converge("a.bin").status == "rejected"
    summary = stack.sweep()
    assert (summary.hints, summary.unindexed) == (0, 0)


def test_search_away_or_no_time_is_said_and_hints_are_sent(filled: Stack):
    filled.s3.put("new.txt", "new")
    filled.opensearch.faults = [silence] * 100
    summary = filled.sweep(full=True)
    assert "OpenSearch did not answer" in summary.stopped
    assert len(filled.sqs.sent[QUEUE]) == 1


def test_hints_are_bounded(stack: Stack, monkeypatch):
    monkeypatch.setattr(sweep, "MAX_HINTS", 25)
    for number in range(30):
        stack.s3.put(f"{number}.txt", "x")
    summary = stack.sweep()
    assert (summary.hints, summary.hints_left_out, len(stack.sqs.sent[QUEUE])) == (25, 5, 25)


def test_outer_join_follows_the_order_of_utf8():
    class Item:
        def __init__(self, document):
            self.document = document

    names = sorted(NAMES, key=str.encode)
    left, right = [Item(n) for n in names[::2]], [Item(n) for n in names[1:]]
    joined = [(document, bool(one), bool(other)) for document, one, other in outer_join(left, right)]
    assert joined == [(name, at % 2 == 0, at > 0) for at, name in enumerate(names)]
