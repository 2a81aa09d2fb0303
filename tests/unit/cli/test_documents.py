"""`tandem documents` and `tandem reread`, over a ledger and a bucket that ingestion has filled."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.rag import lease, reading
from tandem.rag.documents.section import Loss, Section
from tests.unit.rag.conftest import VERSION, Stack, read_in_this_process, variables  # noqa: F401 - automatic

READER = "tandem.rag.reader_process.extract"


@pytest.fixture
def stack(project, monkeypatch) -> Stack:
    """One document of each status, and the one that `extract` reads as text on page 1 has lost page 2."""
    stack = Stack()
    clients = {"s3": stack.s3, "dynamodb": stack.dynamodb}
    monkeypatch.setattr("tandem.clients.aws.client", lambda service, *_, **__: clients[service])
    project.has(documentsBucket="documents", ledgerTable="ledger")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    for key in ("lossy.txt", "scan.bin", "tea.txt", "ä.txt"):
        stack.s3.put(key, f"About {key}", {"team": "tea"})
    stack.converge("tea.txt")
    stack.converge("scan.bin")
    with monkeypatch.context() as patch:
        patch.setattr(READER, lambda *_: iter([Section("Half of it", 1), Loss("no text (a scan?)", 2)]))
        stack.converge("lossy.txt")
    return stack


@pytest.fixture
def older(stack, monkeypatch) -> Stack:
    """The same after a release with a better extractor."""
    monkeypatch.setattr("tandem.clients.documents.EXTRACTOR", reading.EXTRACTOR + 1)
    monkeypatch.setattr(reading, "EXTRACTOR", reading.EXTRACTOR + 1)
    monkeypatch.setattr(lease, "EXTRACTOR", reading.EXTRACTOR)
    stack.clock.now += 60
    return stack


def run(*arguments: str, code: int = 0, **more) -> str:
    result = CliRunner().invoke(app, [*arguments], **more)
    assert result.exit_code == code, result.output
    return result.output


def test_what_is_in_and_what_became_of_it(stack: Stack):
    printed = run("documents")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert "lossy.txt indexed with warnings 1 page 2: no text (a scan?)" in lines
    assert "tea.txt indexed 1" in lines and "ä.txt waiting 0" in lines
    assert any(line.startswith("scan.bin rejected 0 unknown document type") for line in lines)
    assert lines[-1] == "4 documents: 1 indexed, 1 indexed with warnings, 1 rejected, 1 waiting."


def test_as_json(stack: Stack):
    found = json.loads(run("documents", "--json"))
    assert (found["extractor"], found["read_by_older_release"]) == (reading.EXTRACTOR, 0)
    assert [each["document"] for each in found["documents"]] == ["lossy.txt", "scan.bin", "tea.txt", "ä.txt"]
    assert found["documents"][0] == {
        "document": "lossy.txt",
        "status": "indexed with warnings",
        "reason": "",
        "warnings": ["page 2: no text (a scan?)"],
        "chunks": 1,
        "bytes": 15,
        "extractor": reading.EXTRACTOR,
        "modified": stack.clock.now,
    }


def test_what_changed_or_goes_is_waiting_or_left_out(stack: Stack):
    stack.s3.put("tea.txt", "Changed")
    del stack.s3.objects["scan.bin"]
    found = json.loads(run("documents", "--json"))["documents"]
    assert [(each["document"], each["status"]) for each in found][1:] == [("tea.txt", "waiting"), ("ä.txt", "waiting")]
    stack.s3.objects.clear()
    assert run("documents") == "0 documents.\n"


def test_rows_of_releases_that_recorded_no_version_are_older(stack: Stack):
    for item in stack.dynamodb.items.values():
        item.pop("extractor", None)
    assert "3 were read by an older release: `tandem reread` has them read again." in run("documents")


def test_reread_tells_the_price_and_the_old_text_answers_meanwhile(older: Stack):
    before = older.row("lossy.txt").current
    printed = run("reread")
    assert "3 documents, to be embedded again: about $0.00 for 40 tokens of amazon.titan-embed-text-v2:0" in printed
    assert "how long the 1 are that were rejected isn't known" in printed
    assert older.row("lossy.txt").current == before
    outcomes = {key: older.converge(key).status for key in sorted(older.s3.objects)}
    assert outcomes == {"lossy.txt": "indexed", "scan.bin": "rejected", "tea.txt": "indexed", "ä.txt": "indexed"}
    assert older.indexed_texts() == {(key, f"About {key}") for key in ("lossy.txt", "tea.txt", "ä.txt")}
    assert older.s3.objects["tea.txt"]["Metadata"] == {"team": "tea"}
    assert "older" not in run("documents") and "4 documents: 3 indexed, 1 rejected." in run("documents")
    assert run("reread") == "Every document was read by this release.\n"


def test_a_copy_is_as_the_object_was(older: Stack):
    kept = {"StorageClass": "STANDARD_IA", "Expires": datetime(2027, 1, 1, tzinfo=UTC), "ContentType": "text/plain"}
    older.s3.objects["tea.txt"] |= kept
    run("reread")
    assert {key: older.s3.objects["tea.txt"].get(key) for key in kept} == kept


def test_an_event_alone_rereads_nothing(older: Stack):
    assert older.converge("tea.txt").status == "unchanged"


def test_reread_asks(older: Stack):
    assert "Read them again?" in run("reread", "--ask-above", "0", input="n\n", code=1)
    assert older.converge("tea.txt").status == "unchanged"
    version = VERSION._replace(embedder="https://models/v1#e5")
    older.dynamodb.items["active", "active"]["embedder"] = {"S": version.embedder}
    assert "an amount that is not known here: NOT PRICED" in run("reread", input="n\n", code=1)
    run("reread", "--yes")


def test_what_goes_or_changes_meanwhile_is_left_alone(older: Stack, monkeypatch):
    head = older.s3.head_object

    def change(**named):
        found = head(**named)
        if named["Key"] == "tea.txt":
            older.s3.put("tea.txt", "Changed")
        else:
            del older.s3.objects[named["Key"]]
        return found

    monkeypatch.setattr(older.s3, "head_object", change)
    run("reread")
    assert older.s3.objects.keys() == {"tea.txt", "ä.txt"} and older.s3.objects["tea.txt"]["data"] == b"Changed"
