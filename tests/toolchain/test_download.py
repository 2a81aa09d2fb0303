"""Downloads over networks and from sites that fail, each fault made by a server on loopback."""

import gc
import http.server
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from tandem_contract.errors import TandemError

from localcloud import network
from localcloud.toolchain import download

CONTENT = bytes(range(256)) * 4000
OTHER_WAYS = "fetch it by hand"


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(download, "CHUNK", 1000)
    for name in (*network.CERTIFICATES, "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "HTTP_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def site(*answers, ranges=True, certificate=None):
    """A site that answers each request with the next of `answers`, and after them with CONTENT.

    An answer is a status, a number of bytes (as text) after which it breaks off, or falls silent ("silent"), a pair of
    content type and body, or a dictionary of the `status`, the `headers` and the `body`.
    """
    left, seen = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            seen.append((self.path, asked))
            answer = left.pop(0) if left else "all"
            if isinstance(answer, int):
                return self.send_error(answer)
            if isinstance(answer, dict):
                self.send_response(answer["status"])
                for header in answer.get("headers", []):
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(answer.get("body", b""))
                return None
            kind, body = answer if isinstance(answer, tuple) else ("application/zip", CONTENT)
            offset = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
            self.send_response(206 if offset else 200)
            if offset:
                self.send_header("Content-Range", f"bytes {offset}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", "1" + "0" * 15 if answer == "huge" else str(len(body) - offset))
            self.end_headers()
            if answer == "silent":
                self.wfile.write(body[offset : offset + 90_500])
                self.wfile.flush()
                time.sleep(1)
                return None
            self.wfile.write(body[offset : offset + int(answer)] if str(answer).isdigit() else body[offset:])
            return None

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/file.zip", seen
    finally:
        server.shutdown()
        server.server_close()


def part(start, end, total="1024000"):
    """An answer of these bytes alone."""
    of = ("Content-Range", f"bytes {start}-{end - 1}/{total}")
    return {"status": 206, "headers": [of], "body": CONTENT[start:end]}


def moved(location):
    return {"status": 302, "headers": [("Location", location)]}


def fetched(url, file):
    lines = []
    download.fetch(url, file, OTHER_WAYS, lines.append)
    assert file.read_bytes() == CONTENT
    assert [each.name for each in file.parent.iterdir() if each.is_file()] == [file.name]
    return lines


def failure(url, file):
    with pytest.raises(TandemError) as caught:
        download.fetch(url, file, OTHER_WAYS, print)
    assert not file.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_download_goes_on_where_it_broke_off(tmp_path):
    with site("1000", 503, "20000") as (url, seen):
        lines = fetched(url, tmp_path / "file.zip")
    assert [asked for _, asked in seen] == [None, "bytes=1000-", "bytes=1000-", "bytes=21000-"]
    assert any("1000 of 1024000 bytes came; trying again in" in line for line in lines)
    assert lines[-1].startswith("1 of 1 MB, ") and lines[-1].endswith(" MB/s")


def test_what_came_is_kept_for_the_next_call(tmp_path):
    with site("1000", *[503] * 5) as (url, _):
        told = failure(url, tmp_path / "file.zip")
        assert "try again, which goes on after 0 MB, or fetch it by hand" in told
        fetched(url, tmp_path / "file.zip")


def test_a_site_without_ranges_is_told_and_starts_anew(tmp_path):
    with site("1000", ranges=False) as (url, _):
        assert any("starts anew" in line for line in fetched(url, tmp_path / "file.zip"))


def test_a_leftover_longer_than_the_file_is_dropped(tmp_path):
    (tmp_path / "file.zip.partial").write_bytes(b"0" * 9_999_999)
    with site(416) as (url, _):
        fetched(url, tmp_path / "file.zip")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([("text/html", b"<html>Log in</html>")], "answers with a web page in place of the file"),
        ([404], "answers 404 Not Found: fetch it by hand."),
        ([407], "answers 407 Proxy Authentication Required: fetch it by hand."),
        ([503] * 5, "answers 503 Service Unavailable, 5 times: try again, or fetch it by hand."),
        ([moved("file:///s3cret")], "answers 302 Found: fetch it by hand."),
        (["huge"], "file.zip is larger than 1 GB, and so isn't the file: fetch it by hand."),
        ([{"status": 204}] * 5, "what it answers (204) isn't the file, nor the rest of it, 5 times: try again, or"),
        ([part(0, 1000)] * 5, "what it answers (206) isn't the file, nor the rest of it, 5 times: try again, or"),
        ([moved("http://[bad/")], "what it redirects to, or the proxy's in HTTPS_PROXY or HTTP_PROXY, is no valid URL"),
        ([moved("http://host:port/")], "is no valid URL: correct it, or fetch it by hand."),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed <socket")  # urllib's, after a redirect that it can't follow
def test_what_cannot_be_had_is_one_sentence(tmp_path, answers, told):
    with site(*answers) as (url, seen):
        assert told in failure(url, tmp_path / "file.zip")
        assert len(seen) == len(answers)
    gc.collect()


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=5))
    with site() as (url, _):
        assert "has 0.0 GB of disk left, and downloading file.zip takes 0.0 GB: free some." in failure(
            url, tmp_path / "file.zip"
        )


def test_what_came_before_the_line_fell_silent_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SILENT_SECONDS", 0.2)
    with site(*["silent"] * 8) as (url, seen):
        fetched(url, tmp_path / "file.zip")
    assert len({asked for _, asked in seen}) > download.ATTEMPTS + 1  # each with what came before it


def test_a_download_that_never_gets_further_ends(tmp_path):
    with site(*["1000", "900", "1000", "900", "1000"], ranges=False) as (url, seen):
        assert "1000 of 1024000 bytes came, 5 times" in failure(url, tmp_path / "file.zip")
        assert len(seen) == 5


@pytest.mark.parametrize("lengths", [["abc"], ["100, 100"], ["-5"], []])
def test_a_length_that_is_none_is_not_believed(tmp_path, monkeypatch, lengths):
    answer = {"status": 200, "headers": [("Content-Length", length) for length in lengths], "body": CONTENT}
    with site(answer, answer) as (url, _):
        assert fetched(url, tmp_path / "file.zip")[0].startswith("0 MB, ")
        (tmp_path / "file.zip").unlink()
        monkeypatch.setattr(download, "MOST_BYTES", 1_000_000)
        assert "file.zip is larger than 0 GB, and so isn't the file" in failure(url, tmp_path / "file.zip")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (lambda: part(1000, 5000), "bytes=5000-"),  # some of the rest
        (lambda: part(0, 5000), None),  # another part
        (lambda: part(1000, 5000, total="*"), None),  # of what may be longer
        (lambda: {"status": 206, "body": b"anything"}, None),
    ],
)
def test_a_part_is_taken_for_what_it_is(tmp_path, answer, then):
    with site("1000", answer()) as (url, seen):
        fetched(url, tmp_path / "file.zip")
    assert [asked for _, asked in seen] == [None, "bytes=1000-", then]


def test_a_proxys_password_is_not_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:s3cret")
    told = failure("http://releases.example.com/file.zip", tmp_path / "file.zip")
    assert "is no valid URL: correct it, or" in told and "s3cret" not in told


def test_no_network_is_one_sentence(tmp_path):
    with site() as (url, _):
        pass
    assert f"{url}: [Errno 111] Connection refused, 5 times: try again, or" in failure(url, tmp_path / "file.zip")


def test_the_environments_proxy_is_used(tmp_path, monkeypatch):
    with site() as (proxy, seen):
        monkeypatch.setenv("http_proxy", proxy.removesuffix("/file.zip"))
        fetched("http://releases.example.com/file.zip", tmp_path / "file.zip")
    assert seen == [("http://releases.example.com/file.zip", None)]


def test_a_companys_certificate_is_trusted_where_it_is_named(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=proxy", "-keyout", key,
         "-out", certificate, "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    (tmp_path / "to").mkdir()
    file = tmp_path / "to" / "file.zip"
    with site(certificate=both) as (url, _):
        assert "name the file of your proxy's certificates in SSL_CERT_FILE" in failure(url, file)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(certificate))
                fetched(url, file)
                file.unlink()
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
        assert "AWS_CA_BUNDLE='/nowhere.pem' holds no certificates" in failure(url, file)
