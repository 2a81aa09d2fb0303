"""`tandem ask` against an HTTP server that answers like the query API and the gateway before it."""

import json
import re
import time

import pytest
from tandem_contract.errors import Unavailable
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.cli.options import query_api
from tandem.clients import query_service
from tandem.clients.patience import Patience
from tandem.clients.query_service import QueryService
from tests.support.loopback import JsonHandler, serving
from tests.support.query_api import answer
from tests.support.stack_state import environment


def ask(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["ask", "What does a bunk cost?", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_answer_citations_and_times(project, api):
    api.replies = [(200, {}, answer("huts/prices.md", "huts/rules.pdf"))]
    output = ask("--top-k", "3", "--filter", "document=a", "--filter", "document=b", "--filter", "metadata.x=y").output
    assert "34 francs [P1]." in output
    assert "[P1]" in output and "huts/prices.md" in output and "Prices" in output and "0.60" in output
    assert "embed 11 ms" in output and "generate 400 ms" in output
    wanted = {"question": "What does a bunk cost?", "top_k": 3, "filter": {"document": ["a", "b"], "metadata.x": ["y"]}}
    assert api.requests == [wanted]


def test_request_is_signed_for_the_api(project, api):
    api.replies = [(200, {}, answer("a"))]
    ask()
    assert "/eu-north-1/execute-api/aws4_request" in api.headers[0]["authorization"]


def test_request_is_signed_for_the_stacks_region_which_is_said(project, api):
    project.has(queryUrl=api.url, region="us-west-2")
    api.replies = [(200, {}, answer("a"))]
    result = ask()
    assert "/us-west-2/execute-api/aws4_request" in api.headers[0]["authorization"]
    assert result.stderr == "using us-west-2, the stack's region; the shell's is eu-north-1\n"


def test_either_of_two_environments_is_asked(project, api):
    api.replies = [(200, {}, answer("a"))]
    faq, law = (
        environment("RagEnvironment", name, queryUrl=url, region="us-west-2")
        for name, url in (("faq", "http://127.0.0.1:9/query"), ("law", api.url))
    )
    project.has(faq, law)
    assert "34 francs" in ask("--environment", "law").output
    assert "/us-west-2/execute-api/aws4_request" in api.headers[0]["authorization"]
    assert "several environments that this could be about (RagEnvironment 'faq', Rag" in ask(code=1).stderr


def test_a_url_takes_no_pulumi_and_no_project(project, api, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    api.replies = [(200, {}, answer("a"))]
    assert "34 francs" in ask("--url", api.url).output
    assert "/eu-north-1/execute-api/aws4_request" in api.headers[0]["authorization"]
    assert "'api.example.com' is no URL: give all of it" in said(ask("--url", "api.example.com", code=2).stderr)


@pytest.mark.parametrize("host", ["abc.execute-api.eu-central-1", "vpce-0abc-1d.execute-api.eu-central-1.vpce"])
def test_a_url_is_signed_for_the_region_that_it_names(project, monkeypatch, host):
    """Whatever the shell's is; nothing answers there, so it is seen where requests are signed."""
    signed = []
    monkeypatch.setattr("tandem.runtime.http.SignedHttp", lambda *given: signed.append(given))
    service = query_api(f"https://{host}.amazonaws.com/v1/query", "x", None, None, 1)
    assert service._http is None
    assert [given[1:3] for given in signed] == [("execute-api", "eu-central-1")]


def said(text: str) -> str:
    """Without the lines that are drawn around a usage error."""
    return " ".join(re.sub("[╭╮╰╯│─]", " ", text).split())


def test_token_replaces_the_signature(project, api):
    api.replies = [(200, {}, answer("a"))]
    ask("--token", "abc.def.ghi")
    assert api.headers[0]["authorization"] == "Bearer abc.def.ghi"


def test_page_is_shown(project, api):
    response = answer("plan.pdf")
    response["citations"][0]["page"] = 4
    api.replies = [(200, {}, response)]
    assert "page 4" in ask().output


def test_an_answer_that_cites_nothing_shows_what_it_was_given_and_a_refusal_does_not(project, api):
    given = answer("huts/prices.md")["citations"]
    api.replies = [(200, {}, answer(passages=given, notes=["The answer cites none of the passages."]))]
    assert "[P1]  huts/prices.md" in ask().output
    api.replies = [(200, {}, answer(passages=given, answer=None, refused=True, reason="nothing_found"))]
    assert "huts/prices.md" not in ask().output


def test_json(project, api):
    api.replies = [(200, {}, answer("a"))]
    assert json.loads(ask("--json").stdout) == answer("a")


def test_refusal_is_an_answer(project, api):
    api.replies = [(200, {}, answer(answer=None, refused=True, reason="below_min_score"))]
    assert "Not in the documents" in ask().output


def test_waits_while_search_wakes_up_and_says_so(project, api):
    waking = (503, {"Retry-After": "0.1"}, {"error": "search is waking up", "retry_after": 0})
    api.replies = [waking, waking, (200, {}, answer("a"))]
    result = ask()
    assert result.stderr.count("search is waking up (503); asking again in") == 2
    assert len(api.requests) == 3
    assert "34 francs" in result.stdout


def test_the_wait_is_bounded(project, api):
    api.replies = [(503, {"Retry-After": "9"}, {"error": "waking up", "retry_after": 9})]
    with pytest.raises(Unavailable, match=r"No answer from .* within 2 s; last: waking up \(503\)\."):
        QueryService(api.url, "token", say=print, patience=2).ask({"question": "x"})
    assert len(api.requests) == 1


@pytest.mark.faults
def test_the_seconds_are_those_really_waited(project, api, monkeypatch):
    """As other questions, which share the patience, put its end off."""
    monkeypatch.setattr(query_service, "SPREAD_SECONDS", 0)
    api.replies = [(503, {"Retry-After": "0.2"}, {"error": "busy"})]
    patience, began = Patience(1), time.monotonic()

    def others(_: str) -> None:
        if time.monotonic() - began < 1.5:
            patience.moved()

    with pytest.raises(Unavailable) as caught:
        QueryService(api.url, "token", others, patience=1).ask({"question": "x"}, patience)
    told = re.search(r"within (\d+) s; last: busy", str(caught.value))
    assert told and abs(int(told[1]) - (time.monotonic() - began)) < 0.6


def test_who_was_silent_is_told(project, api):
    slow = {"error": "The model gave no answer yet.", "timings_ms": {"embed": 400.0, "generate": 19_600.0}}
    api.replies = [(503, {"Retry-After": "0.1"}, slow), (200, {}, answer("a"))]
    assert "The model gave no answer yet (503, generate 19.6 s, embed 0.4 s); asking again in" in ask().stderr


def test_a_gateway_that_says_nothing_is_asked_again(monkeypatch):
    monkeypatch.setattr(query_service, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(query_service, "PAUSE_SECONDS", 0.1)
    requests, said = [], []

    class Slow(JsonHandler):
        def do_POST(self) -> None:
            requests.append(self.rfile.read(int(self.headers["content-length"])))
            if len(requests) == 1:
                time.sleep(0.6)
            else:
                self.reply(200, answer("a"), {})

    with serving(Slow) as url:
        assert QueryService(url, "token", said.append).ask({"question": "x"}) == answer("a")
    assert len(requests) == 2 and said[0].startswith("No answer within 0 s; asking again in")


@pytest.mark.parametrize(
    ("status", "body", "arguments", "expected"),
    [
        (403, {"message": "Forbidden"}, [], "execute-api:Invoke"),
        (403, {"message": "The security token included in the request is expired"}, [], "have expired: sign in again"),
        (
            401,
            {"message": "Unauthorized"},
            ["--token", "old"],
            "the ID token, or if the stack has userPoolScopes an access token",
        ),
        (400, {"error": "top_k is 30: 1 to 20 are allowed"}, [], "top_k is 30: 1 to 20 are allowed"),
        (500, {"message": "Internal server error"}, [], "(500): Internal server error"),
    ],
)
def test_errors_are_one_sentence(project, api, status, body, arguments, expected):
    api.replies = [(status, {}, body)]
    result = ask(*arguments, code=1)
    assert expected in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_nobody_listens(project):
    project.has(queryUrl="http://127.0.0.1:9/query")
    said = "Nothing answers at http://127.0.0.1:9/query: start the local cloud (`tandem local up`).\n"
    assert ask(code=1).stderr == said
    project.has(queryUrl="http://host.invalid/query")
    said = ask(code=1).stderr
    assert said.startswith("Can't reach http://host.invalid/query: ") and said.endswith("; is the stack up?\n")


def test_bad_filter_is_a_usage_error(project):
    assert "document=KEY or" in ask("--filter", "author=me", code=2).stderr
