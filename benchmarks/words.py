"""Words that readers keep, lose and invent: PDF against pdftotext, HTML against the tree of html5lib."""

import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .readers import Readers
from .report import Say, Table

SAMPLES = 3
MIN_WORDS = 20
"""Documents with fewer words say nothing: one word more or less is several per cent."""
KEPT, INVENTED = 0.9, 0.01
"""A document that keeps less, or invents more, is named."""
HEAD_PAGES = 3
BUTTONS = {"button", "reset", "submit"}
NO_WORDS = {"script", "style", "template", "noscript", "iframe", "datalist"}
# fmt: off
INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "ins", "del", "kbd",
    "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
}
# fmt: on
BLOCK = re.compile(r"(?<=\w)[-\u00ad\ufffe\x02]\n\s*(?=\w)")


class Reference(NamedTuple):
    """Another reader's words of a document."""

    words: Counter[str]
    on_purpose: Counter[str]
    """Of these, the words that needn't be kept: running heads, page numbers, navigation, titles that a heading repeats,
    what isn't shown."""


class Result(NamedTuple):
    """What became of a document's words."""

    words: int
    kept: float
    """Share of the reference's words, without those that may be dropped."""
    dropped: Counter[str]
    """On purpose."""
    lost: Counter[str]
    invented: Counter[str]
    invented_share: float


def run(_stack: str, say: Say, documents: Sequence[Path] = (), reference: Sequence[Path] = ()) -> Table:
    """Read every PDF and HTML page of the folders; `reference` is the zip of another build's ingest function."""
    if not shutil.which("pdftotext"):
        sys.exit("pdftotext isn't on the PATH: install poppler-utils, which the PDFs are compared with.")
    columns = ["documents", "read", "MB", "words kept, median", "least", "dropped on purpose", "invented"]
    with tempfile.TemporaryDirectory() as folder:
        others = [Readers(archive, Path(folder)) for archive in reference]
        rows = list(_rows(documents, others, say))
    return Table(columns + (["kept before", "least", "invented"] if others else []), rows)


def _rows(folders: Sequence[Path], others: Sequence[Readers], say: Say) -> Iterator[list[str]]:
    for folder in folders:
        for kind, words_of in (("pdf", _pdf_words), ("html", _html_words)):
            paths = [path for path in sorted(folder.rglob(f"*.{kind}")) if path.is_file() and not path.is_symlink()]
            if not paths:
                continue
            theirs = [words_of(path.read_bytes()) for path in paths]
            results = _results(paths, theirs, Readers(), say)
            _name_the_worst(results, say)
            size = sum(path.stat().st_size for path in paths) / 1e6
            kept, least, dropped, invented = _numbers(results)
            row = [f"{folder.name}, {kind}", str(len(paths)), f"{size:.1f}", kept, least, dropped, invented]
            for other in others:
                kept, least, _, invented = _numbers(_results(paths, theirs, other, lambda _line: None))
                row += [kept, least, invented]
            yield row


def _numbers(results: dict[Path, Result]) -> tuple[str, str, str, str]:
    """Median and least of the words kept by document, and the shares of all words that were dropped and invented."""
    kept = [result.kept for result in results.values() if result.words >= MIN_WORDS] or [1.0]
    words = max(sum(result.words for result in results.values()), 1)
    dropped = sum(result.dropped.total() for result in results.values()) / words
    invented = sum(result.invented.total() for result in results.values()) / words
    return f"{median(kept):.4f}", f"{min(kept):.4f}", f"{dropped:.2%}", f"{invented:.2%}"


def _name_the_worst(results: dict[Path, Result], say: Say) -> None:
    samples: dict[str, Counter[str]] = defaultdict(Counter)
    for path, result in results.items():
        if result.words >= MIN_WORDS and (result.kept < KEPT or result.invented_share > INVENTED):
            lost, invented = (
                [word for word, _ in each.most_common(SAMPLES)] for each in (result.lost, result.invented)
            )
            say(f"{path}: kept {result.kept:.3f}, lost {lost}, invented {result.invented_share:.2%} {invented}")
        for what in ("dropped", "lost", "invented"):
            samples[what] += getattr(result, what)
    say("; ".join(f"{what} {[word for word, _ in words.most_common(SAMPLES)]}" for what, words in samples.items()))


def _results(paths: Sequence[Path], theirs: Sequence[Reference], readers: Readers, say: Say) -> dict[Path, Result]:
    results = {}
    for path, reference, read in zip(paths, theirs, readers.read(paths), strict=True):
        if read.rejected:
            say(f"{path}: rejected: {read.rejected}")
        found = Counter(_words(read.chunks))
        missing = reference.words - found
        dropped = missing & reference.on_purpose
        lost = missing - dropped
        asked = reference.words.total() - dropped.total()
        invented = Counter({word: count for word, count in found.items() if word not in reference.words})
        results[path] = Result(
            words=reference.words.total(),
            kept=1 - lost.total() / asked if asked else 1.0,
            dropped=dropped,
            lost=lost,
            invented=invented,
            invented_share=invented.total() / max(found.total(), 1),
        )
    return results


def _words(text: str) -> list[str]:
    text = BLOCK.sub("", text.replace("\r", ""))
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "").replace("\u200b", "")
    return re.findall(r"\w+", text.lower())


def _pdf_words(data: bytes) -> Reference:
    command = ["pdftotext", "-enc", "UTF-8", "-", "-"]
    text = subprocess.run(command, input=data, capture_output=True, check=False).stdout.decode("utf-8", "replace")
    pages = [page.strip().split("\n") for page in text.split("\f") if page.strip()]
    heads: dict[str, set[int]] = defaultdict(set)
    edges = [(at, line) for at, lines in enumerate(pages) for line in {*lines[:3], *lines[-3:]}]
    for at, line in edges:
        heads[re.sub(r"\d+|\b[ivxlc]+\b", "#", line).strip()].add(at)
    on_purpose: Counter[str] = Counter()
    for _, line in edges:
        if len(heads[re.sub(r"\d+|\b[ivxlc]+\b", "#", line).strip()]) >= HEAD_PAGES or re.search(
            r"^\d+\b|\b\d+$", line.strip()
        ):
            on_purpose.update(_words(line))
    return Reference(Counter(_words(text)), on_purpose)


def _html_words(data: bytes) -> Reference:
    import html5lib

    shown: list[str] = []
    not_shown: list[str] = []
    stack = [(html5lib.parse(data, namespaceHTMLElements=False, likely_encoding="utf-8"), shown)]
    while stack:
        node, texts = stack.pop()
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node.tag, str) and node.tag not in NO_WORDS:  # a comment's tag is a function
            style = node.get("style", "").replace(" ", "").lower()
            is_navigation = node.tag == "nav" or node.get("role") == "navigation"
            is_hidden = "hidden" in node.attrib or "display:none" in style or "visibility:hidden" in style
            # Of options one is shown, and a title is often the first heading once more.
            if is_navigation or is_hidden or node.tag in ("option", "title"):
                texts = not_shown
            space = "" if node.tag in INLINE else " "
            button = node.get("value", "") if node.get("type") in BUTTONS else ""
            parts = [space, node.get("alt", ""), button, node.text or ""]
            for child in node:
                parts += [child, child.tail or ""]
            stack += [(part, texts) for part in reversed([*parts, space])]
    navigation = Counter(_words(" ".join(not_shown)))
    return Reference(Counter(_words("".join(shown))) + navigation, navigation)
