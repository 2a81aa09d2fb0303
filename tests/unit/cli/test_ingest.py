"""`tandem ingest` and `tandem forget`: what is uploaded, what is reported, what is waited for."""

import re
import threading
from pathlib import Path

import pytest
from tandem_contract.errors import TandemError
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.clients.document_files import find_documents
from tandem.clients.documents_bucket import content_etag
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
    api.replies = [(200, {}, answer(passages=[{}]))]
    return state


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


def test_same_key_twice_is_refused(documents):
    (documents / "sub" / "a.md").touch()
    with pytest.raises(TandemError, match=r"both become 'a\.md'"):
        find_documents([documents, documents / "sub"])


def test_same_file_twice_is_one_document(documents):
    assert len(find_documents([documents / "a.md", documents / "a.md"])[0]) == 1


def test_missing_path():
    with pytest.raises(TandemError, match="does not exist"):
        find_documents([Path("nowhere")])


def test_a_line_per_document_and_a_summary(service, api, documents):
    output = ingest(documents)
    assert "a.md: indexed in " in output and "sub/b.PDF: indexed in " in output
    assert "uploaded 2 files" in output
    assert "photo.jpg: skipped, unknown type '.jpg'" in output
    assert "2 of 2 documents searchable, 0 failed, 2 skipped, in " in output
    assert "new: 2 documents, 6 chunks (" in output
    assert {request["filter"]["document"] for request in api.requests} == {"a.md", "sub/b.PDF"}
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
    assert re.search(r"stuck\.txt: timed out after [23] s \(the ledger says: working\)", output)
    assert "1 of 4 documents searchable, 3 failed" in output


def test_waits_until_a_search_finds_the_document(service, api, documents):
    nothing = (200, {}, answer(answer=None, refused=True, reason="nothing_found"))
    low = (200, {}, answer(answer=None, refused=True, reason="below_min_score"))
    api.replies = [nothing, nothing, low]
    assert "a.md: indexed in" in ingest(documents / "a.md")
    assert len(api.requests) == 3


def test_indexed_but_never_found_is_a_failure(service, api, documents):
    api.replies = [(200, {}, answer(answer=None, refused=True, reason="nothing_found"))]
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
