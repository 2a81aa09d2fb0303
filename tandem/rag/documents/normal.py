"""The normal form of text, in which it is embedded and searched; it is cited as it stands."""

import re
import unicodedata

# Soft hyphens, zero-width spaces and joiners of words, byte order marks, marks of direction.
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
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


REPLACEMENTS = _Replacements({ord("\u2010"): "-", ord("\u2011"): "-"})


def searched(text: str) -> str:
    """The text in the form that is searched: `oﬃce` is office, and a soft hyphen is nothing."""
    if text.isascii():
        return text
    text = JOINERS.sub("", INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text.translate(REPLACEMENTS))
