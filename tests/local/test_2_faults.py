"""Bad input and failures, brought about from outside: files, events, proxies, signals."""

import contextlib
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import time
import urllib.request

import pytest
from botocore.exceptions import BotoCoreError

from tests.local.conftest import ROOT, until
from tests.support.fault_proxy import Fault, FaultProxy

pytestmark = [pytest.mark.local, pytest.mark.faults]


def index_contents(service) -> dict[str, list[dict]]:
    """What OpenSearch holds, seen from outside: document -> its chunks' document, version and attempt."""
    port = service.cloud.environment["TANDEM_LOCAL_OPENSEARCH_PORT"]
    body = json.dumps({"size": 10000, "_source": ["document", "version", "attempt"]}).encode()
    base = f"http://127.0.0.1:{port}/*rag-*"
    urllib.request.urlopen(urllib.request.Request(f"{base}/_refresh", method="POST"), timeout=30).close()
    request = urllib.request.Request(f"{base}/_search", body, {"Content-Type": "application/json"})
    found: dict[str, list[dict]] = {}
    with urllib.request.urlopen(request, timeout=30) as answer:
        hits = json.load(answer)["hits"]["hits"]
    for hit in hits:
        found.setdefault(hit["_source"]["document"], []).append(hit["_source"])
    return found


def objects(service) -> dict[str, str]:
    """ETags of what the bucket holds."""
    pages = service.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=service.bucket)
    return {each["Key"]: each["ETag"].strip('"') for page in pages for each in page.get("Contents", [])}


def assert_index_equals_bucket(service):
    """Every indexed document has exactly the chunks of its ledger row, of the version in the bucket; no other has."""
    chunks = index_contents(service)
    for key, etag in objects(service).items():
        row, found = service.row(key), chunks.pop(key, [])
        assert row["version"]["S"] == etag, key
        if row["status"]["S"] == "rejected":
            assert not found, key
        else:
            assert {chunk["attempt"] for chunk in found} == {row["current"]["S"]}, key
            assert {chunk["version"] for chunk in found} == {etag}, key
            assert len(found) == int(row["chunk_count"]["N"]), key
    assert chunks == {}


def event(service, kind: str, key: str) -> str:
    detail = {"bucket": {"name": service.bucket}, "object": {"key": key}}
    return json.dumps({"source": "aws.s3", "detail-type": f"Object {kind}", "detail": detail})


def ingest_function(service) -> dict:
    functions = service.cloud.client("lambda").list_functions()["Functions"]
    return next(f for f in functions if f["Handler"] == "tandem.rag.functions.ingest.handler")


def queue_url(service) -> str:
    return ingest_function(service)["Environment"]["Variables"]["TANDEM_QUEUE_URL"]


def dead_letters(service) -> dict[str, str]:
    """Documents in the dead-letter queue and the reason of each; leaves them there."""
    sqs = service.cloud.client("sqs")
    found = {}
    while True:
        answer = sqs.receive_message(
            QueueUrl=service.outputs["deadLetterQueueUrl"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=3,
        )
        fresh = [m for m in answer.get("Messages", []) if m["MessageId"] not in found]
        if not fresh:
            break
        found |= {m["MessageId"]: m.get("MessageAttributes", {}) for m in fresh}
    return {a["document"]["StringValue"]: a["reason"]["StringValue"] for a in found.values() if "document" in a}


def redriven(service, *options: str) -> set[str]:
    """The documents that `tandem redrive` names."""
    printed = service.cloud.tandem("redrive", "--stack", "rag-dev", *options).stdout
    return {line.partition(": ")[0] for line in printed.splitlines()}


@contextlib.contextmanager
def environment_of(service, **variables: str):
    """Changes the ingest function's environment, as an operator could."""
    functions, before = service.cloud.client("lambda"), ingest_function(service)
    name, settings = before["FunctionName"], before["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": settings | variables})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": settings})


def test_bad_documents_are_reported_and_the_others_go_through(service, tmp_path):
    bad = {
        "corrupt.pdf": (b"%PDF-1.7\n1 0 obj\n<< broken", "PDF"),
        "empty.txt": (b"", "empty"),
        "huge.txt": (b"word " * 5_500_000, "25"),
        "photo.jpg": (b"\xff\xd8\xff\xe0 no text", "jpg"),
        "latin.txt": ("Grüße aus Köln, das Café hat geöffnet".encode("latin-1"), "UTF-8"),
    }
    for name, (content, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.md").write_text("# Lighthouse\n\nThe lighthouse keeper climbs two hundred and seven steps.")
    files = [tmp_path / name for name in [*bad, "good.md"]]
    result = service.cloud.tandem("ingest", *files, "--stack", "rag-dev", "--prefix", "bad", check=False)
    assert result.returncode == 1
    for name, (_, word) in bad.items():
        (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"bad/{name}: rejected")]
        assert word in line, line
        assert service.status(f"bad/{name}") == "rejected"
    assert "bad/good.md: indexed" in result.stdout
    assert service.passages("How many steps does the lighthouse keeper climb?", "bad/good.md")
    given_up = {f"bad/{name}" for name in bad}
    until(lambda: given_up <= set(dead_letters(service)), 30, "all bad documents dead-lettered")
    until(lambda: given_up <= redriven(service, "--dry-run"), 30, "the letters are shown again")
    assert given_up <= redriven(service)
    until(lambda: given_up <= set(dead_letters(service)), 60, "they are tried again, and given up again")
    for name in bad:
        service.delete(f"bad/{name}")
    until(lambda: all(service.row(f"bad/{name}") == {} for name in bad), 60, "deleted documents are forgotten")


def test_the_same_event_twice_out_of_order_and_a_delete_before_its_create(service):
    sqs, url, key = service.cloud.client("sqs"), queue_url(service), "events/well.txt"
    sqs.send_message(QueueUrl=url, MessageBody=event(service, "Deleted", key))
    service.put(key, "The old well in the village of Brun is thirty-one metres deep.")
    until(lambda: service.status(key) == "indexed", 60, "document is indexed")
    before = service.row(key)["current"]["S"]
    for kind in ("Created", "Created", "Deleted", "Created"):
        sqs.send_message(QueueUrl=url, MessageBody=event(service, kind, key))
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    until(
        lambda: (
            not any(
                int(n) for n in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=attributes)["Attributes"].values()
            )
        ),
        90,
        "queue is worked off",
    )
    assert service.row(key)["current"]["S"] == before
    assert len(index_contents(service)[key]) == 1
    assert service.sweep(full=True)["orphans_deleted"] == 0
    assert_index_equals_bucket(service)


def test_killed_between_bulk_and_ledger_write(service):
    """The function's process is killed at the moment when it commits a document of several parts, from outside: by the
    proxy of its ledger. The parts survive: nothing is embedded again."""
    key, question = "killed/bridge.md", "How long is the bridge over the Tarn?"
    service.put(key, "The bridge over the Tarn is 120 metres long.")
    until(lambda: "120" in json.dumps(service.passages(question, key)), 60, "first version is found")
    seen, stop, killed = [], threading.Event(), threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(
                {number for p in service.passages(question, key) for number in ("120", "240") if number in p["text"]}
            )

    def kill_at_commit(request):
        if b'"indexed"' in request.body and b"bridge.md" in request.body and not killed.is_set():
            killed.set()
            embedded.clear()
            subprocess.run(
                ["pkill", "-KILL", "-f", f"{ingest_function(service)['FunctionName']}.*_worker.py"], check=True
            )
            return Fault(500)
        return None

    def embed(request):
        """For what nobody asks about: a vector that is far from every question."""
        embedded.append(request)
        vector = [0.0] * (json.loads(request.body)["dimensions"] - 1) + [1.0]
        return None if b"Tarn" in request.body else Fault(200, json.dumps({"embedding": vector}).encode())

    embedded, bedrock = [], service.cloud.environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    journal = "\n\n".join(f"On day {day} nobody crossed it. " + "It rained. " * 40 for day in range(1000))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with (
            FaultProxy(service.cloud.environment["AWS_ENDPOINT_URL"], before=kill_at_commit) as proxy,
            FaultProxy(bedrock, before=embed) as embedder,
            environment_of(service, AWS_ENDPOINT_URL_DYNAMODB=proxy.url, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=embedder.url),
        ):
            service.put(key, f"# Length\n\nThe bridge over the Tarn is 240 metres long.\n\n# Journal\n\n{journal}")
            assert killed.wait(120)
            assert len({chunk["version"] for chunk in index_contents(service)[key]}) == 2  # what a query must not show
            (shown,) = service.passages(question, key)
            assert "120 metres" in shown["text"]
            lease_over = float(service.row(key)["lease_until"]["N"]) + 11  # the sweep allows ten seconds of clock skew
            time.sleep(max(0, lease_over - time.time()))
            service.sweep(full=True)
            until(lambda: "240" in json.dumps(service.passages(question, key)), 60, "second version is found")
        assert embedded == [] and int(service.row(key)["parts"]["N"]) > 2
    finally:
        stop.set()
        watcher.join()
    service.sweep(full=True)
    assert_index_equals_bucket(service)
    assert {"120"} in seen and {"240"} in seen and {"120", "240"} not in seen


@pytest.mark.parametrize("status", [429, 500])
def test_embedding_service_failing_for_a_while(service, status):
    error = {429: "ThrottlingException", 500: "InternalServerException"}[status]
    failing = threading.Event()
    failing.set()
    fault = Fault(status, json.dumps({"message": "later"}).encode(), {"x-amzn-errortype": error})
    key = f"throttled/{status}.txt"
    upstream = service.cloud.environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    with (
        FaultProxy(upstream, before=lambda request: fault if failing.is_set() else None) as proxy,
        environment_of(service, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=proxy.url),
    ):
        service.put(key, f"The tariff of the year {status} was nine crowns.")
        until(lambda: len(proxy.seen) > 1, 60, "the failing service was tried more than once")
        time.sleep(10)
        assert service.status(key) != "indexed"
        failing.clear()
        until(lambda: service.status(key) == "indexed", 180, "it catches up")
    assert key not in dead_letters(service)


@pytest.mark.parametrize("seconds", [15, pytest.param(60, marks=pytest.mark.soak)])
def test_opensearch_away_for_a_while(service, seconds):
    os.killpg(service.cloud.process("opensearch"), signal.SIGKILL)
    keys = [f"away/{seconds}-{number}.txt" for number in range(5)]
    for key in keys:
        service.put(key, f"While search was away, parcel {key} was left with the neighbour.")
    time.sleep(seconds)
    assert not [key for key in keys if service.status(key) == "indexed"]
    service.cloud.tandem("local", "up")
    until(lambda: all(service.status(key) == "indexed" for key in keys), 300, "all documents catch up")
    assert not set(keys) & set(dead_letters(service))
    assert_index_equals_bucket(service)


def delete_indices(service) -> None:
    """Deletes the indices as somebody with the rights could; OpenSearch gets their names, not a pattern."""
    base = f"http://127.0.0.1:{service.cloud.environment['TANDEM_LOCAL_OPENSEARCH_PORT']}"
    with urllib.request.urlopen(f"{base}/_cat/indices/*rag-*?h=index", timeout=30) as answer:
        names = answer.read().decode().split()
    for name in names:
        urllib.request.urlopen(urllib.request.Request(f"{base}/{name}", method="DELETE"), timeout=30).close()


def test_an_index_that_was_deleted_comes_back_by_the_remedy_that_is_named(service):
    key, question = "gone/mill.txt", "How many sails has the mill at Hollum?"
    service.put(key, "The mill at Hollum has four sails.")
    until(lambda: service.status(key) == "indexed", 60, "document is indexed")
    delete_indices(service)
    service.put("gone/later.txt", "The mill at Ballum has none.")
    said = service.sweep(full=True)["stopped"]
    assert "is gone" in said
    command = re.search(r"`(pulumi up [^`]+)`", said)[1]
    service.cloud.pulumi(*shlex.split(command)[1:], "--stack", "rag-dev", "--yes")
    # None of the sweeps is told to look at the index, and each leaves out what was written a moment ago.
    until(lambda: service.sweep() and service.passages(question, key), 300, "it is found again", every=10)
    until(lambda: service.status("gone/later.txt") == "indexed", 120, "what came meanwhile is indexed")
    until(lambda: service.sweep() and set(index_contents(service)) == indexed(service), 300, "all are back", every=10)
    assert_index_equals_bucket(service)


def indexed(service) -> set[str]:
    return {key for key in objects(service) if service.status(key) == "indexed"}


def digests(service, prefix: str) -> dict[str, tuple[int, str]]:
    """Count and digest of the documents with that prefix, as bucket, ledger and index know them."""
    documents = {
        "bucket": {(key, etag) for key, etag in objects(service).items() if key.startswith(prefix)},
        "ledger": set(),
        "index": {
            (key, chunk["version"])
            for key, chunks in index_contents(service).items()
            if key.startswith(prefix)
            for chunk in chunks
        },
    }
    pages = service.cloud.client("dynamodb").get_paginator("scan").paginate(TableName=service.outputs["ledgerTable"])
    for row in (row for page in pages for row in page["Items"]):
        key = row["sk"]["S"].removeprefix("document#")
        if key.startswith(prefix) and row["status"]["S"] == "indexed":
            documents["ledger"].add((key, row["version"]["S"]))
    return {
        name: (len(found), hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()[:16])
        for name, found in documents.items()
    }


@pytest.mark.parametrize("count", [150, pytest.param(2000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_kill_9_of_each_part_among_many_documents(service, count):
    prefix = f"many-{count}/"
    for number in range(count):
        service.put(f"{prefix}{number}.txt", f"Parcel {number} lies in bay {number % 17}.")
    for part in ("opensearch", "models", "emulator"):
        time.sleep(4)  # some are indexed; and the emulator saves what changed every two seconds (differences.py)
        os.killpg(service.cloud.process(part), signal.SIGKILL)
        service.cloud.tandem("local", "up")
    found, deadline = {}, time.monotonic() + 120 + count
    while len({*found.values()}) != 1:
        assert time.monotonic() < deadline, found
        time.sleep(20)
        with contextlib.suppress(OSError, BotoCoreError):  # what was killed is busy with what it missed
            service.sweep(full=True)
            found = digests(service, prefix)
    print(found)
    assert found["bucket"][0] == count
    assert_index_equals_bucket(service)


def test_silent_search_answers_503_before_the_gateway_gives_up_and_ask_waits(service):
    group = service.cloud.process("opensearch")
    curl = ["curl", "-s", "-i", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--json", '{"question": "Radon?"}']
    variables = service.cloud.environment
    user = f"{variables['AWS_ACCESS_KEY_ID']}:{variables['AWS_SECRET_ACCESS_KEY']}"
    os.killpg(group, signal.SIGSTOP)
    try:
        started = time.monotonic()
        answer = service.cloud.run(*curl, "--user", user, service.outputs["queryUrl"]).stdout.lower()
        assert time.monotonic() - started < 29
        assert " 503" in answer.splitlines()[0] and "\nretry-after: " in answer
        asked = subprocess.Popen(
            [str(ROOT / ".venv/bin/tandem"), "ask", "What radon concentration is acceptable?", "--stack", "rag-dev"],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(30)
    finally:
        os.killpg(group, signal.SIGCONT)
    printed, said = asked.communicate(timeout=180)
    assert asked.returncode == 0, said
    assert "asking again" in said and "radon" in printed.lower()


def test_configuration_mistakes_reach_the_terminal_before_anything_is_registered(cloud, tmp_path):
    config = tmp_path / "Pulumi.mistaken.yaml"
    config.write_text(
        "config:\n  aws:region: us-east-1\n  tandem:environment: rag\n  tandem:embeder: x\n"
        "  tandem:dimensions: 7\n  tandem:auth: jwt\n"
    )
    result = cloud.pulumi("preview", "--stack", "rag-dev", "--config-file", str(config), check=False)
    printed = result.stdout + result.stderr
    assert result.returncode != 0
    for part in ("3 mistakes", "embeder", "dimensions: 7", "256 or 512 or 1024", "userPoolArn"):
        assert part in printed, printed
    assert "rag-documents" not in printed and "Traceback" not in printed


@pytest.mark.parametrize("part", ["emulator", "opensearch", "models"])
def test_up_recovers_from_kill_9_of_any_part(service, part):
    time.sleep(4)  # the emulator saves what changed every two seconds (differences.py)
    os.killpg(service.cloud.process(part), signal.SIGKILL)
    service.cloud.tandem("local", "up")
    answer = service.ask("What radon concentration is acceptable in a home?")
    assert any("radon" in passage["document"] for passage in answer["passages"])
