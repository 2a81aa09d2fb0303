"""Tandem beside the plainest correct scripts with LangChain and LlamaIndex: ingestion, requests, waits, ranking.

Same texts, same embedding model, same OpenSearch, in turn.
"""

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from botocore.credentials import Credentials

from benchmarks.ingestion import TIMEOUT_SECONDS, embedded_texts, forget_all, ingest
from benchmarks.ranking import Tally, questions
from benchmarks.report import Say, Table, Tables, percentile
from benchmarks.samples import SAMPLES
from localcloud import paths
from localcloud.services.supervisor import OPENSEARCH
from scripts.local_environment import ROOT
from tandem.clients.document_files import find_documents
from tandem.clients.documents_bucket import DocumentsBucket
from tandem.clients.pulumi_stack import deployed
from tandem.clients.query_service import QueryService
from tandem.models.embedders import open_embedder
from tandem.runtime.http import SignedHttp
from tandem.runtime.retry import Deadline

from . import processes
from .calls import SERVICES, Calls
from .sections import write_sections, write_texts

PYTHON = ROOT / ".tandem" / "beside" / "bin" / "python"
ROUNDS = 3
TOP = 10
WARM_UP = 2
MODEL, TANDEM = "embedding model alone", "Tandem"
PLAIN = {
    "LangChain": ("langchain_plain.py",),
    "LangChain, at once": ("langchain_plain.py", "--at-once"),
    "LlamaIndex": ("llamaindex_plain.py",),
    "LlamaIndex, at once": ("llamaindex_plain.py", "--at-once"),
}
SIDES = (MODEL, TANDEM, *PLAIN)
PEERS = ("LangChain", "LlamaIndex")


@dataclass(frozen=True)
class Corpus:
    """Texts in a folder, and questions with the file that answers each."""

    name: str
    folder: Path
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Results:
    """What was measured on a corpus."""

    corpus: Corpus
    documents: int
    chunks: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """By side, a value for each round; so everywhere."""
    used: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Processor seconds of Tandem's rounds."""
    ingesting: Counter[str] = field(default_factory=Counter)
    """Requests of Tandem's rounds, by service."""
    asking: Counter[str] = field(default_factory=Counter)
    """Requests of Tandem's questions."""
    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Milliseconds of each question."""
    found: dict[str, list[list[str]]] = field(default_factory=dict)
    """Files in order, for each question, of the last round."""
    refused: int = 0


def run(stack: str, say: Say, documents: Sequence[Path] = ()) -> Tables:
    """Measure on the samples, and on the sections of the packages below `documents` (a folder each, by its name)."""
    if not documents:
        sys.exit("beside needs packages' documents: --documents FOLDER, unpacked by `dpkg -x`, debian-policy for one.")
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} is missing: run `make beside` first.")
    with tempfile.TemporaryDirectory() as temporary:  # LlamaIndex reads nothing below a hidden folder
        samples, sections = Path(temporary, "samples"), Path(temporary, "sections")
        write_texts(SAMPLES, samples)
        names = write_sections(documents, sections)
        packages = [package.name for package in documents]
        asked = {
            each.question: names[each.document, each.section]
            for each in questions("words")[0]
            if each.is_reported and each.document.partition("/")[0] in packages
        }
        if not asked:
            sys.exit(f"No question of ranking_sets/words.jsonl is about {', '.join(packages)}: give debian-policy.")
        bench = _Bench(stack, say, Path(temporary, "questions"))
        corpora = Corpus("samples", samples), Corpus(" and ".join(packages), sections, asked)
        measured = [bench.measure(corpus) for corpus in corpora]
    return Tables(
        [
            *map(ingestion_table, measured),
            _processes_table(measured),
            _requests_table(measured),
            _waits_table(measured[-1]),
            _ranking_table(measured[-1]),
        ]
    )


class _Bench:
    """The stack, and how each side is measured on it."""

    def __init__(self, stack: str, say: Say, questions_file: Path):
        self.say, self.questions_file = say, questions_file
        found = deployed(stack, "queryUrl", say=say)
        (url,) = found.pick("queryUrl")
        self.bucket, self.service = DocumentsBucket(found), QueryService(url, None, say, region=found.region)
        version = self.bucket.ledger.active()
        assert version is not None  # noqa: S101 - the sample documents are indexed
        self.version = version
        self.embedder = open_embedder(version.embedder, version.dimensions, found.client, version.embedder_secret_arn)
        self.prefix = f"bench/{uuid.uuid4().hex[:8]}"

    def measure(self, corpus: Corpus) -> Results:
        """All sides in turn, each round with another one first."""
        sources, _ = find_documents([corpus.folder])
        texts = [text for source in sources for text in embedded_texts(source, self.version)]
        results = Results(corpus, len(sources), {MODEL: len(texts), TANDEM: len(texts)})
        self.questions_file.write_text("".join(f"{question}\n" for question in corpus.asked), encoding="utf-8")
        for number in range(ROUNDS):
            first = 2 * number % len(SIDES)
            for side in SIDES[first:] + SIDES[:first]:
                if side == MODEL:
                    seconds = self._embed(texts)
                elif side == TANDEM:
                    seconds = self._tandem(results, f"{self.prefix}/{corpus.folder.name}-{number}")
                else:
                    seconds = self._plain(results, side)
                results.seconds[side].append(seconds)
                self.say(f"{corpus.name}, round {number + 1} of {ROUNDS}, {side}: {seconds:.1f} s")
        return results

    def _embed(self, texts: Sequence[str]) -> float:
        start = time.monotonic()
        self.embedder.documents(texts, Deadline(TIMEOUT_SECONDS))
        return time.monotonic() - start

    def _tandem(self, results: Results, prefix: str) -> float:
        documents, _ = find_documents([results.corpus.folder], prefix)
        try:
            used, calls = processes.seconds(), Calls(paths.LOGS)
            seconds = ingest(self.bucket, self.service, documents, results.chunks[TANDEM])
            for name, value in processes.seconds().items():
                results.used[name] += value - used[name]
            results.ingesting.update(calls.until_now())
            self._ask(results, prefix)
        finally:
            forget_all(self.bucket, documents)
        return seconds

    def _ask(self, results: Results, prefix: str) -> None:
        asked = list(results.corpus.asked)
        for question in asked[:WARM_UP]:
            self._answer(question)
        calls, found, refused = Calls(paths.LOGS), [], 0
        for question in asked:
            start = time.monotonic()
            self.embedder.query(question, Deadline(TIMEOUT_SECONDS))
            between = time.monotonic()
            answer = self._answer(question)
            results.waits[MODEL].append((between - start) * 1000)
            results.waits[TANDEM].append((time.monotonic() - between) * 1000)
            places = dict.fromkeys(place["document"] for place in answer["retrieved"])
            # Of what else is in the stack's index, nothing counts.
            found.append([key.removeprefix(f"{prefix}/") for key in places if key.startswith(f"{prefix}/")])
            refused += answer["refused"]
        results.asking.update(calls.until_now())
        results.asking["Bedrock"] -= len(asked)  # the embeddings alone
        results.found[TANDEM], results.refused = found, refused

    def _answer(self, question: str) -> dict:
        return self.service.ask({"question": question, "top_k": TOP, "generate": False})

    def _plain(self, results: Results, side: str) -> float:
        script, *options = PLAIN[side]
        index = f"beside-{uuid.uuid4().hex[:8]}"
        what = [results.corpus.folder, self.questions_file, index, OPENSEARCH.url]
        command = [PYTHON, Path(__file__).with_name(script), *what, *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * TIMEOUT_SECONDS)
        finally:
            http = SignedHttp(OPENSEARCH.url, "es", "us-east-1", Credentials("local", "local"))
            http.request("DELETE", f"/{index}", timeout=30)
        if done.returncode:
            raise RuntimeError(f"{script} failed:\n{done.stderr[-2000:]}")
        ingested, *answers = map(json.loads, done.stdout.splitlines())
        results.chunks[side] = ingested["chunks"]
        results.waits[side] += [answer["milliseconds"] for answer in answers]
        results.found[side] = [answer["documents"] for answer in answers]
        return ingested["seconds"]


def ingestion_table(results: Results) -> Table:
    """Documents a second of each side, beside the model's and, round by round, the faster form of each peer."""
    bases = {"of the model alone": [MODEL]} | {
        f"of {peer}": [it for it in PLAIN if it.startswith(peer)] for peer in PEERS
    }
    rows = []
    for side in SIDES:
        seconds = results.seconds[side]
        row = [side, f"{results.chunks[side]}", f"{median(seconds):.1f}"]
        row += [f"{count / median(seconds):.1f}" for count in (results.documents, results.chunks[side])]
        for base in bases.values():
            fastest = [min(round_) for round_ in zip(*(results.seconds[name] for name in base), strict=True)]
            ratios = [theirs / ours for theirs, ours in zip(fastest, seconds, strict=True)]
            row.append(f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        rows.append(row)
    title = f"{results.corpus.name}: {results.documents} documents"
    return Table([title, "chunks", "seconds", "documents/s", "chunks/s", *bases], rows)


def _processes_table(measured: Sequence[Results]) -> Table:
    rows = [[name, *(f"{it.used[name] / ROUNDS:.1f}" for it in measured)] for name in measured[0].used]
    return Table(["Tandem's processor seconds", *(it.corpus.name for it in measured)], rows)


def _requests_table(measured: Sequence[Results]) -> Table:
    columns, shares = [], []
    for results in measured:
        columns += [f"{results.corpus.name}: a document", "a chunk"]
        shares += [(results.ingesting, ROUNDS * count) for count in (results.documents, results.chunks[TANDEM])]
    shares.append((measured[-1].asking, ROUNDS * len(measured[-1].corpus.asked)))
    services = {name: [name] for name in SERVICES}
    services |= {"all": list(SERVICES), "all but Bedrock": [name for name in SERVICES if name != "Bedrock"]}
    rows = [
        [title, *(f"{sum(counted[name] for name in names) / count:.2f}" for counted, count in shares)]
        for title, names in services.items()
    ]
    return Table(["Tandem's requests", *columns, "a question"], rows)


def _waits_table(results: Results) -> Table:
    alone = percentile(results.waits[MODEL], 50)
    rows = []
    for side in SIDES:
        values = [percentile(results.waits[side], percent) for percent in (50, 95)]
        rows.append([side, *(f"{value:.1f}" for value in values), *(f"{value / alone:.1f}" for value in values)])
    title = f"{len(results.corpus.asked)} questions, {ROUNDS} times, {TOP} passages"
    return Table([title, "p50 ms", "p95 ms", "p50 of the model's p50", "p95 of the model's p50"], rows)


def _ranking_table(results: Results) -> Table:
    rows = []
    for side in (TANDEM, *PLAIN):
        tally = Tally()
        for right, found in zip(results.corpus.asked.values(), results.found[side], strict=True):
            tally.ranks.append(found.index(right) + 1 if right in found else 0)
        rows.append([side, *tally.numbers(), str(results.refused) if side == TANDEM else ""])
    title = f"{results.corpus.name}: {len(results.corpus.asked)} questions"
    return Table([title, "recall@1", "recall@5", "nDCG@10", "MRR", "refused"], rows)
