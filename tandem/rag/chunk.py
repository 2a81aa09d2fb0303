"""Chunking: sections to pieces of about equal size that are embedded, searched and cited."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, groupby
from typing import NamedTuple

from .documents.section import Section
from .normal import searched

BYTES_PER_TOKEN = 4
"""Of English, about."""

# How good it is to end a chunk after a piece.
WORD, SENTENCE, PARAGRAPH = 0, 1, 2
SENTENCE_END = re.compile(r"""[.!?:;…。！？]["'”’»)\]]*$""")  # noqa: RUF001 - full-width marks are meant
UNSPACED_END = re.compile(r"(?<=[。！？])")  # noqa: RUF001 - these scripts put no space after a sentence
LONGEST_SPACE = 80

# Tokens of what a text is made of, see `estimated_tokens`: at least one a word or sign.
PARTS = re.compile(r"[A-Za-z]+|[^\W\d_A-Za-z]+|\d+|.")
PER_ENGLISH_LETTER, PER_LETTER, PER_WORD = 0.18, 0.34, 0.4
PER_ACCENTED, PER_HANGUL, PER_DIGIT, PER_CODE_CHARACTER = 0.9, 2.0, 0.6, 0.75
ACCENTED_BELOW = "\u0250"
# Words that only English has, and has in nearly every line.
ENGLISH = {"the", "and", "that", "with", "this", "are", "be", "from", "you", "not", "can", "which", "have", "if"}
ENGLISH_WITHIN = 8
CODE = re.compile(r"(?<![A-Za-z\d])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{8,}")


@dataclass(frozen=True)
class Chunk:
    """A piece of a document."""

    position: int
    """Place in the document, from 0."""
    text: str
    """Text as it is cited: as it stands in the document."""
    page: int | None
    heading: str | None

    @property
    def searched(self) -> str:
        """Text as its words are searched: in the normal form."""
        return searched(self.text)

    @property
    def embedded(self) -> str:
        """Text as it is embedded: the heading says what a short text is about."""
        return searched(f"{self.heading}\n{self.text}" if self.heading else self.text)


class _Piece(NamedTuple):
    """What isn't cut: a word, or a row of a table."""

    text: str
    """With the white space after it."""
    size: float
    ending: int
    header: str | None = None
    """Of the table that a row is of; None for a word of a text."""


def estimated_tokens(text: str) -> int:
    """At least as many tokens as an embedder's tokenizer makes of a text, in nearly all texts of a chunk's length.

    It needs no tokenizer, which differs from one embedder to the next: English words are mostly one token, others have
    one for three letters, other alphabets and signs one for each.
    """
    return math.ceil(_size(text))


def chunk(sections: Iterable[Section], tokens: int = 200, overlap: int = 40) -> Iterator[Chunk]:
    """Cut sections into chunks of at most `tokens` estimated tokens, each repeating up to `overlap` of the last (never
    over a quarter of a chunk).

    A chunk ends at a paragraph, else a sentence, else a word, and never spans two headings or pages. A table is cut
    between its rows, and each chunk of it begins with its header, if it has one. Every word of the sections is in a
    chunk; the same sections give the same chunks.
    """
    if not 0 <= overlap < tokens // 2:
        raise ValueError(f"chunk_overlap is {overlap}: it must be at least 0 and under half of chunk_tokens ({tokens})")
    position = 0
    for (page, whole_heading), group in groupby(sections, key=lambda section: (section.page, section.heading)):
        # The heading is embedded too, but may not crowd out the text: of a long one the innermost words count.
        heading = _end_of(whole_heading, tokens / 2) if whole_heading else None
        budget = tokens - _size(heading or "")
        pieces = chain.from_iterable(_pieces(section, budget) for section in group)
        for text in _cut(pieces, budget, min(overlap, budget / 4)):
            yield Chunk(position, text, page, heading)
            position += 1


def _cut(pieces: Iterator[_Piece], budget: float, overlap: float) -> Iterator[str]:
    window: list[_Piece] = []
    sizes: list[float] = []  # of the window up to and with each piece
    repeated = 0  # of the window's pieces, those that the last chunk ends with
    for piece in pieces:
        sizes.append((sizes[-1] if sizes else 0.0) + _added(window[-1] if window else None, piece))
        window.append(piece)
        while sizes[-1] > budget and len(window) > 1:
            if repeated == len(window) - 1:  # the piece has no room beside what is repeated
                window, repeated = window[1:], repeated - 1
            else:
                end = _best_end(window, sizes, repeated, budget / 2)
                yield _text(window[:end])
                start = _overlap_start(window, end, overlap)
                window, repeated = window[start:], end - start
            sizes = list(accumulate(map(_added, [None, *window], window)))
    if len(window) > repeated:
        yield _text(window)


def _added(before: _Piece | None, piece: _Piece) -> float:
    """What a piece adds to a chunk: itself, and the header of its table where that isn't there yet."""
    begins_table = piece.header and (before is None or before.header != piece.header)
    return piece.size + (_size(piece.header) if begins_table else 0.0)


def _text(pieces: list[_Piece]) -> str:
    before, texts = "", []
    for piece in pieces:
        if piece.header and piece.header != before:
            texts.append(f"{piece.header}\n")
        texts.append(piece.text)
        before = piece.header
    return "".join(texts).lstrip("\n").rstrip()


def _best_end(window: list[_Piece], sizes: list[float], repeated: int, half: float) -> int:
    """Where a chunk ends that the window's last piece has no room in: at the last paragraph's end in its second half,
    else at the last sentence's, else before that piece."""
    for ending in (PARAGRAPH, SENTENCE):
        for candidate in range(len(window) - 1, repeated, -1):
            if sizes[candidate - 1] < half:
                break
            if window[candidate - 1].ending >= ending:
                return candidate
    return len(window) - 1


def _overlap_start(window: list[_Piece], end: int, overlap: float) -> int:
    """Where the next chunk starts: the first sentence of the last `overlap` tokens, else their first word.

    Rows of a table aren't repeated: each stands for itself, under its header.
    """
    first, size = end, 0.0
    while first > 1 and window[first - 1].header is None and size + window[first - 1].size <= overlap:
        first -= 1
        size += window[first].size
    sentences = (at for at in range(first, end) if window[at - 1].ending >= SENTENCE)
    return next(sentences, first)


def _pieces(section: Section, budget: float) -> Iterator[_Piece]:
    """The pieces of a section, each no larger than `budget`, the last of them the end of a paragraph."""
    header = section.header
    if header is None:
        yield from _words(f"{section.text}\n\n", budget)
        return
    if _size(header) > budget / 2:
        yield from _words(f"{header}\n", budget)
        header = _end_of(header, budget / 2)
    room = budget - _size(header)
    for row in section.text.split("\n"):
        if (size := _size(row)) <= room:
            yield _Piece(f"{row}\n", size, SENTENCE, header)
        else:
            yield from (word._replace(header=header) for word in _words(f"{row}\n", room))
    yield _Piece("\n", 0.0, PARAGRAPH)


def _words(text: str, longest: float) -> Iterator[_Piece]:
    """The words of a text, each no larger than `longest`."""
    english = _English()
    indentation = ""
    for match in re.finditer(r"(\S+)(\s*)", text):
        word, space = match.groups()
        is_english = english.near(word)
        *parts, last = _parts(word, longest, is_english)
        for part in parts:
            ending = SENTENCE if SENTENCE_END.search(part) else WORD
            yield _Piece(indentation + part, _word_size(part, is_english), ending)
            indentation = ""
        before, newline, after = space.rpartition("\n")
        is_paragraph = "\n" in before
        ending = PARAGRAPH if is_paragraph else SENTENCE if SENTENCE_END.search(last) else WORD
        written = "\n\n" if is_paragraph else newline or space[:LONGEST_SPACE]
        yield _Piece(indentation + last + written, _word_size(last, is_english), ending)
        indentation = after[:LONGEST_SPACE] if newline else ""


def _parts(word: str, longest: float, is_english: bool) -> Iterator[str]:
    """Cut a word where a sentence ends in it, and wherever else it would be larger than `longest`."""
    for sentence in filter(None, UNSPACED_END.split(word)):
        start = 0
        while start < len(sentence):
            end = min(len(sentence), start + int(longest / PER_ENGLISH_LETTER) + 1)
            while end > start + 1 and _word_size(sentence[start:end], is_english) > longest:
                end = start + (end - start) * 3 // 4
            if end < len(sentence):  # better after a sign than within a word, as in an address
                signs = (at for at in range(end, (start + end) // 2, -1) if not sentence[at - 1].isalnum())
                end = next(signs, end)
            yield sentence[start:end]
            start = end


def _end_of(text: str, budget: float) -> str:
    """The last words of a text that are no larger than `budget`."""
    words, size = [], 0.0
    for word in reversed(re.findall(r"\S+\s*", text)):
        size += _size(word)
        if size > budget:
            break
        words.append(word)
    return "".join(reversed(words))


class _English:
    """Whether words stand among English ones."""

    def __init__(self) -> None:
        self._since = ENGLISH_WITHIN

    def near(self, word: str) -> bool:
        """Take the next word, and tell whether it is English or soon after a word that only English has."""
        self._since = 0 if word.lower() in ENGLISH else self._since + 1
        return self._since < ENGLISH_WITHIN


def _size(text: str) -> float:
    english = _English()
    return sum(_word_size(word, english.near(word)) for word in text.split())


@lru_cache(maxsize=20_000)
def _word_size(word: str, is_english: bool) -> float:
    return sum(_part_size(part, is_english) for part in PARTS.findall(CODE.sub(_dots, searched(word))))


def _dots(code: re.Match[str]) -> str:
    """As many signs as there are tokens in what mixes letters and digits: numbers of parts, hashes, keys."""
    return "." * math.ceil(PER_CODE_CHARACTER * len(code[0]))


def _part_size(part: str, is_english: bool) -> float:
    if part.isdigit():
        return max(1.0, PER_DIGIT * len(part))
    if not part.isalpha():
        return 1.0
    if part.isascii():
        return max(1.0, PER_ENGLISH_LETTER * len(part) if is_english else PER_LETTER * len(part) + PER_WORD)
    return sum(map(_letter_size, part))


def _letter_size(letter: str) -> float:
    if letter < ACCENTED_BELOW:
        return PER_ACCENTED
    return PER_HANGUL if "\uac00" <= letter <= "\ud7a3" else 1.0
