"""Ingestion converges to the bucket, whatever the events, crashes and faults."""

import itertools

import pytest
from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError, Unavailable

from tandem.rag import ingest
from tandem.rag.lease import LEASE_SECONDS, Busy, Indexed, Lease, LeaseLost
from tandem.rag.ledger import Part
from tandem.rag.stores import opensearch
from tandem.runtime import retry
from tandem.runtime.retry import Deadline

from .conftest import VERSION, Stack
from .fakes import refused, respond, silence

OLD, NEW = "The kettle is blue.", "The kettle is red."


class Killed(BaseException):
    """The end of the process: nothing after it runs."""


def test_a_document_comes_changes_and_goes(stack: Stack):
    stack.s3.put("a/ü 1.txt", OLD, {"team": "tea"})
    stack.clock.now += 3
    outcome = stack.converge("a/ü 1.txt")
    assert (outcome.status, outcome.chunks, outcome.lag_seconds) == ("indexed", 1, 3)
    row = stack.row("a/ü 1.txt")
    assert (row.status, row.version) == ("indexed", stack.s3.objects["a/ü 1.txt"]["ETag"].strip('"'))
    assert (row.chunks, row.garbage, row.attempt, row.lease_owner) == (["id-1"], [], "", "")
    [chunk] = stack.opensearch.searched.values()
    assert len(chunk.pop("embedding")) == VERSION.dimensions
    assert chunk == {
        "text": OLD,
        "position": 0,
        "document": "a/ü 1.txt",
        "version": row.version,
        "attempt": row.current,
        "metadata": ["team=tea"],
    }
    stack.s3.put("a/ü 1.txt", NEW)
    assert stack.converge("a/ü 1.txt").status == "indexed"
    assert stack.indexed_texts() == {("a/ü 1.txt", NEW)}
    assert (stack.row("a/ü 1.txt").chunks, stack.row("a/ü 1.txt").garbage) == (["id-2"], ())
    del stack.s3.objects["a/ü 1.txt"]
    assert stack.converge("a/ü 1.txt").status == "deleted"
    assert (stack.indexed_texts(), stack.row("a/ü 1.txt")) == (set(), None)


def test_the_same_event_twice_costs_nothing(stack: Stack):
    stack.s3.put("a.txt", OLD)
    stack.converge("a.txt")
    calls = len(stack.opensearch.requests), len(stack.bedrock.embedded)
    assert stack.converge("a.txt").status == "unchanged"
    assert calls == (len(stack.opensearch.requests), len(stack.bedrock.embedded))
    assert stack.row("a.txt").lease_owner == ""


def test_changed_metadata_is_a_change(stack: Stack):
    stack.s3.put("a.txt", OLD, {"team": "tea"})
    stack.converge("a.txt")
    stack.s3.put("a.txt", OLD, {"team": "coffee"})
    assert stack.converge("a.txt").status == "indexed"
    assert [chunk["metadata"] for chunk in stack.opensearch.searched.values()] == [["team=coffee"]]


@pytest.mark.parametrize("order", list(itertools.permutations(["create", "change", "delete"])))
def test_the_order_of_events_does_not_matter(stack: Stack, order):
    """All three happened; the events of them arrive in any order, one of them even before its object."""
    stack.converge("a.txt")
    stack.s3.put("a.txt", OLD)
    for _event in order:
        stack.converge("a.txt")
    stack.s3.put("a.txt", NEW)
    for _event in order:
        stack.converge("a.txt")
    assert stack.indexed_texts() == {("a.txt", NEW)}
    del stack.s3.objects["a.txt"]
    for _event in order:
        stack.converge("a.txt")
    assert (stack.indexed_texts(), list(stack.ledger.rows(VERSION.index))) == (set(), [])


def test_folders_are_no_documents(stack: Stack):
    stack.s3.put("folder/", b"")
    assert stack.converge("folder/").status == "deleted"


def test_only_one_worker_at_a_time(stack: Stack):
    stack.s3.put("a.txt", OLD)
    Lease.acquire(stack.ledger, VERSION.index, "a.txt")
    with pytest.raises(Busy):
        stack.converge("a.txt")
    assert stack.row("a.txt").status == "working"
    stack.clock.now += LEASE_SECONDS
    assert stack.converge("a.txt").status == "indexed"


def test_a_worker_that_lost_its_lease_cannot_commit(stack: Stack):
    stack.s3.put("a.txt", OLD)
    slow = Lease.acquire(stack.ledger, VERSION.index, "a.txt")
    slow.begin_attempt("slow")
    stack.clock.now += LEASE_SECONDS
    stack.s3.put("a.txt", NEW)
    stack.converge("a.txt")
    stored = ingest.StoredObject("old", 1, 0, [])
    for write in (
        slow.forget,
        lambda: slow.begin_attempt("x"),
        lambda: slow.commit(Indexed(stored, 1, [], ["x"])),
        lambda: slow.finish_part(Part(0, "x", ["x"])),
        lambda: slow.reject(stored, "x"),
    ):
        with pytest.raises(LeaseLost):
            write()
    slow.release()
    assert stack.row("a.txt").status == "indexed"
    assert stack.indexed_texts() == {("a.txt", NEW)}


def test_a_lease_is_kept_through_long_work(stack: Stack):
    lease = Lease.acquire(stack.ledger, VERSION.index, "a.txt")
    for _ in range(10):
        stack.clock.now += LEASE_SECONDS * 0.9
        lease.keep()
    stack.clock.now += LEASE_SECONDS
    with pytest.raises(LeaseLost):
        lease.keep()


def test_killed_between_bulk_write_and_commit(stack: Stack):
    """The old version alone stays current; after the sweep and its hint the index equals the bucket."""
    stack.s3.put("a.txt", OLD)
    stack.converge("a.txt")
    current = stack.row("a.txt").current
    stack.s3.put("a.txt", NEW)

    def kill(request):
        if "#current" in request["UpdateExpression"]:
            raise Killed

    stack.dynamodb.before_update = kill
    with pytest.raises(Killed):
        stack.converge("a.txt")
    # A killed process gives no lease back: take back what `release` did.
    key = {"pk": {"S": f"index#{VERSION.index}"}, "sk": {"S": "document#a.txt"}}
    item = stack.dynamodb.items[key["pk"]["S"], key["sk"]["S"]]
    item |= {"lease_owner": {"S": "killed"}, "lease_until": {"N": repr(stack.clock() + LEASE_SECONDS)}}
    stack.dynamodb.before_update = lambda request: None
    assert stack.row("a.txt").current == current
    assert stack.indexed_texts() == {("a.txt", OLD), ("a.txt", NEW)}
    assert stack.sweep().hints == 0  # the lease may still be held
    stack.clock.now += LEASE_SECONDS + 11
    summary = stack.sweep()
    assert (summary.hints, summary.orphans_deleted) == (1, 1)
    assert stack.indexed_texts() == {("a.txt", OLD)}
    stack.converge("a.txt")
    assert stack.indexed_texts() == {("a.txt", NEW)}


def test_a_rejected_change_takes_the_old_version_out(stack: Stack):
    stack.s3.put("a.txt", OLD)
    stack.converge("a.txt")
    stack.s3.put("a.txt", b"\xff\xff")
    outcome = stack.converge("a.txt")
    assert outcome.status == "rejected" and "iconv" in outcome.reason
    row = stack.row("a.txt")
    assert (row.status, row.error, row.current, row.chunks, row.garbage) == ("rejected", outcome.reason, "", (), ())
    assert row.version == stack.s3.objects["a.txt"]["ETag"].strip('"')
    assert stack.indexed_texts() == set()
    assert stack.ledger.current_attempts(VERSION.index, {"a.txt"}) == {}
    stack.s3.put("a.txt", NEW)
    assert stack.converge("a.txt").status == "indexed"
    assert stack.row("a.txt").error == ""


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"x" * 1_000_001, "over the limit of 1 MB")])
def test_documents_over_a_limit_are_rejected(stack: Stack, content, reason):
    stack.s3.put("a.txt", content)
    assert reason in stack.converge("a.txt").reason


def test_throttling_and_server_errors_are_waited_out(stack: Stack):
    stack.s3.put("a.txt", OLD)
    stack.bedrock.faults = [refused("ThrottlingException", 429), refused("InternalServerException", 500)]
    stack.opensearch.faults = [lambda: respond(429, {}), lambda: respond(503, {}), silence]
    assert stack.converge("a.txt").status == "indexed"


def test_a_service_that_stays_away_leaves_everything_as_it_was(stack: Stack):
    stack.s3.put("a.txt", OLD)
    stack.converge("a.txt")
    stack.s3.put("a.txt", NEW)
    stack.bedrock.faults = [refused("ThrottlingException", 429)] * 100
    with pytest.raises(Unavailable, match="Throttling"):
        stack.converge("a.txt")
    assert (stack.row("a.txt").status, stack.row("a.txt").lease_owner) == ("indexed", "")
    assert stack.indexed_texts() == {("a.txt", OLD)}
    stack.bedrock.faults = []
    assert stack.converge("a.txt").status == "indexed"


def assert_recorded_in_order(stack: Stack) -> None:
    ids = stack.ledger.chunks(stack.row("a.txt"))
    assert [stack.opensearch.searched[chunk_id]["position"] for chunk_id in ids] == list(range(len(ids)))
    assert len(stack.opensearch.searched) == len(ids)


def test_part_of_a_bulk_write_is_refused_for_now(stack: Stack):
    stack.s3.put("a.txt", "\n\n".join(f"Paragraph {number} " + "word " * 12 for number in range(5)))
    stack.opensearch.item_faults = [0, 429, 0, 503, 0, 429]
    assert stack.converge("a.txt").chunks > 5
    assert_recorded_in_order(stack)


def test_part_of_a_bulk_write_is_refused_for_good(stack: Stack):
    stack.s3.put("a.txt", "\n\n".join("word " * 15 for _ in range(3)))
    stack.opensearch.item_faults = [0, 400]
    with pytest.raises(TandemError, match="injected"):
        stack.converge("a.txt")
    assert stack.row("a.txt").current == ""
    written = len(stack.opensearch.written)
    assert 0 < written == stack.sweep().orphans_deleted
    assert stack.indexed_texts() == set()


def test_large_documents_are_written_in_parts(stack: Stack, monkeypatch):
    monkeypatch.setattr(ingest, "PART", 7)
    monkeypatch.setattr(ingest, "EMBEDDED_AT_ONCE", 5)
    monkeypatch.setattr(opensearch, "BULK_BYTES", 6_000)
    stack.s3.put("a.txt", "\n\n".join(f"Number {number} " + "word " * 12 for number in range(30)))
    assert stack.converge("a.txt").chunks > 30
    assert_recorded_in_order(stack)
    assert sum(path.endswith("_bulk") for _, path in stack.opensearch.requests) > 5


def test_before_the_first_deployment_has_finished(stack: Stack):
    stack.dynamodb.items.clear()
    with pytest.raises(Unavailable, match="no index is active"):
        stack.converge("a.txt")


@pytest.fixture
def batch(stack: Stack) -> dict[str, str]:
    """Documents, which are in the bucket."""
    documents = {f"{number}.txt": f"cup {number} of warm tea" for number in range(5)}
    for name, text in documents.items():
        stack.s3.put(name, text)
    return documents


def converge_all(stack: Stack, batch) -> dict[str, object]:
    outcomes = dict(stack.ingester.converge_all(list(batch), Deadline(100)))
    assert not any(stack.row(name).lease_owner for name in batch if stack.row(name))
    return outcomes


def indexed(outcomes) -> set[str]:
    return {name for name, outcome in outcomes.items() if getattr(outcome, "status", "") == "indexed"}


def test_a_batch_is_leased_read_written_and_committed_together(stack: Stack, batch, monkeypatch):
    calls, stack.dynamodb.page = [], 100
    for name in ("update_item", "transact_write_items", "batch_get_item", "get_item", "put_item"):
        call = getattr(stack.dynamodb, name)
        monkeypatch.setattr(stack.dynamodb, name, lambda _c=call, _n=name, **request: calls.append(_n) or _c(**request))
    assert indexed(converge_all(stack, batch)) == batch.keys()
    read, took, saw, committed = calls[:4]  # then come those of the check below
    assert (read, took, saw, committed) == ("get_item", "transact_write_items", "batch_get_item", took)
    assert stack.indexed_texts() == set(batch.items())
    assert len(stack.opensearch.requests) == 1


def test_a_batch_of_changed_documents_leaves_nothing_of_the_old(stack: Stack, batch):
    converge_all(stack, batch)
    for name in ("0.txt", "1.txt"):
        stack.s3.put(name, NEW)
    del stack.s3.objects["2.txt"]
    outcomes = converge_all(stack, batch)
    assert [outcome.status for outcome in outcomes.values()].count("unchanged") == 2
    assert outcomes["2.txt"].status == "deleted"
    assert indexed(outcomes) == {"0.txt", "1.txt"}
    kept = {"3.txt": batch["3.txt"], "4.txt": batch["4.txt"]}
    assert stack.indexed_texts() == {*kept.items(), ("0.txt", NEW), ("1.txt", NEW)}
    assert stack.row("0.txt").garbage == ()


@pytest.mark.faults
def test_one_that_another_worker_has_stops_no_other(stack: Stack, batch):
    busy = Lease.acquire(stack.ledger, VERSION.index, "3.txt")
    outcomes = dict(stack.ingester.converge_all(list(batch), Deadline(100)))
    assert isinstance(outcomes["3.txt"], Busy)
    assert indexed(outcomes) == batch.keys() - {"3.txt"}
    busy.release()


@pytest.mark.faults
def test_one_that_the_embedder_or_the_index_refuses_stops_no_other(stack: Stack, batch):
    refusal = refused("ValidationException", 400)
    embed, asked = stack.bedrock.invoke_model, []

    def invoke_model(*, modelId, body):
        asked.append(body)
        if "cup 2" in body:
            raise refusal
        return embed(modelId=modelId, body=body)

    stack.bedrock.invoke_model = invoke_model
    outcomes = converge_all(stack, batch)
    assert isinstance(outcomes["2.txt"], TandemError)
    assert indexed(outcomes) == batch.keys() - {"2.txt"}
    stack.bedrock.invoke_model = embed
    assert converge_all(stack, batch)["2.txt"].status == "indexed"


@pytest.mark.faults
def test_one_whose_lease_is_lost_stops_no_other(stack: Stack, batch):
    def lose(request):
        if "#current" in request["UpdateExpression"]:
            stack.dynamodb.before_update = lambda _: None
            key = f"index#{VERSION.index}", "document#1.txt"
            stack.dynamodb.items[key]["lease_owner"] = {"S": "another"}

    stack.dynamodb.before_update = lose
    outcomes = dict(stack.ingester.converge_all(list(batch), Deadline(100)))
    assert isinstance(outcomes["1.txt"], LeaseLost)
    assert indexed(outcomes) == batch.keys() - {"1.txt"}


@pytest.mark.faults
def test_a_service_that_is_away_leaves_a_batch_as_it_was(stack: Stack, batch):
    stack.opensearch.faults = [silence] * 100
    outcomes = converge_all(stack, batch)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes.values())
    stack.opensearch.faults = []
    assert indexed(converge_all(stack, batch)) == batch.keys()


@pytest.mark.faults
def test_the_leases_of_a_batch_are_kept_while_one_is_read(stack: Stack, batch, monkeypatch):
    read = ingest.reading.read

    def slowly(file, name, content_type, deadline, keep, **more):
        for _ in range(4):
            stack.clock.now += LEASE_SECONDS * 0.5
            keep()
        return read(file, name, content_type, deadline, keep, **more)

    monkeypatch.setattr(ingest.reading, "read", slowly)
    assert indexed(converge_all(stack, batch)) == batch.keys()


@pytest.mark.faults
def test_those_of_a_batch_that_no_time_is_left_for_are_asked_for_again(stack: Stack, batch, monkeypatch):
    read, clock = ingest.reading.read, [0.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: clock[0])

    def slowly(*arguments, **more):
        clock[0] += 80
        return read(*arguments, **more)

    monkeypatch.setattr(ingest.reading, "read", slowly)
    outcomes = converge_all(stack, batch)
    assert indexed(outcomes) == {"0.txt"}
    assert {outcome.status for name, outcome in outcomes.items() if name != "0.txt"} == {"unfinished"}


@pytest.mark.faults
def test_leases_whose_rows_cannot_be_read_are_given_back(stack: Stack, batch, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(stack.dynamodb, "batch_get_item", lambda **_: (_ for _ in ()).throw(refused("AccessDenied")))
        with pytest.raises(ClientError):
            dict(stack.ingester.converge_all(list(batch), Deadline(100)))
    assert indexed(converge_all(stack, batch)) == batch.keys()
