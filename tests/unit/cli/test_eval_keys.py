"""`tandem eval`: a key that a server repeats, or that no header can carry, is shown and stored nowhere.

Nor does anything that a server says steer the terminal.
"""

import json

import pytest
from tandem_contract.errors import TandemError

from tandem.clients.query_service import QueryService
from tests.support.answering import said, serve, wrong
from tests.support.loopback import JsonHandler, serving
from tests.unit.cli.test_eval import command
from tests.unit.cli.test_eval_servers import basic, quick, run, thirty  # noqa: F401 - fixtures, and one function

KEY = "sk-EXAMPLE-not-a-real-key"


@pytest.mark.faults
@pytest.mark.parametrize(
    "place", ["error", "text", "parts", "model", "fingerprint", "finish_reason", "html", "location", "usage"]
)
def test_a_key_that_a_server_repeats_is_found_nowhere(folder, thirty, monkeypatch, capfd, caplog, place):  # noqa: F811
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level("DEBUG")

    def echo(path, body, count):
        if count > 2 and place in ("error", "html", "location"):
            error = {"message": f"Authentication Error, Received API Key = {KEY}"}
            return {
                "error": wrong(401, error),
                "html": (502 if count % 2 else 403, {}, f"<p>Bearer {KEY}</p>".encode()),
                "location": (307, {"Location": f"https://login/?key={KEY}"}, b""),
            }[place]
        parts = [{"type": "text", "text": KEY[:11]}, {"type": "text", "text": KEY[11:]}]
        content = json.loads(said({"text": KEY, "parts": parts}.get(place, "Paris"))[2])
        changes = {"model": {"model": KEY}, "fingerprint": {"system_fingerprint": KEY}, "usage": {"usage": {KEY: KEY}}}
        if place == "finish_reason":
            content["choices"][0]["finish_reason"] = KEY
        return 200, {}, json.dumps(content | changes.get(place, {})).encode()

    with serve(echo) as server:
        shown = run(thirty, server, "--key-variable", "MY_KEY", "--seconds", 2)
        shown += run(thirty, server, "--key-variable", "MY_KEY", "--seconds", 2, name="again")
    shown += command("compare", "run", "again").output + command("compare", "run", "again", "--json").output
    shown += command("report", "run", "again", "--to", "page.html", "--markdown", "page.md").output
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in shown + caplog.text + "".join(capfd.readouterr())
    if place in ("error", "text", "parts", "html"):
        assert "***" in (folder / ".tandem" / "evaluations" / "run" / "replies.jsonl").read_text()


@pytest.mark.faults
@pytest.mark.parametrize("value", [f"{KEY}\n", f"{KEY} ", f"{KEY}\r\nX: 1", f"{KEY}é"])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_asked(basic, monkeypatch, value):  # noqa: F811
    monkeypatch.setenv("MY_KEY", value)
    with serve(lambda path, body, count: said("Paris")) as server:
        shown = run(basic, server, "--key-variable", "MY_KEY", code=1)
    assert "key_variable: MY_KEY holds a character that no header can carry" in shown
    assert "EXAMPLE" not in shown and server.asked == []


@pytest.mark.faults
@pytest.mark.parametrize("name", [KEY, "sk1234567", "NO_SUCH_KEY"])
def test_what_is_given_for_the_name_of_a_variable_is_not_shown(basic, name):  # noqa: F811
    with serve(lambda path, body, count: said("Paris")) as server:
        shown = run(basic, server, "--key-variable", name, code=1)
    assert "key_variable: there is no environment variable of the name that was given" in shown
    assert name not in shown and server.asked == []


@pytest.mark.faults
def test_a_key_in_the_url_is_refused(basic, monkeypatch):  # noqa: F811
    monkeypatch.setenv("MY_KEY", KEY)
    with serve(lambda path, body, count: said("Paris")) as server:
        server.url += f"/{KEY}"
        shown = run(basic, server, "--key-variable", "MY_KEY", code=1)
    assert "target: has the key in it, which would be stored" in shown and KEY not in shown and server.asked == []


@pytest.mark.faults
@pytest.mark.parametrize(
    "line", [f"HTTP/1.1 {KEY}\r\n\r\n", f"{KEY}\r\n", f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n"]
)
def test_a_key_that_comes_back_as_no_http_is_not_shown(basic, monkeypatch, line):  # noqa: F811
    class Echo(JsonHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.wfile.write(line.encode())
            self.close_connection = True

    monkeypatch.setenv("MY_KEY", KEY)
    target = ("--target", "{}/v1#m", "--name", "run", "--key-variable", "MY_KEY")
    with serving(Echo) as url:
        shown = command("run", basic, *(each.format(url) for each in target), code=1).output
    assert "Nothing was stored" in shown and KEY not in shown


@pytest.mark.faults
@pytest.mark.parametrize("place", ["error", "text", "model", "fingerprint", "location"])
def test_nothing_that_a_server_says_steers_the_terminal(folder, thirty, place):  # noqa: F811
    steers = "\x1b[2J\x1b]0;x\x07\u202eevil"

    def odd(path, body, count):
        content = json.loads(said("Paris")[2])
        content |= {{"model": "model", "fingerprint": "system_fingerprint"}.get(place, "x"): steers}
        answers = {
            "error": wrong(400, {"message": steers}),
            "text": (500, {}, steers.encode()),
            "location": (307, {"Location": "http://x/\x1b[2J"}, b""),
        }
        return answers.get(place, (200, {}, json.dumps(content).encode())) if count > 2 else said("Paris")

    with serve(odd) as server:
        shown = run(thirty, server, "--concurrency", 1, "--seconds", 1, code=int(place == "text"))
    shown += "" if place == "text" else command("report", "run", "--to", "page.html").output
    assert "\x1b" not in shown and "\u202e" not in shown


@pytest.mark.faults
def test_a_token_that_a_stack_repeats_is_masked(api):
    api.replies = [(400, {}, {"error": f"odd token {KEY}"}), (200, {}, {"answer": f"it is {KEY}"})]
    service = QueryService(api.url, KEY, print)
    with pytest.raises(TandemError, match=r"odd token \*\*\*"):
        service.ask({"question": "x"})
    assert service.ask({"question": "x"}) == {"answer": "it is ***"}
