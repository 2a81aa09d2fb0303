"""Reading of documents, by format: ours, beside the readers of an earlier zip and pdfium alone."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from .made_documents import MADE
from .readers import Readers
from .report import Say, Table, median_ratio

ROUNDS = 3
MOST_BYTES = 4_000_000
"""Of a format's documents, so that slow readers end too."""
TEXT_BYTES = 2_000_000
"""Of text in each document that is made here."""
PDFIUM = "pdfium alone"


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
        sides = {"": Readers()}
        for archive in reference[:1]:
            sides["reference"] = Readers(archive, folder / "reference")
        seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        reads: dict[tuple[str, str], bool] = {}
        for number in range(1, ROUNDS + 1):
            for kind, paths in files.items():
                for side, readers in sides.items():
                    found = readers.read(paths)
                    seconds[kind, side].append(sum(each.seconds for each in found))
                    reads[kind, side] = any(each.chunks for each in found)
            alone = sides[""].read(files["pdf"], pdfium_alone=True)
            seconds["pdf", PDFIUM].append(sum(each.seconds for each in alone))
            say(f"round {number} of {ROUNDS}")
        return _table(files, seconds, reads, bool(reference))


def _table(
    files: dict[str, list[Path]],
    seconds: dict[tuple[str, str], list[float]],
    reads: dict[tuple[str, str], bool],
    has_reference: bool,
) -> Table:
    rows = []
    for kind, paths in files.items():
        size = sum(path.stat().st_size for path in paths)
        ours, theirs = seconds[kind, ""], seconds[kind, "reference"]
        row = [kind, str(len(paths)), f"{size / 1e6:.1f}", f"{size / 1e6 / median(ours):.1f}"]
        if has_reference:
            before = f"{size / 1e6 / median(theirs):.1f}" if reads[kind, "reference"] else "not read"
            row += [before, f"{median_ratio(theirs, ours):.1f}" if reads[kind, "reference"] else ""]
        rows.append(row)
        if kind == "pdf":
            alone = seconds[kind, PDFIUM]
            extra = ["", f"{median_ratio(alone, ours):.2f}"] if has_reference else []
            rows.append([PDFIUM, str(len(paths)), f"{size / 1e6:.1f}", f"{size / 1e6 / median(alone):.1f}", *extra])
    columns = ["format", "documents", "MB", "MB/s"]
    return Table(columns + (["reference MB/s", "its time of ours"] if has_reference else []), rows)


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
