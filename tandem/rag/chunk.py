"""Chunking: sections to pieces of about equal size that are embedded, searched and cited."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .documents.section import Section

BYTES_PER_TOKEN = 4
TINY_TOKENS = 16

# How good it is to end a chunk after a word.
WORD, SENTENCE, PARAGRAPH = 0, 1, 2
SENTENCE_END = re.compile(r"""[.!?:;…。！？]["'”’»)\]]*$""")  # noqa: RUF001 - full-width marks are meant
UNSPACED_END = re.compile(r"(?<=[。！？])")  # noqa: RUF001 - these scripts put no space after a sentence


@dataclass(frozen=True)
class Chunk:
    """A piece of a document."""

    position: int
    """Place in the document, from 0."""
    text: str
    """Text as it is cited."""
    page: int | None
    heading: str | None

    @property
    def embedded(self) -> str:
        """Text as it is embedded: the heading says what a short text is about."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


class _Word(NamedTuple):
    text: str
    """With the white space after it."""
    size: int
    ending: int


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes of UTF-8.

    Four letters of English; it also holds within a factor of 1.5 for scripts with no spaces between words, where
    counting words says nothing. It needs no tokenizer, which differs from one embedder to the next.
    """
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def chunk(sections: Iterable[Section], tokens: int = 200, overlap: int = 40) -> Iterator[Chunk]:
    """Cut sections into chunks of at most `tokens` estimated tokens, each repeating up to `overlap` of the last (never
    over a quarter of a chunk).

    A chunk ends at a paragraph, else a sentence, else a word, and never spans two headings or pages (except that a
    tiny page joins the next). Every word of the sections is in a chunk; the same sections give the same chunks.
    """
    if not 0 <= overlap < tokens // 2:
        raise ValueError(f"chunk_overlap is {overlap}: it must be at least 0 and under half of chunk_tokens ({tokens})")
    position = 0
    for section in _join_tiny(sections):
        # The heading is embedded too, but may not crowd out the text.
        heading = estimated_tokens(section.heading or "")
        budget = max(tokens - heading, tokens // 2) * BYTES_PER_TOKEN
        for text in _cut(section.text, budget, min(overlap * BYTES_PER_TOKEN, budget // 4)):
            yield Chunk(position, text, section.page, section.heading)
            position += 1


def _join_tiny(sections: Iterable[Section]) -> Iterator[Section]:
    """Join a section of a few words, such as a page that holds a chapter's title, to the next of the same heading."""
    waiting: Section | None = None
    for section in sections:
        if waiting:
            if waiting.heading == section.heading and estimated_tokens(waiting.text) <= TINY_TOKENS:
                section = Section(f"{waiting.text}\n\n{section.text}", section.page, section.heading)  # noqa: PLW2901
            else:
                yield waiting
        waiting = section
    if waiting:
        yield waiting


def _cut(text: str, budget: int, overlap: int) -> Iterator[str]:
    words = list(_words(text, budget))
    start = 0
    while start < len(words):
        end, size, half = start, 0, start
        while end < len(words) and size + words[end].size <= budget:
            size += words[end].size
            end += 1
            if size < budget / 2:
                half = end
        if end < len(words):
            end = _best_end(words, half, end)
        yield "".join(word.text for word in words[start:end]).strip()
        if end == len(words):
            return
        start = _overlap_start(words, start, end, overlap)


def _best_end(words: list[_Word], half: int, end: int) -> int:
    """The last paragraph end in the second half of words[:end], else the last sentence end there, else `end`."""
    for ending in (PARAGRAPH, SENTENCE):
        for candidate in range(end, half, -1):
            if words[candidate - 1].ending >= ending:
                return candidate
    return end


def _overlap_start(words: list[_Word], start: int, end: int, overlap: int) -> int:
    """Where the next chunk starts: the first sentence of the last `overlap` bytes, else their first word."""
    first, size = end, 0
    while first - 1 > start and size + words[first - 1].size <= overlap:
        first -= 1
        size += words[first].size
    sentences = (at for at in range(first, end) if words[at - 1].ending >= SENTENCE)
    return next(sentences, first)


def _words(text: str, longest: int) -> Iterator[_Word]:
    """The words of a text, each of at most `longest` bytes."""
    for match in re.finditer(r"(\S+)(\s*)", text):
        *pieces, last = _pieces(match[1], longest - 2)  # up to two bytes of white space follow
        for piece in pieces:
            yield _Word(piece, len(piece.encode()), SENTENCE if SENTENCE_END.search(piece) else WORD)
        space = "\n\n" if match[2].count("\n") > 1 else match[2][:1]
        ending = PARAGRAPH if space == "\n\n" else SENTENCE if SENTENCE_END.search(last) else WORD
        yield _Word(last + space, len((last + space).encode()), ending)


def _pieces(word: str, longest: int) -> Iterator[str]:
    """Cut a word where a sentence ends in it, and wherever else it would be longer than `longest` bytes."""
    for sentence in filter(None, UNSPACED_END.split(word)):
        encoded, at = sentence.encode(), 0
        while at < len(encoded):
            piece = encoded[at : at + longest].decode(errors="ignore")
            at += len(piece.encode())
            yield piece
