"""Escaping of texts, so that nothing in them is markup."""

import html
import re

# Neither HTML nor XML holds them, nor does UTF-8 the surrogates.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# What turns the direction of the text after it, so that a name reads as another.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_IN_CODE = str.maketrans({"`": "'", "|": "\\|"})
_BLOCK = re.compile(r"^(\d*)([-+#.)]+(?:\s|$))")  # what begins a heading, a list or a rule
# Where GitHub makes a link, or a mention, of what is no markup: addresses, people, issues.
_LINK = re.compile(r"(?<=@)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=#)(?=\d)|(?<=\bgh-)(?=\d)", re.IGNORECASE)
_CODE = re.compile(r"`([^`]*[^`\s][^`]*)`")


def fit(text: str) -> str:
    """The text with U+FFFD in place of signs that a page can't hold."""
    return _UNFIT.sub("\ufffd", text)


def lined(text: str) -> str:
    """The text as one line that neither steers a terminal nor turns what follows."""
    return " ".join(_TURNS.sub("\ufffd", fit(text)).split())


def clipped(text: str, length: int) -> str:
    """One line of at most so many characters, the last a … if there are more."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def inert(text: str) -> str:
    """A line for Markdown in which nothing is markup, nor links or mentions; only what is between backticks is code."""
    plain, *rest = _CODE.split(lined(text))
    return _BLOCK.sub(r"\1\\\2", _literal(plain)) + "".join(
        code(name) + _literal(after) for name, after in zip(rest[::2], rest[1::2], strict=True)
    )


def code(text: str) -> str:
    """A name for Markdown, as code; nothing for an empty one."""
    line = lined(text)
    return f"`{line.translate(_IN_CODE)}`" if line else ""


def _literal(text: str) -> str:
    safe = html.escape(text, quote=False)
    for sign in "\\`*_[]|~":
        safe = safe.replace(sign, f"\\{sign}")
    return _LINK.sub("\u200b", safe)
