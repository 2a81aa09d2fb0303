"""Ranking of passages for questions that nobody here tuned on the answers of: words, meaning, and both together."""

import hashlib
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.credentials import Credentials

from localcloud.services.supervisor import OPENSEARCH
from tandem.measures.intervals import paired_interval
from tandem.models.bedrock_embedder import BedrockEmbedder
from tandem.models.embed import Embedder
from tandem.models.openai import OpenAiApi, OpenAiEmbedder
from tandem.models.rerank import Reranker, open_reranker
from tandem.rag.answer import gate
from tandem.rag.chunk import Chunk, chunk
from tandem.rag.documents import extract
from tandem.rag.documents.section import Section
from tandem.rag.ranking import LIST, Ranked, fuse, rerank, unlike
from tandem.rag.retrieve import Passage, with_missed
from tandem.rag.stores.base import Hit, StoredChunk
from tandem.rag.stores.opensearch import OpenSearchIndex, index_body
from tandem.runtime.http import SignedHttp
from tandem.runtime.retry import Deadline

from .report import Say, Table

SETS = Path(__file__).parent / "ranking_sets"
KINDS = ("words", "identifiers", "languages", "own", "contents", "duplicates")
CHUNKS, CHUNKS_ELSEWHERE = 2600, 1000
"""Of a set at most: those with the answers, and others of the same pages. Fewer for another embedder, since those that
run on a processor take a second for a few."""
TOP = 10
MODEL, DIMENSIONS = "amazon.titan-embed-text-v2:0", 512
RERANKER = "cohere.rerank-v3-5:0"
GATE = 0.4
FOREIGN = 30
CONTENTS = ("index", "sitemap", "quickref", "directives")
SECONDS = 3600


class Asked(NamedTuple):
    """A question, and what to find."""

    id: str
    question: str
    document: str
    section: str
    """Digest of its heading."""

    @property
    def is_reported(self) -> bool:
        """Half of them were there to choose by, the other half is reported."""
        return hashlib.sha256(self.id.encode()).digest()[-1] % 2 == 1


class Piece(NamedTuple):
    """A chunk of a package's page."""

    document: str
    chunk: Chunk


def run(_stack: str, say: Say, documents: Sequence[Path] = (), embedder: str = "") -> Table:
    """Rank the chunks of the packages below `documents` (a folder each, by its Debian name) for each set's questions.

    The local cloud's embedder stands in for Titan, and its reranker, of the same model, for Cohere's; `embedder` is the
    URL of another, as `http://127.0.0.1:8000/v1#NAME`, or `#NAME,NAME` where questions and passages have a model each;
    beside it there is no reranker.
    """
    folders = {folder.name: folder for folder in documents}
    model, dimensions = _opened(embedder)
    reranker = None if embedder else open_reranker(RERANKER, boto3.client)
    rows: list[list[str]] = []
    for kind in KINDS:
        asked, twins = questions(kind)
        pieces = list(_pieces(asked, twins, folders, kind, CHUNKS_ELSEWHERE if embedder else CHUNKS))
        say(f"{kind}: {len(asked)} questions, {len(pieces)} chunks")
        index = _index(kind, pieces, model, dimensions, say)
        rows += _measured(kind, asked, pieces, index, model, reranker)
        index.http.request("DELETE", f"/{index.name}", timeout=30)
    columns = ["set, by", "questions", "recall@1", "recall@5", "nDCG@10", "MRR", "nDCG less meaning's", "less words'"]
    columns.append("reranked less both's")
    return Table([*columns, "refused", "let through"], rows)


class _Pair:
    """An embedder of questions and one of passages."""

    def __init__(self, questions: Embedder, passages: Embedder):
        self._questions, self._passages = questions, passages

    def query(self, text: str, deadline: Deadline) -> list[float]:
        return self._questions.query(text, deadline)

    def documents(self, texts: Sequence[str], deadline: Deadline) -> list[list[float]]:
        return self._passages.documents(texts, deadline)


def _opened(url: str) -> tuple[Embedder, int]:
    if not url:
        return BedrockEmbedder(boto3.client("bedrock-runtime"), MODEL, DIMENSIONS), DIMENSIONS
    address, _, names = url.partition("#")
    api, (name, *other) = OpenAiApi(address), names.split(",")
    asked = api.call("POST", "/embeddings", {"model": name, "input": ["?"]}, timeout=60)
    length = len(asked["data"][0]["embedding"])
    passages = OpenAiEmbedder(api, other[0] if other else name, length)
    return _Pair(OpenAiEmbedder(api, name, length), passages), length


def questions(kind: str) -> tuple[list[Asked], set[str]]:
    """The questions of a set, and pages with nearly the same text as theirs."""
    lines = [json.loads(line) for line in (SETS / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [Asked(it["id"], it["question"], f"{it['package']}/{it['path']}", it["section"]) for it in lines]
    return found, {f"{it['package']}/{it['twin']}" for it in lines if "twin" in it}


def _pieces(asked: Sequence[Asked], twins: set[str], folders: dict[str, Path], kind: str, most: int) -> Iterator[Piece]:
    wanted = {(each.document, each.section) for each in asked}
    pages = {each.document for each in asked} | twins
    packages = {page.partition("/")[0] for page in pages}
    if kind == "contents":  # the pages that list all headings are in the way
        for package in packages:
            for path in folders[package].rglob("*.html"):
                if "/fr/" not in str(path) and any(word in path.name for word in CONTENTS):
                    pages.add(f"{package}/{path.relative_to(folders[package])}")
    all_of = [piece for page in sorted(pages) for piece in _chunks(page, folders)]
    kept = {at for at, piece in enumerate(all_of) if (piece.document, digest(piece.chunk.heading)) in wanted}
    if kind == "contents":
        kept |= {at for at, piece in enumerate(all_of) if any(word in piece.document for word in CONTENTS)}
    others = [at for at in range(len(all_of)) if at not in kept]
    random.Random(3).shuffle(others)  # noqa: S311 - not a secret
    kept |= set(others[: max(0, most - len(kept))])
    return (all_of[at] for at in sorted(kept))


def _chunks(page: str, folders: dict[str, Path]) -> Iterator[Piece]:
    package, _, path = page.partition("/")
    parts = extract(path, "", (folders[package] / path).read_bytes())
    return (Piece(page, each) for each in chunk(part for part in parts if isinstance(part, Section)))


def digest(heading: str | None) -> str:
    """What stands in the sets for a heading, since the text is the packages' own."""
    return hashlib.sha256((heading or "").encode()).hexdigest()[:12]


class _Index(OpenSearchIndex):
    """An index of the local cloud's node, with the search by words as it was before."""

    def __init__(self, name: str):
        self.name = name
        self.http = SignedHttp(OPENSEARCH.url, "es", "us-east-1", Credentials("local", "local"))
        super().__init__(self.http, name, "es")

    def create(self, dimensions: int) -> None:
        # As the local cloud's endpoint does: the node itself has no faiss (localcloud/services/search.py).
        body = json.dumps(index_body(dimensions, "es")).replace('"faiss"', '"lucene"')
        assert self.http.request("PUT", f"/{self.name}", body.encode(), timeout=60).status == 200  # noqa: S101

    def search_words_before(self, question: str) -> list[Hit]:
        words = {"multi_match": {"query": question, "fields": ["text", "heading"], "type": "most_fields"}}
        return self._search(words, 20, Deadline(30))

    def refresh(self) -> None:
        self.http.request("POST", f"/{self.name}/_refresh", timeout=60)


def _index(kind: str, pieces: Sequence[Piece], model: Embedder, dimensions: int, say: Say) -> _Index:
    index = _Index(f"ranking-{kind}")
    index.http.request("DELETE", f"/{index.name}", timeout=30)
    index.create(dimensions)
    for at in range(0, len(pieces), 128):
        some = pieces[at : at + 128]
        vectors = model.documents([piece.chunk.embedded for piece in some], Deadline(SECONDS))
        records: list[StoredChunk] = []
        for number, (piece, vector) in enumerate(zip(some, vectors, strict=True), start=at):
            record: StoredChunk = {
                "embedding": vector,
                "text": piece.chunk.searched,
                "position": number,
                "document": piece.document,
                "version": "",
                "attempt": piece.document,
                "metadata": [],
            }
            if piece.chunk.heading:
                record["heading"] = piece.chunk.heading
            records.append(record)
        index.write(records, Deadline(60))
        say(f"{kind}: {at + len(some)} of {len(pieces)} chunks indexed")
    index.refresh()
    return index


class Tally:
    """What became of the questions by one method."""

    def __init__(self) -> None:
        self.ranks: list[int] = []
        """Of the right passage, from 1; 0 where it isn't among them."""
        self.passed: list[bool] = []
        """Whether the gate lets a question through."""
        self.foreign: list[bool] = []
        """The same of questions that these documents can't answer."""

    @property
    def gains(self) -> list[float]:
        return [1 / math.log2(1 + rank) if 0 < rank <= TOP else 0.0 for rank in self.ranks]

    def numbers(self) -> list[str]:
        """Recall@1, recall@5, nDCG@10 and MRR."""
        count = len(self.ranks)
        shares = [sum(0 < rank <= most for rank in self.ranks) / count for most in (1, 5)]
        return [
            f"{it:.3f}" for it in (*shares, sum(self.gains) / count, sum(1 / it for it in self.ranks if it) / count)
        ]

    def gate(self) -> list[str]:
        through = f"{sum(self.foreign)} of {len(self.foreign)}"
        return [f"{self.passed.count(False)} of {len(self.passed)}", through if self.foreign else ""]


def _measured(
    kind: str,
    asked: Sequence[Asked],
    pieces: Sequence[Piece],
    index: _Index,
    model: Embedder,
    reranker: Reranker | None,
) -> list[list[str]]:
    tallies: dict[str, Tally] = defaultdict(Tally)
    places = defaultdict(set)
    for piece in pieces:
        places[piece.document, digest(piece.chunk.heading)].add(_plain(piece.chunk.text))
    documents = {piece.document for piece in pieces}
    for each in asked:
        if not each.is_reported:
            continue
        # The same page in other languages answers too, and isn't asked for.
        page = _page(each.document)
        others = [it for it in documents if page and it != each.document and _page(it) == page]
        right = places[each.document, each.section]
        for method, ranked, passes in _ranked(each.question, index, model, reranker, others):
            texts = dict.fromkeys(_plain(pieces[it.hit.position].chunk.text) for it in ranked)
            rank = next((at for at, text in enumerate(texts, start=1) if text in right), 0)
            tallies[method].ranks.append(rank)
            tallies[method].passed.append(passes)
    for question in _foreign(asked):
        for method, _, passes in _ranked(question, index, model, reranker, []):
            tallies[method].foreign.append(passes)
    rows = []
    for method, tally in tallies.items():
        row = [f"{kind}, {method}", str(len(tally.ranks)), *tally.numbers()]
        if method.startswith("both"):
            row += [_difference(tallies[other].gains, tally.gains) for other in ("meaning", "words")]
            row.append(_difference(tallies["both"].gains, tally.gains) if method == "both, reranked" else "")
            row += tally.gate()
        rows.append([*row, *[""] * (11 - len(row))])
    return rows


def _page(document: str) -> str:
    """The page of Apache's manual, without its language."""
    return document.partition("/manual/")[2].partition("/")[2]


def _foreign(asked: Sequence[Asked]) -> Iterator[str]:
    """Questions about other packages, which these documents can't answer."""
    packages = {each.document.partition("/")[0] for each in asked}
    for kind in KINDS:
        others = [each for each in questions(kind)[0] if each.is_reported]
        if packages.isdisjoint(each.document.partition("/")[0] for each in others):
            yield from (each.question for each in others[:FOREIGN])


def _ranked(
    question: str, index: _Index, model: Embedder, reranker: Reranker | None, excluded: Sequence[str]
) -> Iterator[tuple[str, list[Ranked], bool]]:
    """Each method, its order, and whether its gate lets the question through."""
    deadline = Deadline(SECONDS)
    vector = model.query(question, deadline)
    by_meaning = index.search(vector, LIST, deadline, [], excluded)
    by_words = index.search_words(question, LIST, deadline, [], excluded)
    before = [hit for hit in index.search_words_before(question) if hit.document not in excluded]
    known, cosines = with_missed(index, vector, by_meaning, by_words, deadline)
    orders = {
        "words": [Ranked(hit, False) for hit in by_words],
        "meaning": [Ranked(hit, False) for hit in by_meaning],
        "both, before": [Ranked(hit, False) for hit in _by_ranks(by_meaning[:20], before)],
        "both": fuse(question, known, by_words),
    }
    if reranker:
        orders["both, reranked"] = rerank(reranker, question, unlike(orders["both"]), deadline)
    for method, ranked in orders.items():
        passages = [Passage("", None, None, "", cosines.get(it.hit.id, 0.0), it.exact) for it in ranked[:5]]
        yield method, ranked, gate(passages, GATE) is None


def _by_ranks(*rankings: Sequence[Hit]) -> list[Hit]:
    """Reciprocal rank fusion with its constant of 60, as it was."""
    scores: dict[str, float] = defaultdict(float)
    hits = {hit.id: hit for ranking in rankings for hit in ranking}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            scores[hit.id] += 1 / (60 + rank)
    return [hits[name] for name in sorted(scores, key=lambda name: -scores[name])]


def _difference(base: Sequence[float], now: Sequence[float]) -> str:
    found = paired_interval(base, now)
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _plain(text: str) -> str:
    return " ".join(text.split())
