"""Readers of documents, ours and those of other builds, each in a process of its own."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Read(NamedTuple):
    """What became of a document."""

    seconds: float
    """Of a processor, without chunking."""
    chunks: str
    """What is embedded of it; empty if it was rejected."""
    rejected: str
    """Why."""


class Readers:
    """Readers of this checkout, or of the zip of an ingest function, which is unpacked into a folder."""

    def __init__(self, archive: Path | None = None, folder: Path | None = None):
        self._imports = [str(ROOT), str(ROOT / "components")]
        if archive and folder:
            with zipfile.ZipFile(archive) as content:
                content.extractall(folder)
            self._imports = [str(folder)]

    def read(self, paths: Sequence[Path], *, pdfium_alone: bool = False) -> list[Read]:
        """Read documents one after the other; `pdfium_alone` asks for their pages' text and does nothing with it."""
        given = json.dumps([[str(path) for path in paths], self._imports, pdfium_alone])
        command = [sys.executable, "-P", "-c", SCRIPT]
        done = subprocess.run(command, input=given, check=True, stdout=subprocess.PIPE, text=True)
        return [Read(*each) for each in json.loads(done.stdout)]


# `extract` and `chunk` are called as the ingest function calls them, in every build.
SCRIPT = """
import json, sys, time
paths, sys.path[:0], pdfium_alone = json.load(sys.stdin)
import pypdfium2
from tandem.rag.chunk import chunk
from tandem.rag.documents import extract

def read(path, data):
    if pdfium_alone:
        for page in pypdfium2.PdfDocument(data):
            page.get_textpage().get_text_bounded()
        return []
    # What is lost has no text.
    return [part for part in extract(path, "", data) if hasattr(part, "text")]

found = []
for path in paths:
    with open(path, "rb") as file:
        data = file.read()
    begun, sections, rejected = time.process_time(), [], ""
    try:
        sections = read(path, data)
    except Exception as error:
        if type(error).__name__ != "Rejected":
            raise
        rejected = str(error)
    seconds = time.process_time() - begun
    texts = [] if pdfium_alone else [piece.embedded for piece in chunk(sections, overlap=0)]
    found.append([seconds, "\\n".join(texts).encode(errors="replace").decode(), rejected])
json.dump(found, sys.stdout)
"""
