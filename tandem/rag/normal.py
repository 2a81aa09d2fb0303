"""The normal form of text, in which it is embedded and searched; it is cited as it stands."""

import re
import unicodedata

# What Unicode says to ignore where it can't be shown (soft hyphens, zero-width spaces, marks of direction, selectors of
# variants, letters of tags), but not the two joiners below.
IGNORED = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = f"{IGNORED}\u200c\u200d"
"""Characters that nobody sees, as a part of a regular expression."""
VISIBLE = re.compile(f"[^\\s\0{INVISIBLE}]")
LEFT_OUT = re.compile(f"[{IGNORED}]")
# Between letters of scripts that are written with them these matter; elsewhere they only keep ligatures away.
JOINERS = re.compile("(?<![\u0600-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefe])[\u200c\u200d]")
# Where what a compatible character stands for can't be put in its place: 10⁵ is not 105, ½ after a 1 is not 11/2, and
# ① before a word is not its beginning.
UNSAFE = ("<super>", "<sub>", "<fraction>", "<circle>")


class _Replacements(dict[int, str]):
    """By code point, each found when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind, *_ = unicodedata.decomposition(character).split() or [""]
        replaced = unicodedata.normalize("NFKC", character)
        is_safe = kind.startswith("<") and kind not in UNSAFE and (not replaced.startswith(" ") or replaced == " ")
        self[code] = replaced if is_safe and not (kind == "<square>" and re.search(r"\d", replaced)) else character
        return self[code]


# Thai and Lao AM, each one key and one letter to whoever types it, are left whole.
REPLACEMENTS = _Replacements({0x2010: "-", 0x2011: "-", 0x0E33: "\u0e33", 0x0EB3: "\u0eb3"})


def searched(text: str) -> str:
    """The text in the form that is searched: `oﬃce` is office, and a soft hyphen is nothing."""
    if text.isascii():
        return text
    text = JOINERS.sub("", LEFT_OUT.sub("", text))
    return unicodedata.normalize("NFC", text.translate(REPLACEMENTS))


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen, so that there is nothing to search for."""
    return VISIBLE.search(text) is None
