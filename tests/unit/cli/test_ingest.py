"""`tandem ingest` and `tandem forget`: what is uploaded, what is reported, what is waited for."""

import json
import re
import threading
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.clients.document_files import find_documents
from tandem.clients.documents_bucket import content_etag
from tandem.rag import reader_process, reading
from tests.support.query_api import answer


class Service:
    """A bucket and a ledger in memory; documents become what `outcomes` says, `indexed` unless told otherwise."""

    bucket = "docs"

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.rows: dict[str, dict] = {}
        self.outcomes: dict[str, dict] = {}
        self.uploads: list[str] = []
        self.lock = threading.Lock()

    def stored_etag(self, key: str) -> str | None:
        return self.objects.get(key)

    def upload(self, path: Path, key: str) -> str:
        if key == "locked.txt":
            raise PermissionError(13, "Permission denied")
        version = content_etag(path)
        with self.lock:
            self.uploads.append(key)
            self.objects[key] = version
            outcome = self.outcomes.get(key, {"status": "indexed", "chunk_count": 3})
            self.rows[key] = {"version": version, **outcome}
        return version

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
        self.rows.pop(key, None)

    def ledger_rows(self, keys) -> dict[str, dict]:
        return {key: self.rows[key] for key in keys if key in self.rows}


@pytest.fixture
def service(project, api, monkeypatch) -> Service:
    state = Service()
    monkeypatch.setattr("tandem.clients.documents_bucket.DocumentsBucket", lambda stack: state)
    api.replies = [(200, {}, found)]
    return state


def found(request: dict, most: int = 100) -> dict:
    """A search that finds the documents that it is about."""
    return answer(retrieved=[{"document": key} for key in request["filter"]["document"][:most]])


@pytest.fixture
def documents(project) -> Path:
    folder = project.folder / "documents"
    for name in ("a.md", "sub/b.PDF", "sub/.hidden.md", ".git/c.md", "photo.jpg", "LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


def ingest(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["ingest", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_folder_gives_keys_and_reasons(documents):
    found, skipped = find_documents([documents], "/handbook/")
    assert [document.key for document in found] == ["handbook/a.md", "handbook/sub/b.PDF"]
    assert [(item.path.name, item.reason.split(" (")[0]) for item in skipped] == [
        ("LICENSE", "no extension"),
        ("photo.jpg", "unknown type '.jpg'"),
    ]


def test_a_named_file_is_uploaded_whatever_it_is(documents):
    found, skipped = find_documents([documents / "photo.jpg", documents / "sub" / ".hidden.md"])
    assert [document.key for document in found] == ["photo.jpg", ".hidden.md"]
    assert skipped == []


@pytest.mark.faults
@pytest.mark.parametrize(("letters", "taken"), [(1024 - len("/a.md"), True), (1025 - len("/a.md"), False)])
@pytest.mark.parametrize("named", [True, False])
def test_a_key_that_s3_does_not_take_is_told_before_anything_is_uploaded(documents, letters, taken, named):
    found, skipped = find_documents([documents / "a.md" if named else documents], "f" * letters)
    assert ("a.md" in [document.path.name for document in found]) is taken
    reasons = [item.reason for item in skipped if item.path.name == "a.md"]
    assert reasons == ([] if taken else ["its key would have 1,025 bytes, and S3 takes 1,024"])


@pytest.mark.faults
def test_a_name_that_is_no_text_is_told(documents):
    (documents / "caf\udce9.md").touch()
    found, skipped = find_documents([documents])
    assert "a.md" in [document.key for document in found]
    (item,) = [item for item in skipped if "UTF-8" in item.reason]
    assert item.path.name == r"caf\udce9.md" and str(item.path).encode()


def test_same_key_twice_is_refused(documents):
    (documents / "sub" / "a.md").touch()
    with pytest.raises(TandemError, match=r"both become 'a\.md'"):
        find_documents([documents, documents / "sub"])


def test_same_file_twice_is_one_document(documents):
    assert len(find_documents([documents / "a.md", documents / "a.md"])[0]) == 1


def test_missing_path():
    with pytest.raises(TandemError, match="does not exist"):
        find_documents([Path("nowhere")])


def test_what_was_lost_is_told(service, documents):
    lost = ["pages 2-10: no text (a scan?)", "attachment: a.zip"]
    service.outcomes = {"sub/b.PDF": {"status": "indexed", "chunk_count": 1, "warnings": lost}}
    output = ingest(documents)
    assert "a.md: indexed in " in output and "sub/b.PDF: indexed with warnings in " in output
    assert "1 chunks\n  pages 2-10: no text (a scan?)\n  attachment: a.zip\n" in output
    assert "2 of 2 documents searchable (1 with warnings), 0 failed" in output
    assert "sub/b.PDF: already indexed with warnings, 1 chunks\n  pages 2-10" in ingest(documents)


def test_what_no_stack_takes_is_told_before_it_is_uploaded(service, documents):
    with (documents / "huge.txt").open("wb") as file:
        file.truncate(100_000_001)
    output = ingest(documents, code=1)
    assert "huge.txt: not uploaded: it has 100.0 MB, and no stack takes more than 100: split it" in output
    assert sorted(service.uploads) == ["a.md", "sub/b.PDF"]


def test_a_long_document_that_is_worked_on_is_no_timeout(service, documents):
    work = iter(range(100))

    def rows(keys):
        number = next(work)
        row = {"status": "indexed" if number > 4 else "working", "updated_at": number}
        return {"a.md": {**service.rows["a.md"], **row}} if service.rows else {}

    service.ledger_rows = rows
    assert "a.md: indexed in" in ingest(documents / "a.md", "--timeout", "1")


def test_dry_run_shows_what_the_index_would_see(documents, project):
    project.pulumi_says(status=1)
    (documents / "a.md").write_text("# Tea\n\nGreen *tea*.\n")
    output = ingest("--dry-run", documents, code=1)
    assert f"{documents}/a.md: indexed, 1 chunks\n" in output
    assert f"{documents}/sub/b.PDF: rejected, " in output
    assert f"{documents}/photo.jpg: skipped, unknown type '.jpg'" in output


def test_dry_run_as_json(documents):
    (documents / "a.md").write_text("# Tea\n\nGreen tea.\n")
    result = CliRunner().invoke(app, ["ingest", "--dry-run", "--json", str(documents)])
    assert result.exit_code == 1 and "photo.jpg: skipped" in result.stderr
    found = json.loads(result.stdout)
    assert found["versions"]["extractor"] >= 1 and "tandem" in found["versions"]
    good, bad = found["documents"]
    chunk = {"text": "Green tea.", "cited": "Green tea.", "page": None, "heading": "Tea"}
    path = str(documents / "a.md")
    assert good == {"path": path, "status": "indexed", "reason": "", "warnings": [], "chunks": [chunk]}
    assert (bad["status"], bad["chunks"]) == ("rejected", []) and bad["reason"]


def test_dry_run_tells_losses(documents, monkeypatch):
    def lossy(task):
        Path(task.chunks).write_text('[0, "Tea", 1, null]\n')
        return reader_process.Result(1, ["page 2: damaged"])

    def run(task, *_):
        Path(task.result).write_text(json.dumps(lossy(task)))
        return 0

    monkeypatch.setattr(reading.READERS, "run", run)
    assert f"{documents}/a.md: indexed with warnings, 1 chunks\n  page 2: damaged\n" in ingest("--dry-run", documents)
    found = json.loads(ingest("--dry-run", "--json", documents / "a.md"))
    assert [found["documents"][0][name] for name in ("status", "warnings")] == [
        "indexed with warnings",
        ["page 2: damaged"],
    ]


def test_dry_run_knows_the_limits(documents):
    with (documents / "huge.txt").open("wb") as file:
        file.truncate(25_000_001)
    assert "huge.txt: rejected, the file has 25.0 MB, over" in ingest("--dry-run", documents / "huge.txt", code=1)
    (documents / "empty").mkdir()
    assert "nothing to read" in ingest("--dry-run", documents / "empty", code=1)


def test_what_became_of_each_document_is_there_as_json(service, documents):
    service.outcomes = {"sub/b.PDF": {"status": "rejected", "error": "it is encrypted"}}
    result = CliRunner().invoke(app, ["ingest", "--json", str(documents)])
    assert result.exit_code == 1 and "1 of 2 documents searchable" in result.stderr
    found = json.loads(result.stdout)
    assert [(it["document"], it["status"], it["reason"]) for it in sorted(found["documents"], key=str)] == [
        ("a.md", "searchable", ""),
        ("sub/b.PDF", "failed", "rejected: it is encrypted"),
    ]
    assert sorted(Path(it["path"]).name for it in found["skipped"]) == ["LICENSE", "photo.jpg"]


def test_a_line_per_document_and_a_summary(service, api, documents):
    output = ingest(documents)
    assert "a.md: indexed in " in output and "sub/b.PDF: indexed in " in output
    assert "uploaded 2 files" in output
    assert "photo.jpg: skipped, unknown type '.jpg'" in output
    assert "2 of 2 documents searchable, 0 failed, 2 skipped, in " in output
    assert "new: 2 documents, 6 chunks (" in output
    assert {request["filter"]["document"] for request in api.requests} <= {"a.md", "sub/b.PDF"}
    assert all(request["generate"] is False for request in api.requests)


def test_running_again_uploads_only_what_changed(service, documents):
    ingest(documents)
    (documents / "a.md").write_text("new content")
    output = ingest(documents)
    assert service.uploads.count("a.md") == 2
    assert service.uploads.count("sub/b.PDF") == 1
    assert "sub/b.PDF: already indexed, 3 chunks" in output
    assert "1 unchanged" in output


@pytest.mark.parametrize("lost", ["objects", "rows"])
def test_what_only_one_of_bucket_and_ledger_has_is_uploaded_again(service, documents, lost):
    ingest(documents / "a.md")
    getattr(service, lost).clear()
    ingest(documents / "a.md")
    assert service.uploads == ["a.md", "a.md"]


def test_rejected_failed_and_stuck_documents_do_not_stop_the_others(service, documents):
    (documents / "locked.txt").write_text("x")
    (documents / "stuck.txt").write_text("x")
    service.outcomes = {
        "sub/b.PDF": {"status": "rejected", "error": "not a PDF"},
        "stuck.txt": {"status": "working"},
    }
    output = ingest(documents, "--timeout", "1", code=1)
    assert "a.md: indexed in" in output
    assert "sub/b.PDF: rejected: not a PDF" in output
    assert "locked.txt: not uploaded: [Errno 13] Permission denied" in output
    # Seconds as they were waited: thrice the longest step, if that is more than the timeout.
    assert re.search(r"stuck\.txt: timed out after [123] s \(the ledger says: working\)", output)
    assert "1 of 4 documents searchable, 3 failed" in output


def test_waits_until_a_search_finds_the_document(service, api, documents):
    nothing = (200, {}, answer(answer=None, refused=True, reason="nothing_found", retrieved=[]))
    api.replies = [nothing, nothing, (200, {}, found)]
    assert "a.md: indexed in" in ingest(documents / "a.md")
    assert len(api.requests) == 3


def test_many_documents_are_there_when_the_last_one_is_found(service, api, documents):
    for number in range(250):
        (documents / f"{number}.txt").write_text(f"text {number}")
    service.outcomes = {"137.txt": {"status": "indexed", "updated_at": 137.5}}
    assert "252 of 252 documents searchable" in ingest(documents)
    assert api.requests[-1]["filter"] == {"document": "137.txt"}
    assert len(api.requests) <= 3


def test_indexed_but_never_found_is_a_failure(service, api, documents):
    api.replies = [(200, {}, answer(answer=None, refused=True, reason="nothing_found", retrieved=[]))]
    assert "a.md: timed out: indexed, but not found by a search" in ingest(documents / "a.md", "--timeout", "1", code=1)


def test_a_mistake_of_ours_is_no_document_that_failed(service, api, documents):
    api.replies = [(200, {}, {"passages": []})]
    assert isinstance(CliRunner().invoke(app, ["ingest", str(documents / "a.md")]).exception, KeyError)


def test_nothing_to_upload(service, documents):
    (documents / "empty").mkdir()
    assert "nothing to upload" in ingest(documents / "empty", code=1)


def test_forget_deletes_and_waits(service, documents):
    ingest(documents)
    result = CliRunner().invoke(app, ["forget", "a.md"])
    assert (result.exit_code, result.output) == (0, "a.md: forgotten\n")
    assert list(service.objects) == ["sub/b.PDF"]


def test_forget_refuses_unknown_keys(service, documents):
    ingest(documents)
    result = CliRunner().invoke(app, ["forget", "a.md", "nope.md"])
    assert result.exit_code == 1
    assert "nope.md. Nothing was deleted." in result.stderr
    assert "a.md" in service.objects
