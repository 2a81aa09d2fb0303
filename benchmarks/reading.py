"""Reading of documents, by format: ours, beside the readers of an earlier zip and pdfium alone."""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from .made_documents import MADE
from .report import Say, Table, median_ratio

ROUNDS = 3
MOST_BYTES = 4_000_000
"""Of a format's documents, so that slow readers end too."""
TEXT_BYTES = 2_000_000
"""Of text in each document that is made here."""
PDFIUM = "pdfium alone"
ROOT = Path(__file__).parent.parent


def run(stack: str, say: Say, documents: Sequence[Path] = (), reference: Sequence[Path] = ()) -> Table:  # noqa: ARG001
    """Read PDFs and HTML pages of the folders, and documents of the other formats that are made of the pages' text.

    `reference` is the zip of another build's ingest function; what it can read is read by it too, in the same rounds.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {kind: list(_limited(documents, kind)) for kind in ("pdf", "html")}
        paragraphs = _paragraphs(files["html"])
        for kind, make in MADE.items():
            files[kind] = [folder / f"made.{kind}"]
            files[kind][0].write_bytes(make(paragraphs))
        sides = {"": [str(ROOT), str(ROOT / "components")]}
        for at, archive in enumerate(reference):
            with zipfile.ZipFile(archive) as content:
                content.extractall(folder / str(at))
            sides["reference"] = [str(folder / str(at))]
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        read: dict[tuple[str, str], int] = {}
        for number in range(1, ROUNDS + 1):
            for kind, paths in files.items():
                for side, imports in sides.items():
                    took, read[kind, side] = _read(paths, imports)
                    seconds[kind, side].append(took)
            took, _ = _read(files["pdf"], sides[""], alone=True)
            seconds["pdf", PDFIUM].append(took)
            say(f"round {number} of {ROUNDS}")
        return _table(files, seconds, read, bool(reference))


def _table(
    files: dict[str, list[Path]],
    seconds: dict[tuple[str, str], list[float]],
    read: dict[tuple[str, str], int],
    has_reference: bool,
) -> Table:
    rows = []
    for kind, paths in files.items():
        size = sum(path.stat().st_size for path in paths)
        ours, theirs = seconds[kind, ""], seconds[kind, "reference"]
        row = [kind, str(len(paths)), f"{size / 1e6:.1f}", f"{size / 1e6 / median(ours):.1f}"]
        if has_reference:
            before = f"{size / 1e6 / median(theirs):.1f}" if read[kind, "reference"] else "not read"
            row += [before, f"{median_ratio(theirs, ours):.1f}" if read[kind, "reference"] else ""]
        rows.append(row)
        if kind == "pdf":
            alone = seconds[kind, PDFIUM]
            extra = ["", f"{median_ratio(alone, ours):.2f}"] if has_reference else []
            rows.append([PDFIUM, str(len(paths)), f"{size / 1e6:.1f}", f"{size / 1e6 / median(alone):.1f}", *extra])
    columns = ["format", "documents", "MB", "MB/s"]
    return Table(columns + (["reference MB/s", "its time of ours"] if has_reference else []), rows)


READ = """
import json, sys, time
paths, sys.path[:0], alone = json.load(sys.stdin)
texts = 0
if alone:
    import pypdfium2
else:
    from tandem.rag.documents import extract
begun = time.process_time()
for path in paths:
    data = open(path, "rb").read()
    if alone:
        pdf = pypdfium2.PdfDocument(data)
        texts += sum(len(page.get_textpage().get_text_bounded()) for page in pdf)
        continue
    try:
        texts += sum(len(getattr(part, "text", "")) for part in extract(path, "", data))
    except Exception as error:
        if type(error).__name__ != "Rejected":
            raise
print(json.dumps([time.process_time() - begun, texts]))
"""


def _read(paths: Sequence[Path], imports: Sequence[str], *, alone: bool = False) -> tuple[float, int]:
    """Processor seconds and characters of reading in a process of its own that imports from `imports` first."""
    given = json.dumps([[str(path) for path in paths], list(imports), alone])
    done = subprocess.run([sys.executable, "-P", "-c", READ], input=given, check=True, capture_output=True, text=True)
    return tuple(json.loads(done.stdout))


def _limited(folders: Sequence[Path], kind: str) -> Iterator[Path]:
    size = 0
    for folder in folders:
        for path in sorted(folder.rglob(f"*.{kind}")):
            if path.is_file() and not path.is_symlink() and size + path.stat().st_size <= MOST_BYTES:
                size += path.stat().st_size
                yield path


def _paragraphs(pages: Sequence[Path]) -> list[str]:
    """Some 2 MB of paragraphs of the pages."""
    from tandem.rag.documents import extract
    from tandem.rag.documents.section import Section

    found: list[str] = []
    size = 0
    while size < TEXT_BYTES:
        for path in pages:
            for part in extract(path.name, "", path.read_bytes()):
                texts = part.text.split("\n\n") if isinstance(part, Section) else []
                found += [" ".join(text.split()) for text in texts]
                size += sum(len(text) for text in texts)
    return found
