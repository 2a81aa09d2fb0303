"""The handlers: what they read from events and the environment, and what they give back."""

import base64
import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from tandem_contract.errors import TandemError

from tandem.rag.functions import ensure_index, ingest, query, shared, sweep
from tandem.rag.lease import Lease
from tandem.rag.question import MAX_CHARACTERS
from tandem.rag.stores.opensearch import index_body
from tandem.runtime import clients
from tests.support.aws_requests import stand_in
from tests.support.embeddings_api import serve

from .conftest import VERSION, Stack, ask, context
from .fakes import BUCKET, DEAD_LETTERS, QUEUE, refused, respond, silence

pytestmark = pytest.mark.usefixtures("environment")


def message(key: str, number: int = 1, receives: int = 1, **changes) -> dict:
    body = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1}},
    } | changes
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"h{number}",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(receives)},
    }


def metrics(output: str) -> dict[str, float]:
    lines = [json.loads(line) for line in output.splitlines()]
    found = [(line, line["_aws"]["CloudWatchMetrics"][0]) for line in lines if "_aws" in line]
    assert all(
        (d["Namespace"], d["Dimensions"], line["Bucket"]) == ("Tandem", [["Bucket"]], BUCKET) for line, d in found
    )
    return {definition["Metrics"][0]["Name"]: line[definition["Metrics"][0]["Name"]] for line, definition in found}


def test_ingest_batch_with_good_rejected_busy_and_malformed_messages(stack: Stack, capsys):
    stack.s3.put("good.txt", "fine")
    stack.s3.put("bad.pdf", "not a PDF")
    stack.s3.put("busy.txt", "later")
    Lease.acquire(stack.ledger, VERSION.index, "busy.txt")
    stack.clock.now += 2
    records = [
        message("good.txt", 1),
        message("bad.pdf", 2),
        message("busy.txt", 3, receives=4),
        message("x", 4, source="aws.ec2"),
        message("good.txt", 5),
        message("busy.txt", 6),
        {**message("x", 7), "body": "not JSON"},
        message("x", 8, detail={"bucket": {"name": "another"}, "object": {"key": "x"}}),
    ]
    result = ingest.handler({"Records": records}, context())
    assert result == {"batchItemFailures": [{"itemIdentifier": "m3"}, {"itemIdentifier": "m6"}]}
    assert stack.sqs.postponed.keys() == {"h3", "h6"}
    assert len(stack.bedrock.embedded) == 1  # good.txt was named twice
    dead = stack.sqs.sent[DEAD_LETTERS]
    assert {letter["body"] for letter in dead} == {records[at]["body"] for at in (1, 3, 6, 7)}
    rejected = next(letter for letter in dead if letter.get("document") == "bad.pdf")
    assert "corrupt" in rejected["reason"] and "qpdf" in rejected["reason"]
    assert all(letter["reason"] for letter in dead)
    assert metrics(capsys.readouterr().out) == {"IndexLag": 2000}


def test_ingest_reads_the_hints_of_the_sweep_and_redriven_messages(stack: Stack):
    stack.s3.put("a.bin", "x")
    sweep.handler(None, context())
    [hint] = stack.sqs.sent[QUEUE]
    assert ingest.handler({"Records": [{**message("-"), **hint}]}, context()) == {"batchItemFailures": []}
    [letter] = stack.sqs.sent[DEAD_LETTERS]
    stack.s3.put("a.bin", "x", content_type="text/plain")
    ingest.handler({"Records": [{**message("-"), "body": letter["body"]}]}, context())
    assert stack.row("a.bin").status == "indexed"


def test_ingest_pauses_longer_after_each_receive(stack: Stack, monkeypatch):
    monkeypatch.setattr(ingest, "full_jitter", lambda attempt, base, cap: min(cap, base * 2**attempt))
    stack.s3.put("a.txt", "x")
    stack.bedrock.faults = [refused("ThrottlingException", 429)] * 1000
    pauses = []
    for receives in (1, 2, 5, 9):
        result = ingest.handler({"Records": [message("a.txt", receives=receives)]}, context())
        assert len(result["batchItemFailures"]) == 1
        pauses.append(stack.sqs.postponed["h1"])
    assert pauses == [5, 10, 80, 900]


def test_ingest_leaves_to_the_next_invocation_what_it_has_no_time_for(stack: Stack):
    stack.s3.put("a.txt", "x")
    assert ingest.handler({"Records": [message("a.txt")]}, context(35))["batchItemFailures"]
    assert stack.row("a.txt") is None


def test_sweep_reports_and_measures(stack: Stack, capsys):
    stack.s3.put("a.txt", "x")
    stack.clock.now += 60
    summary = sweep.handler({"full": True}, context())
    assert (summary["hints"], summary["documents"], summary["stopped"]) == (1, 1, "")
    assert metrics(capsys.readouterr().out) == {"OldestUnindexedDocumentAge": 60}


@pytest.mark.parametrize("where", ["index", "bucket"])
def test_a_sweep_that_does_not_come_to_its_end_measures_nothing(stack: Stack, capsys, monkeypatch, where):
    """It would call a bucket fresh that it hasn't read whole: silence is what the alarm takes for a fault."""
    stack.s3.put("a.txt", "x")
    stack.opensearch.faults = [silence] * 1000
    summary = sweep.handler({"full": True}, context(300 if where == "index" else 1))
    assert summary["stopped"]
    assert metrics(capsys.readouterr().out) == {}


def test_ensure_index_creates_and_activates_once(stack: Stack):
    stack.dynamodb.items.clear()
    stack.opensearch.faults = [lambda: respond(403, {}), lambda: respond(503, {}), silence]
    payload = {
        "endpoint": "https://search",
        "service": "aoss",
        "base": "docs",
        "embedder": "amazon.titan-embed-text-v2:0",
        "dimensions": 256.0,
        "chunk_tokens": 200,
        "chunk_overlap": 40,
    }
    first = ensure_index.handler(payload, context())
    assert first == {"index": first["index"], "created": True, "activated": True}
    assert stack.opensearch.created == index_body(256)
    assert stack.opensearch.extended == {}
    assert ensure_index.handler(payload, context()) == {"index": first["index"], "created": False, "activated": False}
    properties = stack.opensearch.created["mappings"]["properties"]
    assert stack.opensearch.extended == {name: properties[name] for name in ("text", "heading", "cited")}
    assert stack.ledger.active().index == first["index"]
    assert stack.ledger.active().dimensions == 256


def test_the_active_index_moves_with_the_store_and_with_nothing_else(stack: Stack):
    stack.s3.put("tea.txt", "Green tea is warm.")
    stack.converge("tea.txt")
    payload = {
        "endpoint": VERSION.endpoint,
        "service": "aoss",
        "base": "docs",
        "embedder": "cohere.embed-english-v3",
        "dimensions": 1024,
        "chunk_tokens": 200,
        "chunk_overlap": 40,
    }
    assert not ensure_index.handler(payload, context())["activated"]
    assert stack.ledger.active() == VERSION
    assert ("PUT", f"/{VERSION.index}/_mapping") in stack.opensearch.requests  # it takes what this release writes
    stack.opensearch.__init__()
    domain = payload | {"endpoint": "https://domain", "service": "es"}
    moved = ensure_index.handler(domain, context())
    assert (moved["created"], moved["activated"]) == (True, True)
    assert stack.opensearch.created["settings"]["index"]["number_of_shards"] == 1
    active = stack.ledger.active()
    assert (active.endpoint, active.service, active.index) == ("https://domain", "es", moved["index"])
    assert sweep.handler(None, context())["hints"] == 1  # which fills it
    _, _, content = ask({"question": "Is green tea warm?"})
    assert (content["refused"], content["reason"]) == (True, "nothing_found")
    ingest.handler({"Records": [{**message("-"), **stack.sqs.sent[QUEUE][0]}]}, context())
    _, _, content = ask({"question": "Is green tea warm?"})
    assert (content["refused"], content["index"]) == (False, moved["index"])


def test_a_record_from_before_domains_is_of_a_collection(stack: Stack):
    del stack.dynamodb.items["active", "active"]["service"]
    del stack.dynamodb.items["active", "active"]["embedder_secret_arn"]
    assert stack.ledger.active() == VERSION


@pytest.fixture
def tuned_embedder(stack: Stack, monkeypatch):
    """An embedder behind a URL, whose key is in a secret, and the payload of a stack that has it."""
    secrets = SimpleNamespace(key="sk-1", read=[])

    def get_secret_value(SecretId):
        secrets.read.append(SecretId)
        return {"SecretString": secrets.key}

    clients = {
        "secretsmanager": stand_in("secretsmanager", get_secret_value=get_secret_value),
        "bedrock-runtime": stack.bedrock,
    }
    monkeypatch.setattr(shared, "client", clients.get)
    shared._embedder.cache_clear()
    for module in (ensure_index, ingest, query):
        monkeypatch.setattr(module, "open_embedder", shared.open_embedder)
    stack.dynamodb.items.clear()
    with serve(dimensions=64, key="sk-1") as api:
        payload = {"endpoint": "https://search", "service": "aoss", "base": "docs", "embedder": api.url}
        payload |= {"dimensions": 64, "chunk_tokens": 200, "chunk_overlap": 40, "embedder_secret_arn": "arn:1"}
        yield SimpleNamespace(api=api, payload=payload, secrets=secrets)
    shared._embedder.cache_clear()


def test_documents_are_indexed_and_found_by_an_embedder_behind_a_url(stack: Stack, tuned_embedder, monkeypatch):
    made = ensure_index.handler(tuned_embedder.payload, context())
    assert (made["created"], made["activated"]) == (True, True)
    stack.s3.put("tea.md", "# Tea\nGreen tea is warm.")
    shared._embedder.cache_clear()  # each function is a process of its own, and reads the key itself
    assert ingest.handler({"Records": [message("tea.md")]}, context()) == {"batchItemFailures": []}
    shared._embedder.cache_clear()
    status, _, content = ask({"question": "Is green tea warm?"})
    assert (status, content["refused"], content["embedder"]) == (200, False, tuned_embedder.api.url)
    assert content["citations"][0]["document"] == "tea.md"
    assert [request["input"] for request in tuned_embedder.api.requests[::2]] == [["length"], ["Is green tea warm?"]]
    assert stack.bedrock.embedded == []
    # A new key is used without a deployment; another secret after one, though the index stays.
    tuned_embedder.secrets.key = tuned_embedder.api.key = "sk-2"
    monkeypatch.setattr(shared, "KEY_SECONDS", 0.001)
    query._retriever.cache_clear()
    assert ask({"question": "Is green tea warm?"})[0] == 200
    assert set(tuned_embedder.secrets.read) == {"arn:1"}
    made = ensure_index.handler(tuned_embedder.payload | {"embedder_secret_arn": "arn:2"}, context())
    assert (made["created"], made["activated"]) == (False, False)
    assert stack.ledger.active().embedder_secret_arn == "arn:2"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"dimensions": 512}, "gives embeddings of 64 dimensions, and `dimensions` is 512: set `dimensions` to 64"),
        ({"dimensions": 5000}, "5000 is not allowed"),
        ({"embedder": "http://host/v1#m"}, "Use https://"),
        ({"embedder": "https://host/v1"}, "the model's name behind #"),
        ({"embedder_secret_arn": ""}, "with 401"),
    ],
)
def test_an_embedder_that_cannot_be_used_makes_no_index(stack: Stack, tuned_embedder, change, expected):
    with pytest.raises(TandemError, match=expected):
        ensure_index.handler(tuned_embedder.payload | change, context())
    assert stack.opensearch.created is None
    assert stack.ledger.active() is None


def test_query_answers_with_citations_and_times(answering: Stack, capsys):
    status, _, content = ask({"question": "Is green tea warm?"})
    assert status == 200
    assert content["citations"] == [
        {
            "marker": 1,
            "document": "tea.md",
            "page": None,
            "heading": "Tea",
            "score": content["citations"][0]["score"],
            "excerpt": "Green tea is warm.",
        }
    ]
    assert (content["answer"], content["refused"], content["reason"]) == ("So it is [P1].", False, None)
    assert (content["model"], content["embedder"], content["index"]) == (
        "amazon.nova-lite-v1:0",
        VERSION.embedder,
        VERSION.index,
    )
    assert content["timings_ms"].keys() == {"embed", "search", "ledger", "rerank", "generate", "total"}
    assert content["passages"] == content["citations"]
    log = capsys.readouterr().out
    assert "green tea" not in log.lower() and json.loads(log)["status"] == 200


def test_query_tells_what_was_retrieved_and_what_the_model_read_and_wrote(answering: Stack):
    answering.s3.put("milk.md", "# Milk\nMilk is not tea.")
    answering.converge("milk.md")
    _, _, content = ask({"question": "Is green tea warm?"})
    assert [tuple(place) for place in content["retrieved"]] == [("document", "page", "heading", "score", "exact")] * 2
    assert [place["document"] for place in content["retrieved"]] == ["tea.md", "milk.md"]
    assert content["retrieved"][0]["score"] == content["citations"][0]["score"] > content["retrieved"][1]["score"]
    assert content["usage"] == {"input_tokens": 1200, "output_tokens": 40}


def test_query_refuses_below_the_score_and_with_nothing_found(answering: Stack):
    _, _, content = ask({"question": "zebra crossing"})
    assert (content["answer"], content["refused"], content["reason"]) == (None, True, "below_min_score")
    assert (content["retrieved"][0]["document"], content["usage"]) == ("tea.md", None)
    _, _, content = ask({"question": "tea", "filter": {"document": "none.txt"}})
    assert (content["refused"], content["reason"], content["citations"]) == (True, "nothing_found", [])
    assert content["retrieved"] == []
    assert answering.bedrock.prompts == []


def test_query_without_generation_gives_whole_passages(answering: Stack):
    body = base64.b64encode(json.dumps({"question": "green tea", "generate": False}).encode()).decode()
    _, _, content = ask(body, isBase64Encoded=True)
    assert (content["answer"], content["model"], content["refused"]) == (None, None, False)
    assert content["passages"][0]["text"] == "Green tea is warm."
    assert (content["retrieved"][0]["document"], content["usage"]) == ("tea.md", None)
    assert answering.bedrock.prompts == []


@pytest.mark.parametrize(
    ("request_body", "parts"),
    [
        ("{", ["the body is not JSON"]),
        ("[]", ["the body is a JSON list"]),
        ({}, ["1 mistake", "question: null is not allowed (a text of 1 to 2000 characters)"]),
        ({"question": "x" * (MAX_CHARACTERS + 1)}, ["question: 2001 characters are not allowed"]),
        (
            {"question": " ", "top_k": 21, "generate": 1, "filter": {"team": "x", "metadata.a": [1]}, "temperature": 0},
            [
                *(
                    "6 mistakes",
                    "temperature: is not a field",
                    "question: ' '",
                    "top_k: 21 is not allowed (a whole number",
                ),
                *(
                    "generate: 1 is not allowed (true or false)",
                    "filter.team: is not a field",
                    "filter.metadata.a: [1]",
                ),
            ],
        ),
        (
            {"question": "x", "top_k": True, "filter": "a"},
            ["top_k: true is not allowed", "filter: 'a' is not a mapping"],
        ),
        ({"question": "x", "filter": {"document": []}}, ["1 to 100 texts"]),
    ],
)
def test_query_names_all_mistakes_at_once(request_body, parts):
    status, _, content = ask(request_body)
    assert status == 400
    assert [part for part in parts if part not in content["error"]] == []


@pytest.mark.parametrize("fault", [silence, lambda: respond(403, {}), lambda: respond(404, {})])
def test_query_says_when_to_come_back_while_search_wakes_or_the_store_changes(answering: Stack, fault):
    answering.opensearch.faults = [fault] * 1000
    status, headers, content = ask({"question": "tea"})
    assert (status, headers["Retry-After"], content["retry_after"]) == (503, "10", 10)
    assert content["error"].startswith("Search, which takes up to 30 seconds to wake, gave no answer yet")


def test_query_answers_in_time_when_a_service_is_silent(answering: Stack):
    released = threading.Event()
    answering.bedrock.converse = lambda **request: released.wait(30)
    status, headers, content = ask({"question": "green tea"}, seconds=2.5)
    released.set()
    assert (status, headers["Retry-After"]) == (503, "10")
    assert content["error"].startswith("The model that writes gave no answer yet")
    assert content["timings_ms"]["generate"] > 1000 > content["timings_ms"]["search"]


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 503), ("AccessDeniedException", 500)])
def test_query_tells_callers_nothing_of_its_inside(answering: Stack, code, status):
    answering.bedrock.faults = [refused(code)] * 100
    found, _, content = ask({"question": "tea"})
    assert found == status
    assert code not in json.dumps(content) and "Traceback" not in json.dumps(content)


def test_clients_are_made_once_and_need_no_boto3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    assert clients.client("sqs") is clients.client("sqs")
    assert shared.open_embedder(VERSION) is shared.open_embedder(VERSION)


@pytest.mark.parametrize("name", ["ensure_index", "ingest", "query", "sweep"])
def test_handlers_import_only_what_they_need(name):
    code = f"import sys, tandem.rag.functions.{name}; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'botocore'" in loaded
    for unwanted in ("boto3", "pypdfium2", "selectolax", "markdown_it", "pulumi"):
        assert f"'{unwanted}'" not in loaded
