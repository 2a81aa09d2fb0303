"""Citation marks: what a model is asked to write, what it may write instead, and what in a text is none."""

import re
from collections.abc import Iterator, Sequence

NONE = "[P0]"
"""The mark of an answer that isn't in the passages: a mark is the same in every language, a sentence isn't."""
# Patterns are compiled when they are first used: a cold start needs none.
MORE = r"(?:\s*(?:[,;\u2013-]|and|&)\s*P?\s*\d{1,4})*"
ASKED = rf"(?i)[ \t]*[\[【]\s*(?:passages?\s+)?P\s*(\d{{1,4}}{MORE})\s*[\]】]"
"""[P1] as it is asked for, and with small changes: [P1, P2], [P1-P3], [p1; 2], 【P1】, [Passage P1]."""
USUAL = (
    r"(?i)[ \t]*(?P<open>[\[【]|\((?=\s*(?:P\d|passage)))\s*"
    r"(?P<word>\^|P|(?:passages?|sources?|documents?|refs?\.?)\s+(?:no\.\s*)?)?"
    rf"(?P<numbers>\d{{1,4}}{MORE})\s*(?:†[^\]】]*)?[\]】)]"
)
"""What models write that number their sources in their own way: [1], [1-3], [1; 2], 【1】, 【1†source】, [Passage 2],
[^1], (P1), (passage 2)."""
RANGE = r"(?i)(\d+)(?:\s*[\u2013-]\s*P?\s*(\d+))?"
CONTEXT = 12
"""Characters before a mark that tell a document's own mark, copied with its sentence."""
EARLIER = r"(?i)\W*(i('m| am) sorry\W+|sorry\W+)?(but )?the (documents|passages) (do not|don't) say\b"
"""The sentence that was asked for before there was a mark for it, which tuned models may have learnt."""
TAG = r"(?i)<(?=\s*/?\s*(?:passage|question)\b)"


def cited(text: str, passages: Sequence[str]) -> tuple[str, list[int]]:
    """The text, and the passages that it cites, numbered from 1, as first cited.

    Of marks as they were asked for, those of passages that weren't given are taken out, and the others written alike.
    Where there are none, the usual forms count; they stay as they are, since the text's own brackets look like them:
    an index (`array[0]`), a year, and a mark that a passage has in the same place are no citation.
    """
    found: dict[int, None] = {}

    def rewritten(match: re.Match[str]) -> str:
        numbers = [number for number in _numbers(match[1]) if 1 <= number <= len(passages)]
        found.update(dict.fromkeys(numbers))
        space = match[0][: len(match[0]) - len(match[0].lstrip())]
        return space + "".join(f"[P{number}]" for number in numbers) if numbers else ""

    if re.search(ASKED, text):
        return re.sub(ASKED, rewritten, text).strip(), list(found)
    for match in re.finditer(USUAL, text):
        numbers = list(_numbers(match["numbers"]))
        if all(1 <= number <= len(passages) for number in numbers) and not _is_the_texts_own(match, text, passages):
            found.update(dict.fromkeys(numbers))
    return text.strip(), list(found)


def is_refusal(text: str) -> bool:
    """Whether an answer that cites nothing says that the passages don't have it."""
    return is_marked(text) or re.match(EARLIER, text) is not None


def is_marked(text: str) -> bool:
    """Whether an answer has the mark that the passages don't have it."""
    return 0 in [number for match in re.finditer(ASKED, text) for number in _numbers(match[1])]


def is_empty(text: str) -> bool:
    """Whether a text has no word."""
    return not _words(text)


def overlap(text: str, passages: Sequence[str]) -> float:
    """The share of a text's words that stand in the passages; 1 where it has none."""
    known = {word for passage in passages for word in _compared(passage)}
    words = _compared(without_marks(text))
    return sum(word in known for word in words) / len(words) if words else 1.0


def without_marks(text: str) -> str:
    """A text without citations, and all that looks like one."""
    return re.sub(USUAL, "", re.sub(ASKED, "", text))


def unmarked(text: str) -> str:
    """A text without what a prompt uses to tell passages apart."""
    return re.sub(TAG, "(", re.sub(ASKED, lambda match: re.sub(r"[\[\]【】]", "|", match[0]), text))


def _numbers(text: str) -> Iterator[int]:
    for match in re.finditer(RANGE, text):
        first, last = int(match[1]), int(match[2] or match[1])
        yield from range(first, last + 1) if first <= last <= first + 100 else (first, last)


def _is_the_texts_own(match: re.Match[str], text: str, passages: Sequence[str]) -> bool:
    before, mark = text[: match.start("open")], match[0].strip()
    if match["open"] == "[" and not match["word"] and re.search(r"[\w)]$", before):
        return True  # an index; a mark has a space before it, or another mark
    context = " ".join((before[-CONTEXT:] + mark).split())
    return len(context) > len(mark) and any(context in " ".join(passage.split()) for passage in passages)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _compared(text: str) -> list[str]:
    """Words with four letters, and all with a digit."""
    return [word for word in _words(text) if len(word) > 3 or any(sign.isdigit() for sign in word)]
