"""Document readers: from bytes to sections of text.

A type of documents is a module of this folder with a function `sections`, and a row of `FORMATS` in `detect.py`.
"""

import re
import string
from collections.abc import Iterator
from importlib import import_module
from pathlib import PurePosixPath

from ..normal import INVISIBLE, is_blank
from .detect import EXTENSIONS, detect
from .section import Loss, Rejected, Section

__all__ = ["EXTENSIONS", "check_size", "extract", "load_reader"]

# Letters of tags say things to a language model that no person sees; NUL is in no text, but in mails, JSON and RTF.
# Words of invisible characters, and long runs of them, count nothing to a chunk, which then had no end.
NEVER_SHOWN = re.compile(rf"[\0\U000e0000-\U000e007f]|[{INVISIBLE}]{{20,}}+|(?<!\S)[{INVISIBLE}]++(?!\S)")
# Pictures and files in base64, on one line or several.
BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/])(?:data:[\w.+/-]{1,99};base64,)?"
    r"(?:[A-Za-z0-9+/]{240,}+|(?:[A-Za-z0-9+/]{60,76}+\s{1,80}+){4,}+[A-Za-z0-9+/]*+)={0,2}"
)
BASE64_SHARES = (string.ascii_uppercase, 0.1), (string.ascii_lowercase, 0.1), (string.digits, 0.02)
"""What such data has at least of each kind of characters; of a path, a hash or a sequence of letters one is missing."""


def check_size(size: int, max_megabytes: float) -> None:
    """Raise `Rejected` for a document of `size` bytes that is empty or over the limit (1 MB is 1,000,000 bytes)."""
    if size == 0:
        raise Rejected("the file is empty (0 bytes): upload it again with its content")
    if size > max_megabytes * 1_000_000:
        raise Rejected(
            f"the file has {size / 1_000_000:.1f} MB, over the limit of {max_megabytes:g} MB: "
            "split it, or raise max_document_megabytes"
        )


def load_reader(name: str) -> None:
    """Import what reads a document of this name, if its content is what the name says."""
    if format_ := EXTENSIONS.get(PurePosixPath(name).suffix.lower()):
        import_module(f".{format_.reader}", __name__)


def extract(name: str, content_type: str, data: bytes) -> Iterator[Section | Loss]:
    """Yield the sections of a document that hold text that can be seen, in order, and what was lost.

    The content tells the type, else the extension of `name`, else the content type. Raises `Rejected`.
    """
    format_ = detect(name, content_type, data)
    found = False
    for part in import_module(f".{format_.reader}", __name__).sections(data):
        if isinstance(part, Loss):
            yield part
            continue
        text, count = _without_data(part.text)
        if count:
            yield Loss("embedded data, which is no text", part.page)
        if not is_blank(text):
            found = True
            shown = part._replace(text=text).changed(lambda each: NEVER_SHOWN.sub("", each))
            yield shown._replace(text=shown.text.lstrip("\n").rstrip())
    if not found:
        raise Rejected(
            "no text could be extracted: the file holds only white space, or parts that aren't shown. "
            "Upload it again with its content"
        )


def _without_data(text: str) -> tuple[str, int]:
    """The text without data in base64, and how much of that there was."""
    dropped = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal dropped
        data = match[0]
        is_data = all(sum(map(data.count, kind)) >= share * len(data) for kind, share in BASE64_SHARES)
        dropped += is_data
        return "" if is_data else data

    return BASE64.sub(replaced, text), dropped
