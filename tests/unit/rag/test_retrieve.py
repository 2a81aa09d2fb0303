"""Retrieval: fusion, scores, filters, and never two versions of a document."""

import math
import subprocess
import sys

import pytest
from tandem_contract.errors import TandemError, Unavailable

from tandem.rag import retrieve
from tandem.rag.lease import Lease
from tandem.rag.retrieve import PARTLY, WORDS_FAILED, Retriever, Timings, parse_filters
from tandem.rag.stores.opensearch import cosine
from tandem.runtime.retry import Deadline

from .conftest import VERSION, Stack
from .fakes import silence


def retrieved(stack: Stack, question: str, top_k: int = 3, filters=None):
    retriever = Retriever(stack.ledger, lambda _: stack.index, lambda _: stack.embedder)
    return retriever.retrieve(question, top_k, parse_filters(filters or {}), Deadline(20), Timings())


def search(stack: Stack, question: str, top_k: int = 3, filters=None):
    return retrieved(stack, question, top_k, filters).passages


@pytest.mark.parametrize("angle", [0, 30, 90, 180])
def test_cosine_from_the_score_of_squared_distance(angle):
    distance = math.dist((1, 0), (math.cos(math.radians(angle)), math.sin(math.radians(angle))))
    assert cosine(1 / (1 + distance**2)) == pytest.approx(math.cos(math.radians(angle)))


def test_finds_by_meaning_and_by_words_with_cosine_scores(stack: Stack):
    for name, text in {"tea.txt": "green tea is warm", "car.txt": "a fast car", "sun.txt": "the sun is warm"}.items():
        stack.s3.put(name, text)
        stack.converge(name)
    passages = search(stack, "warm green tea")
    assert [passage.document for passage in passages[:2]] == ["tea.txt", "sun.txt"]
    assert passages[0].score == pytest.approx(3 / math.sqrt(3 * 4), abs=1e-3)


def test_a_passage_found_by_words_alone_gets_its_cosine_too(stack: Stack, monkeypatch):
    stack.s3.put("a.txt", "part number QX-7 is a valve")
    stack.converge("a.txt")
    monkeypatch.setattr(stack.index, "search", lambda *rest: [])
    [passage] = search(stack, "QX-7 valve")
    assert passage.score == pytest.approx(3 / math.sqrt(3 * 7), abs=1e-3)


def test_filters_hold_on_the_server(stack: Stack):
    for name, team in {"a.txt": "x", "b.txt": "y", "c.txt": "z"}.items():
        stack.s3.put(name, f"warm tea of {team}", {"team": team, "level": "1"})
        stack.converge(name)

    def found(filters):
        return sorted(passage.document for passage in search(stack, "warm tea", filters=filters))

    assert found({"document": "a.txt"}) == ["a.txt"]
    assert found({"metadata.team": ["y", "z"]}) == ["b.txt", "c.txt"]
    assert found({"metadata.team": ["y", "z"], "metadata.level": "1", "document": ["a.txt", "c.txt"]}) == ["c.txt"]
    assert found({"metadata.level": "2"}) == []


def test_other_versions_are_dropped_and_their_places_filled(stack: Stack):
    stack.s3.put("a.txt", "warm tea")
    stack.s3.put("b.txt", "cold tea in a cup")
    stack.converge("a.txt")
    stack.converge("b.txt")
    chunk = next(c for c in stack.opensearch.written.values() if c["document"] == "a.txt")
    Lease.acquire(stack.ledger, VERSION.index, "a.txt").begin_attempt("interrupted")
    for number in range(90):
        attempt = f"interrupted {number % 2}"
        stack.opensearch.written[f"x{number}"] = chunk | {"attempt": attempt, "position": number, "text": "tea tea"}
    stack.opensearch.refresh()
    assert {p.text for p in search(stack, "warm tea", top_k=2)} == {"warm tea", "cold tea in a cup"}


def test_no_question_ever_sees_two_versions(stack: Stack):
    """Asked before every single write of a change."""
    stack.s3.put("a.txt", "tea is blue")
    stack.converge("a.txt")
    seen = []

    def ask(_request=None):
        seen.append({passage.text for passage in search(stack, "tea is what")})

    stack.dynamodb.before_update = ask
    stack.opensearch.faults = [ask] * 2
    stack.s3.put("a.txt", "tea is red")
    stack.converge("a.txt")
    ask()
    assert all(len(texts) <= 1 for texts in seen)
    assert {"tea is blue"} in seen and seen[-1] == {"tea is red"}


def test_silent_search_is_unavailable(stack: Stack):
    stack.opensearch.faults = [silence] * 100
    with pytest.raises(Unavailable, match="OpenSearch did not answer"):
        search(stack, "tea")


def test_the_active_version_is_read_again_after_a_while(stack: Stack, monkeypatch):
    stack.s3.put("a.txt", "tea")
    stack.converge("a.txt")
    opened = []
    retriever = Retriever(stack.ledger, lambda v: opened.append(v) or stack.index, lambda _: stack.embedder)
    retriever.retrieve("tea", 1, [], Deadline(20), Timings())
    stack.dynamodb.items["active", "active"]["chunk_tokens"] = {"N": "21"}
    retriever.retrieve("tea", 1, [], Deadline(20), Timings())
    assert len(opened) == 1
    monkeypatch.setattr(retrieve, "ACTIVE_SECONDS", 0)
    retriever._opened_until = 0
    retriever.retrieve("tea", 1, [], Deadline(20), Timings())
    assert [version.chunk_tokens for version in opened] == [20, 21]


def test_the_same_text_takes_one_place(stack: Stack):
    for name, text in {"a/tea.txt": "warm tea", "b/tea.txt": "warm  tea", "cup.txt": "warm cup"}.items():
        stack.s3.put(name, text)
        stack.converge(name)
    assert [passage.text.split()[1] for passage in search(stack, "warm tea", top_k=2)] == ["tea", "cup"]


def test_more_passages_are_the_same_and_others(stack: Stack):
    for number in range(30):
        stack.s3.put(f"{number}.txt", f"warm tea of cup {number} " + "and milk " * (number % 7))
        stack.converge(f"{number}.txt")
    few, many = ([each.document for each in search(stack, "warm tea", top_k=size)] for size in (5, 20))
    assert many[:5] == few


def test_an_identifier_in_few_documents_is_exact(stack: Stack):
    for number in range(9):
        stack.s3.put(f"{number}.txt", f"Pump QX-{number} of model HX-300 stands in the yard")
        stack.converge(f"{number}.txt")
    [first, second, *_] = search(stack, "Where is QX-3?")
    assert (first.document, first.exact, second.exact) == ("3.txt", True, False)
    assert not any(each.exact for each in search(stack, "Where is HX-300?"))  # every document holds it
    assert not any(each.exact for each in search(stack, "Where does a pump stand?"))
    assert [each.exact for each in search(stack, "yard")] == [False] * 3


@pytest.mark.faults
def test_a_search_by_words_that_fails_is_noted(stack: Stack, monkeypatch, capsys):
    def fail(*_):
        raise TandemError("refused")

    stack.s3.put("a.txt", "tea")
    stack.converge("a.txt")
    monkeypatch.setattr(stack.index, "search_words", fail)
    found = retrieved(stack, "tea")
    assert ([each.document for each in found.passages], found.notes) == (["a.txt"], [WORDS_FAILED])
    assert "refused" in capsys.readouterr().out


@pytest.mark.faults
def test_a_search_that_saw_only_a_part_of_the_index_is_noted(stack: Stack):
    stack.s3.put("a.txt", "tea")
    stack.converge("a.txt")
    stack.opensearch.shards_away = 1
    found = retrieved(stack, "tea")
    assert ([each.document for each in found.passages], found.notes) == (["a.txt"], [PARTLY])
    with pytest.raises(Unavailable, match="only a part of the index"):
        list(stack.index.heads(Deadline(5)))
    stack.opensearch.shards_away = 0
    assert retrieved(stack, "tea").notes == []


def test_words_are_searched_in_the_normal_form_and_cited_as_they_stand(stack: Stack):
    text = "The o\ufb03ce keeps the \ufb01le of the ware\u00adhouse"
    stack.s3.put("a.txt", text)
    stack.s3.put("b.txt", "green tea")
    stack.converge("a.txt")
    stack.converge("b.txt")
    (found,) = stack.index.search_words("office file warehouse", 5, Deadline(5), [])
    assert (found.document, found.text) == ("a.txt", text)
    assert "cited" not in next(each for each in stack.opensearch.written.values() if each["document"] == "b.txt")


def test_questions_are_searched_and_embedded_in_the_normal_form(stack: Stack):
    stack.s3.put("a.txt", "the office keeps the file")
    stack.converge("a.txt")
    stack.bedrock.embedded.clear()
    (passage,) = search(stack, "The o\ufb03ce keeps the \ufb01le of\u00adfice")
    assert stack.bedrock.embedded == ["The office keeps the file office"]
    assert passage.document == "a.txt"
    (found,) = stack.index.search_words("file", 5, Deadline(5), [])
    assert found.document == "a.txt"


@pytest.mark.parametrize("module", ["tandem.rag.normal", "tandem.models.rerank", "tandem.models.bedrock_reranker"])
def test_what_few_questions_need_is_imported_by_those_alone(module):
    code = f"import sys, tandem.rag.functions.query; print({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.faults
def test_what_the_search_by_meaning_misses_is_found_by_words_and_ranked_by_meaning(stack: Stack, monkeypatch):
    """A graph of vectors may not lead out of many texts that are nearly the same."""
    stack.s3.put("radon.txt", "radon in a home")
    for number in range(60):
        stack.s3.put(f"{number}.txt", f"notice {number} of a ferry in summer")
    stack.converge("radon.txt")
    for number in range(60):
        stack.converge(f"{number}.txt")
    nearest = stack.index.search

    def approximate(vector, size, *more):
        return [hit for hit in nearest(vector, size + 1, *more) if hit.document != "radon.txt"][:size]

    monkeypatch.setattr(stack.index, "search", approximate)
    first = search(stack, "radon in a home of notice", top_k=5)[0]
    assert first.document == "radon.txt" and first.score > 0.5
