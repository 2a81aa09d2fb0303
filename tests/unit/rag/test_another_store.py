"""A store that is unlike OpenSearch, from the deployment's call to the answer in a person's terminal."""

import json

import pytest
from tandem_contract.errors import TandemError
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.evaluation.runs import load
from tandem.rag.functions import ensure_index, ingest, query, shared, sweep
from tandem.rag.retrieve import BY_MEANING_ALONE
from tandem.rag.stores import STORES, store_of
from tests.support import aws_api, memory_store
from tests.unit.cli.conftest import api, project  # noqa: F401 - fixtures

from .conftest import Stack, ask, context
from .fakes import QUEUE
from .test_functions import message

PAYLOAD = {
    "endpoint": "https://memory",
    "service": memory_store.SERVICE,
    "base": "docs",
    "embedder": "amazon.titan-embed-text-v2:0",
    "dimensions": 256,
    "chunk_tokens": 20,
    "chunk_overlap": 4,
}
TEXT = "# Tea\nGreen tea is warm.\n# Milk\nMilk is cold.\n# Cake\nCake is sweet.\n# Salt\nSalt is white."


@pytest.fixture
def stored(stack: Stack, environment, monkeypatch) -> memory_store.Service:
    """The store's service, in which the stack's active index is; handlers open it by its row of the table."""
    service = memory_store.Service()
    monkeypatch.setitem(STORES, memory_store.SERVICE, memory_store.STORE)
    monkeypatch.setitem(memory_store.SERVICES, PAYLOAD["endpoint"], service)
    shared.open_index.cache_clear()
    for module in (ensure_index, ingest, query, sweep):
        monkeypatch.setattr(module, "open_index", shared.open_index)
    assert ensure_index.handler(PAYLOAD, context())["activated"]
    return service


def put(stack: Stack, name: str, text: str) -> None:
    stack.s3.put(name, text)
    assert ingest.handler({"Records": [message(name)]}, context()) == {"batchItemFailures": []}


def row(stack: Stack, document: str):
    return stack.ledger.row(stack.ledger.active().index, document)


def settle(stored: memory_store.Service) -> None:
    """Reads until every write is seen."""
    index = memory_store.MemoryIndex(stored, next(iter(stored.indices)))
    for _ in range(5):
        index.cosines([0.0] * 256, ["x"], query.Deadline(5))


def test_the_index_is_made_once_and_named_by_what_the_store_says(stored, stack: Stack):
    again = ensure_index.handler(PAYLOAD, context())
    assert again == {"index": next(iter(stored.indices)), "created": False, "activated": False}
    active = stack.ledger.active()
    assert (active.service, active.endpoint, active.index) == ("memory", "https://memory", again["index"])
    assert stored.indices == {again["index"]: 256}
    assert stack.opensearch.requests == []


def test_documents_are_answered_from_once_reads_show_them_with_a_note(stored, stack: Stack):
    put(stack, "tea.md", TEXT)
    assert (row(stack, "tea.md").status, row(stack, "tea.md").chunk_count) == ("indexed", 4)
    status, _, content = ask({"question": "Is green tea warm?"})
    assert (status, content["refused"], content["reason"]) == (200, True, "nothing_found")
    settle(stored)
    _, _, content = ask({"question": "Is green tea warm?"})
    assert (content["answer"], content["citations"][0]["heading"]) == ("So it is [P1].", "Tea")
    assert content["citations"][0]["score"] == pytest.approx(0.8, abs=0.15)  # a cosine, whatever the store counts in
    assert content["notes"] == [BY_MEANING_ALONE]
    put(stack, "tea.md", "Black tea is hot.")
    put(stack, "milk.md", "Milk is cold.")
    del stack.s3.objects["milk.md"]
    ingest.handler({"Records": [message("milk.md")]}, context())
    settle(stored)
    _, _, content = ask({"question": "tea or milk", "generate": False})
    assert [passage["text"] for passage in content["passages"]] == ["Black tea is hot."]


def test_with_words_there_is_nothing_to_note(answering: Stack, environment):
    assert ask({"question": "Is green tea warm?"})[2]["notes"] == []


def test_the_sweep_waits_as_long_as_the_store_takes_and_repairs_what_is_lost(stored, stack: Stack):
    for number in range(4):
        put(stack, f"{number}.md", TEXT)
    stack.clock.now += 200  # longer than OpenSearch takes, not as long as this store may
    assert [sweep.handler({"full": True}, context())[key] for key in ("incomplete", "hints")] == [0, 0]
    settle(stored)
    index = next(iter(stored.indices))
    lost, copied = row(stack, "0.md").chunks[:2]
    chunk = stored.seen[index].pop(lost)
    stored.insert(index, [stored.seen[index][copied], {**chunk, "document": "gone.md"}])
    settle(stored)
    stack.clock.now += 1000
    summary = sweep.handler({"full": True}, context())
    assert (summary["orphans_deleted"], summary["incomplete"], summary["hints"]) == (2, 1, 1)
    ingest.handler({"Records": [{**message("-"), **stack.sqs.sent[QUEUE][-1]}]}, context())
    settle(stored)
    stack.clock.now += 1000
    summary = sweep.handler({"full": True}, context())
    assert (summary["orphans_deleted"], summary["incomplete"], summary["hints"]) == (0, 0, 0)
    rows = stack.ledger.rows(index)
    assert sorted(each for found in rows for each in found.chunks) == sorted(stored.seen[index])


@pytest.mark.faults
def test_a_store_that_is_away_is_waited_for(stored, stack: Stack):
    put(stack, "tea.md", TEXT)
    stored.away = True
    status, headers, _ = ask({"question": "Is green tea warm?"})
    assert (status, headers["Retry-After"]) == (503, "10")
    stack.s3.put("milk.md", TEXT)
    assert ingest.handler({"Records": [message("milk.md")]}, context())["batchItemFailures"]
    assert sweep.handler({"full": True}, context())["stopped"] == "the memory store is away"


@pytest.mark.faults
def test_a_store_that_this_release_does_not_know_is_named(stack: Stack):
    with pytest.raises(TandemError, match=rf"'memory', which this release can't open \({', '.join(STORES)}\)"):
        store_of(stack.version._replace(service="memory").service)


def test_a_person_is_told_and_an_evaluation_measures(stored, stack: Stack, project, api, monkeypatch):  # noqa: F811
    put(stack, "tea.md", TEXT)
    settle(stored)
    _, _, content = ask({"question": "Is green tea warm?"})
    api.replies = [(200, {}, content)]
    said = CliRunner().invoke(app, ["ask", "Is green tea warm?"])
    assert said.exit_code == 0 and "So it is [P1]." in said.output and BY_MEANING_ALONE in said.output
    questions = project.folder / "set.jsonl"
    questions.write_text(json.dumps({"id": "tea", "question": "Is green tea warm?", "document": "tea.md"}))
    with aws_api.serve() as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        aws.documents = {"tea.md": "1"}
        (project.folder / "pulumi-history").write_text('[{"version": 0, "startTime": "2026-11-28T10:00:00.000Z"}]')
        arguments = ["eval", "run", str(questions), "--target", "stack:rag-dev", "--name", "rag"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    run = load(project.folder / "deep" / "inside" / ".tandem" / "evaluations" / "rag")
    assert (run.metrics["mrr"].value, run.metrics["citation_recall"].value) == (1, 1)
