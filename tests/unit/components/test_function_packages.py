"""The functions' packages, fetched from an index on loopback in the ways that companies have."""

import base64
import hashlib
import importlib.util
import io
import os
import re
import ssl
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pulumi
import pytest
from pulumi_tandem.foundation.cache import drafted
from pulumi_tandem.foundation.function_packages import function_packages, package_files

PASSWORD = "pa55w@rd"
NOISE = "<html><body>Log in to the network first</body></html>"


def contents(tag: str) -> dict[str, str]:
    """What is in a wheel, which has a command and native code."""
    info = "parcel-1.0.dist-info"
    files = {
        "parcel/__init__.py": "",
        "parcel/native.so": tag,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
        f"{info}/entry_points.txt": "[console_scripts]\nparcel = parcel:main\n",
    }
    record = f"{info}/RECORD"
    rows = [f"{name},{digest(content)},{len(content)}" for name, content in files.items()]
    return files | {record: "".join(f"{row}\n" for row in sorted([*rows, f"{record},,"]))}


def digest(content: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")


def wheel(tag: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as bundle:
        for name, text in contents(tag).items():
            bundle.writestr(name, text)
    return content.getvalue()


class Index(ThreadingHTTPServer):
    """A package index, which is its own proxy: it answers for any host. `fault` is what is wrong with it."""

    fault = ""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.users: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.offer("py3-none-any")
        super().__init__(("127.0.0.1", 0), Handler)

    def offer(self, *tags: str) -> None:
        self.files = {f"parcel-1.0-{tag}.whl": wheel(tag) for tag in tags}

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.server_port}/simple/"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if given := self.headers.get("Authorization"):
            self.server.users.add(base64.b64decode(given.split()[1]).decode())
        links = "".join(f'<a href="/files/{name}">{name}</a>' for name in self.server.files)
        page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        body = self.server.files.get(self.path.rpartition("/")[2], page)
        if self.server.fault == "login page":
            body = NOISE.encode()
        self.send_response(401 if self.server.fault == "asks who" else 200)
        self.send_header("Content-Type", "text/html" if body is page else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.server.fault == "cut" and body is not page else body)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The user's index; pip is set up as for nobody, and doesn't try again."""
    for name in os.environ:
        if name.upper().startswith("PIP_") or name.upper().endswith(("_PROXY", "_CA_BUNDLE", "SSL_CERT_FILE")):
            monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": "/dev/null", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Index() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://someone:{PASSWORD}@{server.url}")
        yield server
        server.shutdown()


@pytest.fixture
def lock(tmp_path, index):
    file = tmp_path / "rag" / "requirements.lock"
    file.parent.mkdir()
    write(file, index)
    return file


def write(lock: Path, index: Index) -> None:
    hashes = [f"--hash=sha256:{hashlib.sha256(content).hexdigest()}" for content in index.files.values()]
    lock.write_text(" \\\n    ".join(["parcel==1.0", *hashes]) + "\n")


def kept(tmp_path) -> list[str]:
    return [path.name for path in (tmp_path / "cache" / "pulumi-tandem").iterdir()]


def test_a_private_index_with_a_password(index, lock, tmp_path, monkeypatch):
    """Also for a user whose pip installs for himself by default."""
    monkeypatch.setenv("PIP_USER", "1")
    folder = function_packages(lock)
    assert (folder / "parcel" / "__init__.py").is_file()
    assert index.users == {f"someone:{PASSWORD}"}
    asked = len(index.asked)
    assert function_packages(lock) == folder and len(index.asked) == asked
    assert kept(tmp_path) == [folder.name]


@pytest.mark.parametrize("installer", ["pip", "uv"])
@pytest.mark.parametrize(
    "right",
    ["cp312-cp312-manylinux_2_34_aarch64", "cp39-abi3-manylinux2014_aarch64", "py3-none-manylinux_2_28_aarch64"],
)
def test_native_code_is_that_for_lambda_whatever_machine_fetches_it(right, installer, index, lock, monkeypatch):
    own = f"cp3{sys.version_info.minor}"
    others = [
        f"{own}-{own}-manylinux_2_17_x86_64",
        f"{own}-{own}-macosx_11_0_arm64",
        "cp313-cp313-manylinux_2_17_aarch64",
    ]
    others += ["cp312-cp312-manylinux_2_35_aarch64", "cp312-cp312-musllinux_1_2_aarch64"]
    index.offer(*others, right)
    write(lock, index)
    if installer == "uv":
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: find(name, *more) if name != "pip" else None
        )
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        monkeypatch.setenv("UV_DEFAULT_INDEX", os.environ["PIP_INDEX_URL"])
        monkeypatch.setenv("UV_NO_CACHE", "1")
    carried = {name: content.decode() for name, content in package_files(function_packages(lock)).items()}
    assert carried == contents(right)


def test_a_proxy(index, lock, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://packages.example/simple/")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "packages.example")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{index.server_port}")
    function_packages(lock)
    assert index.asked[0] == "http://packages.example/simple/parcel/"


def test_a_certificate_of_the_companys_own(index, lock, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    index.socket = context.wrap_socket(index.socket, server_side=True)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://{index.url}")

    with pytest.raises(pulumi.RunError, match=r"(?s)CERTIFICATE_VERIFY_FAILED.* PIP_CERT \(not set\)"):
        function_packages(lock)
    monkeypatch.setenv("PIP_CERT", str(certificate))
    function_packages(lock)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["login page", "asks who", "cut", "other content", "nobody there"])
def test_what_cannot_be_fetched_says_what_to_correct_and_leaves_nothing(index, lock, tmp_path, fault):
    index.fault = fault
    if fault == "other content":
        lock.write_text(re.sub("sha256:.*", "sha256:" + "0" * 64, lock.read_text()))
    if fault == "nobody there":
        index.shutdown()
        index.server_close()
    with pytest.raises(pulumi.RunError) as error:
        function_packages(lock)
    text = str(error.value)
    print(text)
    assert str(lock) in text and f"PIP_INDEX_URL=http://{index.url}, HTTPS_PROXY (not set)" in text
    assert "install pulumi-tandem as a wheel" in text
    assert PASSWORD not in text and NOISE not in text
    assert kept(tmp_path) == []


@pytest.mark.faults
def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(pulumi.RunError, match=r"XDG_CACHE_HOME: .*/file/pulumi-tandem can't be written \(Not a dir"),
        drafted(tmp_path / "file" / "pulumi-tandem" / "archive.zip"),
    ):
        pass


def test_another_preview_may_be_first(tmp_path):
    kept = tmp_path / "packages"
    for content in ("first", "second"):
        with drafted(kept) as draft:
            draft.mkdir()
            (draft / "file").write_text(content)
    assert (kept / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


@pytest.mark.faults
@pytest.mark.parametrize(
    "variable, value",
    [
        ("HTTPS_PROXY", f"someone:{PASSWORD}@127.0.0.1:9"),  # without a scheme, as pip takes it too
        ("PIP_INDEX_URL", f"http://127.0.0.1:9/simple/?token={PASSWORD}"),  # whose path pip repeats in warnings
        ("PIP_INDEX_URL", f"http://{PASSWORD}@127.0.0.1:9/simple/"),
    ],
)
def test_what_may_be_secret_is_never_shown(index, lock, monkeypatch, variable, value):
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv(variable, value)
    index.fault = "cut"
    with pytest.raises(pulumi.RunError) as error:
        function_packages(lock)
    assert PASSWORD not in str(error.value)
