"""How many tokens rows have, as an estimate by script, and which of a split are too many.

One rule for import, check, training and evaluation: a split may lose a tenth of its rows to their length, or one row,
and has to keep one. Where the base model's files are at hand, `template.lengths` counts by them instead.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .rows import Row, json_line

MARKERS = 5  # tokens that a ChatML template adds to a message: two markers, the role and two line ends
LEFT_OUT = 0.1  # above this share of rows that are too long, a run goes on without much of what it was given
ALLOWED = "A tenth, or one row, may be left out."
DIGITS = bytes(range(48, 58))
SIGNS = (
    b"\n\t" + bytes(byte for byte in range(33, 127) if not chr(byte).isalnum()) + bytes(range(65, 91))
)  # capitals too
ASCII = bytes(range(128))


def _leads(*ranges: tuple[int, int]) -> bytes:
    return bytes(byte for first, last in ranges for byte in range(first, last + 1))


class Rates(NamedTuple):
    """Tokens for each character of a kind; scripts are told by the first bytes that UTF-8 gives their characters."""

    letter: float
    sign: float
    scripts: Sequence[tuple[bytes, float]]
    pairs: Sequence[tuple[bytes, float]] = ()
    """What to add for each of these two bytes, where a block's first byte is another script's too."""


# Fitted on a sentence in each of 30 languages, code, numbers and formulas: none is low by more than a third (a test has
# some). LARGE is for vocabularies of 100,000 and more (Qwen's), SMALL for those of 30,000 to 50,000 (SmolLM2's), which
# spell most scripts byte by byte.
LARGE = Rates(
    0.28,
    0.6,
    (
        (_leads((0xD0, 0xD3)), 0.42),  # Cyrillic
        (_leads((0xD6, 0xDB)), 0.58),  # Hebrew, Arabic
        (_leads((0xE3, 0xE9)), 0.74),  # kana, Chinese
        (_leads((0xEA, 0xED)), 0.82),  # Korean
        (_leads((0xC2, 0xCF), (0xE2, 0xE2), (0xEE, 0xEF)), 1.0),  # letters with marks, Greek, signs
        (_leads((0xD4, 0xD5), (0xE0, 0xE1)), 1.3),  # Armenian, scripts of South and South-East Asia, Georgian, Amharic
        (_leads((0xDC, 0xDF), (0xF0, 0xF4)), 2.2),  # emoji, rare scripts
    ),
    ((b"\xe0\xb8", -0.65), (b"\xe0\xb9", -0.65), (b"\xe1\xba", -0.9), (b"\xe1\xbb", -0.9)),  # Thai, Vietnamese
)
SMALL = Rates(0.32, 0.65, ((_leads((0x80, 0xFF)), 0.75),))
SMALL_VOCABULARY = 100_000  # below it


class Length(NamedTuple):
    """Tokens of a row."""

    whole: int
    prompt: int
    """Without the last answer: what a model is given in the evaluation."""


def text_tokens(text: str, rates: Rates = LARGE) -> float:
    """The estimate of a text's tokens."""
    data = text.encode()
    other = b"" if len(data) == len(text) else data.translate(None, ASCII)
    pairs = data.count(b"  ")  # blanks in a row are one token
    without = data.translate(None, DIGITS)
    letters = without.translate(None, SIGNS)
    digits, signs = len(data) - len(without), len(without) - len(letters)
    total = rates.letter * (len(letters) - len(other) - 2 * pairs) + rates.sign * signs + digits
    if other:
        total += sum(rate * (len(other) - len(other.translate(None, leads))) for leads, rate in rates.scripts)
        total += sum(rate * other.count(pair) for pair, rate in rates.pairs)
    return total


def estimated(rows: Iterable[Row], rates: Rates = LARGE) -> list[Length]:
    """The estimate of each row's tokens, a ChatML template's among them."""
    return [_estimated(row, rates) for row in rows]


def _estimated(row: Row, rates: Rates) -> Length:
    sizes = [MARKERS + math.ceil(text_tokens(content, rates)) for _, content in row.messages]
    for at, besides in enumerate(row.more):
        if "tool_calls" in besides:
            sizes[at] += math.ceil(text_tokens(json_line(besides["tool_calls"]), rates))
    given = sum(sizes[:-1]) + (math.ceil(text_tokens(json_line(row.tools), rates)) if row.tools else 0)
    return Length(given + sizes[-1], given)


def statistics(lengths: Sequence[Length]) -> dict[str, Any]:
    """What a manifest says of a split, which may not be empty: `mean_p95_max` of its rows, and two counts.

    `counts` and `prompts` say how many rows, and how many of their prompts, have up to so many tokens: `[[96, 12],
    [100, 3], ...]`, each length rounded up to five binary digits.
    """
    found: dict[str, Any] = mean_p95_max([length.whole for length in lengths])
    found["counts"] = _counts(length.whole for length in lengths)
    return found | {"prompts": _counts(length.prompt for length in lengths)}


def mean_p95_max(numbers: Sequence[int]) -> dict[str, float]:
    """Mean, 95th percentile (nearest rank) and maximum; there has to be a number."""
    ordered = sorted(numbers)
    rank = -(-95 * len(ordered) // 100)
    return {"mean": round(sum(ordered) / len(ordered), 1), "p95": ordered[rank - 1], "max": ordered[-1]}


def _counts(numbers: Iterable[int]) -> list[list[int]]:
    counts: dict[int, int] = {}
    for number in numbers:
        step = 1 << max(0, number.bit_length() - 5)
        bound = -(-number // step) * step
        counts[bound] = counts.get(bound, 0) + 1
    return [[bound, counts[bound]] for bound in sorted(counts)]


def longer(counts: Iterable[Sequence[int]], limit: int) -> int:
    """How many rows have more than `limit` tokens, by a manifest's counts; one that is near it may count as more."""
    return sum(rows for bound, rows in counts if bound > limit)


def too_many(left_out: int, rows: int) -> bool:
    """Whether so many of a split's rows are too long that a run may not go on without them."""
    return left_out == rows or left_out > max(1, LEFT_OUT * rows)
