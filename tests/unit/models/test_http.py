"""What `Http` adds to urllib3: a limit for an answer's time and size is tested with chat models, the rest here."""

import time
import traceback

import pytest
from tandem_contract.errors import TandemError

from tandem.runtime import http
from tandem.runtime.http import Http, Response
from tests.support.loopback import JsonHandler, serving


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "9999"}, 9999),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 -0000", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "9" * 400}, 0),
        ({"Retry-After": "-1"}, 0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, seconds):
    assert Response(429, headers, b"").retry_after == seconds


def test_an_upload_may_take_longer_than_a_connection(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.3)
    megabytes = 24

    class Slow(JsonHandler):
        def do_POST(self):
            read = 0
            for _ in range(megabytes):
                time.sleep(0.04)
                read += len(self.rfile.read(1_000_000))
            self.reply(200, read, {})

    with serving(Slow) as url:
        response = Http(url).request("POST", "/files", b"x" * megabytes * 1_000_000, timeout=20)
    assert response.json() == megabytes * 1_000_000


def test_a_connection_is_kept_when_an_answer_was_read_whole():
    connections = set()

    class Keeping(JsonHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            connections.add(self.client_address)
            self.reply(200, "x" * 200_000, {})

    with serving(Keeping) as url:
        server = Http(url)
        for _ in range(3):
            assert len(server.request("POST", "/", b"{}", timeout=5).json()) == 200_000
        assert len(connections) == 1


@pytest.mark.faults
@pytest.mark.parametrize("key", ["sk-hidden\r", "sk-hidden\nX: 1", "sk-hiddén", "sk-hidden\x00"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key):
    with pytest.raises(TandemError, match="Authorization for https://host has a character that no header") as caught:
        Http("https://host", {"Authorization": f"Bearer {key}"})
    assert "hidd" not in "".join(traceback.format_exception(caught.value))
