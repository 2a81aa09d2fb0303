"""Short documents for all sides alike: the sections of packages' pages, each a text file."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ranking import CONTENTS, digest
from tandem.rag.documents import extract
from tandem.rag.documents.section import Section

TEXT = {".md", ".txt"}


def write_sections(packages: Sequence[Path], folder: Path) -> dict[tuple[str, str], str]:
    """Write each section of the packages' HTML pages to a file in `folder`: its heading and its text.

    Pages of contents are left out, and the same text is one file. Returns the files' names by page (as the ranking sets
    name it) and digest of the section's heading.
    """
    folder.mkdir()
    names: dict[tuple[str, str], str] = {}
    written: dict[str, str] = {}
    for package in packages:
        for page in sorted(path for path in package.rglob("*.html") if path.is_file()):
            if any(word in page.name for word in CONTENTS):
                continue
            for heading, text in _sections(page).items():
                name = written.setdefault(" ".join(text.split()), f"{len(written):04}.txt")
                names[f"{package.name}/{page.relative_to(package)}", digest(heading)] = name
                if not (file := folder / name).exists():
                    file.write_text(f"{heading or page.name}\n\n{text}\n", encoding="utf-8")
    return names


def write_texts(source: Path, folder: Path) -> None:
    """Copy documents that are text, and write the text of others, so that every side can read them."""
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in TEXT:
            shutil.copyfile(path, target)
        else:
            text = "\n\n".join(f"{heading or path.stem}\n\n{text}" for heading, text in _sections(path).items())
            target.with_name(f"{path.name}.txt").write_text(text, encoding="utf-8")


def _sections(path: Path) -> dict[str | None, str]:
    """Text by heading, without what has none."""
    texts: dict[str | None, str] = {}
    for part in extract(path.name, "", path.read_bytes()):
        if isinstance(part, Section) and part.text.strip():
            texts[part.heading] = f"{texts[part.heading]}\n\n{part.text}" if part.heading in texts else part.text
    return texts
