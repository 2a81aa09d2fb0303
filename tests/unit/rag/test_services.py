"""Embedders, the search client and signed HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.credentials import Credentials
from tandem_contract.errors import TandemError, Unavailable

from tandem.models.bedrock_embedder import BedrockEmbedder
from tandem.models.embed import normalised
from tandem.rag.stores import opensearch
from tandem.rag.stores.opensearch import OpenSearchIndex
from tandem.runtime.http import NETWORK_ERRORS, SignedHttp
from tandem.runtime.retry import Deadline, Transient, retry

from .fakes import FakeBedrock, FakeOpenSearch, embedding, refused, respond


def test_retry_is_bounded_by_tries_and_by_time():
    calls = []

    def fail():
        calls.append(1)
        raise Transient("down")

    with pytest.raises(Unavailable, match="down"):
        retry(fail, Deadline(100), tries=3)
    assert len(calls) == 3
    with pytest.raises(Unavailable, match="no time left"):
        retry(fail, Deadline(0))
    assert len(calls) == 3


def test_paging_through_heads(monkeypatch):
    monkeypatch.setattr(opensearch, "PAGE", 3)
    fake = FakeOpenSearch()
    index = OpenSearchIndex(fake, "docs-1")
    chunks = [{"document": f"d{n % 4}", "attempt": "a", "position": n} for n in range(9)]
    ids = index.write(chunks, Deadline(5))
    heads = list(index.heads(Deadline(5)))
    assert [(head.document, head.position) for head in heads] == sorted((c["document"], c["position"]) for c in chunks)
    assert {head.id for head in heads} == set(ids)
    index.delete([*ids, "not there"], Deadline(5))
    assert list(index.heads(Deadline(5))) == []
    index.delete([], Deadline(5))


def test_what_opensearch_refuses():
    fake = FakeOpenSearch()
    index = OpenSearchIndex(fake, "docs-1")
    fake.faults = [lambda: respond(400, {"error": "bad query"})]
    with pytest.raises(TandemError, match=r"400.*bad query"):
        list(index.heads(Deadline(5)))
    fake.faults = [lambda: respond(404, {})]
    with pytest.raises(Unavailable, match="'docs-1' is gone"):
        list(index.heads(Deadline(5)))
    fake.faults = [lambda: respond(403, {})]
    with pytest.raises(Unavailable, match="no permission for 'docs-1'"):
        list(index.heads(Deadline(5)))


@pytest.mark.faults
def test_no_text_of_a_document_is_cut_off_by_an_embedder():
    """Cohere reads 512 tokens; what has more is refused, and embedded in halves."""
    asked = []

    class Cohere(FakeBedrock):
        def invoke_model(self, *, modelId, body):
            request = json.loads(body)
            asked.append(request)
            if request["truncate"] == "NONE" and any(len(text.split()) > 512 for text in request["texts"]):
                raise refused("ValidationException")
            return super().invoke_model(modelId=modelId, body=body)

    bedrock = Cohere()
    embedder = BedrockEmbedder(bedrock, "cohere.embed-english-v3", 1024)
    texts = ["short one", "a " * 600 + "b " * 600, "short two"]
    vectors = embedder.documents(texts, Deadline(5))
    assert vectors[::2] == embedder.documents(texts[::2], Deadline(5))
    assert vectors[1] == pytest.approx(normalised(embedding(texts[1], 1024)), abs=1e-6)
    embedder.query("c " * 600, Deadline(5))
    assert [request["truncate"] for request in asked][-2:] == ["NONE", "END"]
    asked.clear()
    bedrock.faults = [refused("ValidationException")] * 10
    with pytest.raises(TandemError, match="ValidationException"):
        embedder.documents(["short one", "short two"], Deadline(5))
    assert len(asked) == 1


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("/silent"):
                self.server.released.wait(10)
                return
            answer = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}).encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_signed_http(server):
    http = SignedHttp(server + "/prefix/", "aoss", "eu-north-1", Credentials("KEY", "SECRET", "TOKEN"))
    response = http.request("POST", "/index/_search", b"{}", timeout=5)
    assert response.status == 201
    seen = response.json()
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert (seen["path"], seen["body"]) == ("/prefix/index/_search", "{}")
    assert "/eu-north-1/aoss/aws4_request" in headers["authorization"]
    assert "x-amz-content-sha256" in headers["authorization"].split("SignedHeaders=")[1]
    assert headers["x-amz-content-sha256"] == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert headers["x-amz-security-token"] == "TOKEN"


def test_signed_http_gives_up_in_time(server):
    http = SignedHttp(server, "aoss", "eu-north-1", Credentials("KEY", "SECRET"))
    with pytest.raises(NETWORK_ERRORS):
        http.request("POST", "/silent", timeout=0.6)
    with pytest.raises(NETWORK_ERRORS):
        SignedHttp("http://127.0.0.1:1", "aoss", "eu-north-1", Credentials("K", "S")).request("POST", "/", timeout=1)
