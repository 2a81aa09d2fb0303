"""What both plain scripts share: `python SCRIPT FOLDER QUESTIONS INDEX URL [--at-once]`."""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple, Protocol

PASSAGES = 10
_parser = argparse.ArgumentParser()
_parser.add_argument("folder", type=Path, help="texts to ingest")
_parser.add_argument("questions", type=Path, help="one a line")
_parser.add_argument("index")
_parser.add_argument("url", help="of OpenSearch")
_parser.add_argument("--at-once", action="store_true", help="as many embeddings at once as the library asks for")
ARGUMENTS = _parser.parse_args()
INDEX, URL = ARGUMENTS.index, ARGUMENTS.url


class Chunk(NamedTuple):
    """A piece of text as it was indexed, and the path of its file."""

    text: str
    path: str


class Retrieval(Protocol):
    """What a plain script does."""

    def ingest(self, folder: Path, at_once: bool) -> list[Chunk]:
        """Index a folder; returns all chunks."""
        ...

    def search(self, question: str) -> list[str]:
        """The files of the ten best passages, best first."""
        ...


def measure(retrieval: Retrieval) -> None:
    """Print a line of JSON for the ingestion, with its seconds until a search finds what was indexed last, and one for
    each question."""
    begun = time.monotonic()
    chunks = retrieval.ingest(ARGUMENTS.folder, ARGUMENTS.at_once)
    while chunks[-1].path not in retrieval.search(chunks[-1].text):
        time.sleep(0.1)
    print(json.dumps({"seconds": time.monotonic() - begun, "chunks": len(chunks)}))
    for question in ARGUMENTS.questions.read_text(encoding="utf-8").splitlines():
        begun = time.monotonic()
        paths = retrieval.search(question)
        milliseconds = (time.monotonic() - begun) * 1000
        documents = [Path(path).relative_to(ARGUMENTS.folder).as_posix() for path in dict.fromkeys(paths)]
        print(json.dumps({"milliseconds": milliseconds, "documents": documents}))
