"""The reranker's part in retrieval: its order, and what is left of an answer without it."""

import threading
import time

import pytest

from tandem.models.bedrock_reranker import BedrockReranker
from tandem.rag import retrieve
from tandem.rag.functions import query
from tandem.rag.ranking import RERANKED
from tandem.rag.retrieve import NOT_RERANKED, Retriever, Timings
from tandem.runtime.retry import Deadline

from .conftest import Stack, ask
from .fakes import FakeBedrock, refused


def retrieved(stack: Stack, top_k: int = 3, reranker=None):
    retriever = Retriever(stack.ledger, lambda _: stack.index, lambda _: stack.embedder, reranker)
    return retriever.retrieve("warm tea", top_k, [], Deadline(20), Timings())


def teas(stack: Stack, count: int) -> None:
    for number in range(count):
        stack.s3.put(f"{number:02}.md", f"# Tea\nwarm tea of cup {number} {'and milk ' * (number % 3)}")
        stack.converge(f"{number:02}.md")


class Backwards:
    """A reranker that thinks the opposite."""

    def scores(self, question, texts, deadline):
        self.asked = question, texts
        return [float(at) for at in range(len(texts))]


def test_a_reranker_orders_what_comes_first_and_changes_no_score(stack: Stack):
    teas(stack, RERANKED + 3)
    before, reranker = retrieved(stack, RERANKED), Backwards()
    found = retrieved(stack, RERANKED, reranker=reranker)
    assert found.passages == before.passages[::-1]
    assert (found.notes, before.notes) == ([], [])
    assert reranker.asked == ("warm tea", [f"Tea\n{passage.text}" for passage in before.passages])
    assert retrieved(stack, 2, reranker=reranker).passages == found.passages[:2]


def test_one_passage_is_reranked_too_and_none_is_not(stack: Stack):
    reranker = Backwards()
    assert retrieved(stack, reranker=reranker).passages == []
    assert not hasattr(reranker, "asked")
    teas(stack, 1)
    assert len(retrieved(stack, reranker=reranker).passages) == 1


@pytest.mark.faults
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_reranker_that_refuses_or_is_busy_is_noted(stack: Stack, code, capsys):
    teas(stack, 3)
    before, other = retrieved(stack), FakeBedrock()
    other.faults = [refused(code)] * 100
    found = retrieved(stack, reranker=BedrockReranker(other, "cohere.rerank-v3-5:0"))
    assert (found.passages, found.notes) == (before.passages, [NOT_RERANKED])
    assert code in capsys.readouterr().out


@pytest.mark.faults
def test_a_reranker_that_is_slow_is_waited_for_a_short_while_alone(stack: Stack, monkeypatch):
    teas(stack, 3)
    before, released = retrieved(stack), threading.Event()

    class Slow:
        def scores(self, question, texts, deadline):
            released.wait(30)
            return [0.0] * len(texts)

    monkeypatch.setattr(retrieve, "RERANK_SECONDS", 0.2)
    retriever = Retriever(stack.ledger, lambda _: stack.index, lambda _: stack.embedder, Slow())
    started = time.monotonic()
    for _ in range(4):  # of which two hang, and two wait for them
        found = retriever.retrieve("warm tea", 3, [], Deadline(20), Timings())
        assert (found.passages, found.notes) == (before.passages, [NOT_RERANKED])
    released.set()
    assert time.monotonic() - started < 10


@pytest.mark.usefixtures("environment")
def test_query_reranks_where_the_stack_names_a_reranker(answering: Stack, monkeypatch):
    answering.s3.put("milk.md", "Tea?")
    answering.converge("milk.md")
    _, _, before = ask({"question": "Is green tea warm?"})
    assert (answering.bedrock.reranked, before["timings_ms"]["rerank"]) == ([], 0)
    monkeypatch.setenv("TANDEM_RERANKER", "amazon.rerank-v1:0")
    query._settings.cache_clear()
    query._retriever.cache_clear()
    _, _, content = ask({"question": "Is green tea warm?"})
    assert answering.bedrock.reranked == [["Tea\nGreen tea is warm.", "Tea?"]]
    assert content["retrieved"] == before["retrieved"][::-1]
    assert content["timings_ms"]["rerank"] > 0
