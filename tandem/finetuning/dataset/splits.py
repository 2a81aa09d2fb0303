"""Divides rows into train, validation and test by a digest of how a conversation begins."""

import hashlib
import string
import unicodedata
from collections.abc import Iterable, Mapping

from tandem_contract.checks import Checks

from .rows import Row

SPLITS = ("train", "validation", "test")
DEFAULT = "80/10/10"
SUBJECT = "The data set"
Splits = dict[str, list[Row]]

NO_LETTERS = bytes(code for code in range(128) if chr(code) not in string.ascii_letters + string.digits)


def proportions(text: str) -> tuple[float, float, float] | None:
    """Return train, validation and test as fractions; None unless three percentages above 0 make 100."""
    try:
        train, validation, test = (float(part) / 100 for part in text.split("/"))
    except ValueError:
        return None
    whole = min(train, validation, test) > 0 and abs(train + validation + test - 1) < 1e-9
    return (train, validation, test) if whole else None


def letters(text: str) -> str:
    """A text's letters, with their marks, and digits in one case and one form of Unicode; the text if it has none."""
    if text.isascii():
        return text.lower().encode().translate(None, NO_LETTERS).decode() or text
    whole = folded(text)
    return "".join(filter(_is_said, whole)) or whole


def _is_said(sign: str) -> bool:
    # The vowels of Hindi or Thai are marks; what chooses between forms of an emoji is one too.
    return sign.isalnum() or (unicodedata.category(sign)[0] == "M" and not "\ufe00" <= sign <= "\ufe0f")


def folded(text: str) -> str:
    """A text in one case and one form of Unicode."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def start(row: Row) -> str:
    """What a row is divided by: its group, or else the letters and digits of its first user message."""
    return row.group or letters(next(content for role, content in row.messages if role == "user"))


def divide(rows: Iterable[Row], shares: tuple[float, float, float]) -> Splits:
    """Put every row into the split that the digest of its start names: one conversation is always in one split."""
    train, validation, _ = shares
    splits: Splits = {name: [] for name in SPLITS}
    for row in rows:
        point = int.from_bytes(hashlib.sha256(start(row).encode()).digest()[:8]) / 2**64
        name = "train" if point < train else "validation" if point < train + validation else "test"
        splits[name].append(row)
    return splits


def without_duplicates(rows: Iterable[Row]) -> list[Row]:
    """Return the rows in order, of those with the same messages (white space at their ends aside) the first."""
    seen: dict[int, Row] = {}
    kept = []
    for row in rows:
        first = seen.setdefault(hash(_said(row)), row)
        if first is row or _said(first) != _said(row) or (first.more, first.tools) != (row.more, row.tools):
            kept.append(row)
    return kept


def _said(row: Row) -> tuple[str, ...]:
    return tuple(part.strip() for message in row.messages for part in message)


def check_empty(splits: Mapping[str, list[Row]], checks: Checks) -> None:
    """Add a mistake for each split without rows."""
    rows = [row for found in splits.values() for row in found]
    remedy = "Give more rows, a larger share with --split, or files for all three (--train, --validation, --test)."
    if len(rows) >= len(SPLITS) and len(_starts(rows)) < len(SPLITS):
        remedy = (
            "Rows with one first user message are one conversation, and most of these have the same: name the field "
            "that tells them apart with --group-by, or give files for all three (--train, --validation, --test)."
        )
    for name in SPLITS:
        if not splits[name]:
            checks.add(name, "the split is empty", remedy)


def _starts(rows: list[Row]) -> set[str]:
    """The first few different starts."""
    found: set[str] = set()
    for row in rows:
        found.add(start(row))
        if len(found) == len(SPLITS):
            break
    return found
