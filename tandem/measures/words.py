"""Words of a text as answers and references are compared, in any script.

As SQuAD's script has it (`squad.py`): lower case, without articles and punctuation, split at white space. But what
carries meaning stays, and what carries none goes; docs/evaluation.md has each departure. The standard library alone,
since training jobs carry this module.
"""

import re
import string
import unicodedata
from collections.abc import Callable

# Written or left out without another meaning: Hebrew points, Arabic vowels and its stretched line, pictures' variants.
OPTIONAL = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670\ufe00-\ufe0f"
OTHERWISE = dict.fromkeys("\u2018\u2019\u02bc\u2032", "'") | {
    **{"\u2044": "/", "\u066b": ".", "\u066c": ",", "\u2212": "-", "\u301c": "~"},
    **{"\u2264": "<=", "\u2265": ">=", "\u2260": "!="},
}
# Scripts without spaces between words, so that each character is one: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
UNSPACED_OR_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
# An article stands before a word: the A of a choice, of "Vitamin A", of "A, C" or of "A C" isn't one.
ARTICLE = re.compile(r"\b(?:(?i:an|the)|A(?!\s+[^\w\s]*[A-Z][,;.)]?(?!\S))|a)\s+(?=[^\w\s]*\w)")
POWER = re.compile(r"(?<=\d)([⁺⁻]?[⁰¹²³⁴-⁹]+)")
FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}(?:[,']\d{2,3})*[,']\d{3}(?![,']?\d)|(?<![\d.,:/-])(?<!\d )\d{1,3}(?: \d{3})+(?! ?\d)"
)
LEADING_POINT = re.compile(r"(?<![\w.])\.(?=\d)")
FAR_FROM_NUMBER = re.compile(r"(?<![\w.])([<>]=?)\s+(?=\d)")
MONEY = "$\u00a2-\u00a5\u20a0-\u20c0"
# Signs with a meaning: in a number and between two, before a number (money may stand between), of comparisons and sums,
# behind a note, a name, or a grade.
SIGNS = re.compile(
    r"((?<=\d)\^-(?=\d)|(?<=\d[eE])-(?=\d)|(?<=\d)[^\w\s](?=\d)"
    rf"|(?<![\w.])(?:-|!=|[<>]=?)(?=[{MONEY}]?\d)"
    r"|(?<=\w)!?[<>=+]{1,2}(?=\w)|(?<=\s)(?:!=|[<>]=?|=|\+)(?=\s)"
    r"|(?<=\w)\+{1,2}(?![\w+])|(?<=\b[^\W\d_])#|(?<=[^\W\d_])#(?!\w)"
    r"|(?:(?<=\b[^\W\d_])|(?<=\b[^\W\d_]{2})|(?<=\b[A-Z]{3})|(?<=\b[A-Z]{4}))-(?![\w-]))"
)
AROUND = " \t\r\n.,;:!?\"'`*_()[]{}"
"""What may stand around a sign that is all of an answer."""


def words(text: str) -> list[str]:
    """The words of a text; a text of punctuation alone is compared as it stands, and only an empty one has none."""
    plain = _plain(text)
    return (
        UNSPACED_OR_WORD.findall(_folded(_without_punctuation(plain))) or _folded(plain.strip(AROUND) or plain).split()
    )


def _plain(text: str) -> str:
    """One spelling of one text: composed, of one width, digits and dashes as ASCII has them."""
    text = FRACTION.sub(" ", POWER.sub(r"^\1", text))
    return unicodedata.normalize("NFKC", text).translate(SPELLINGS)


def _folded(text: str) -> str:
    """Without capitals, which tell a grade and a choice from a word before that."""
    return unicodedata.normalize("NFKC", text.casefold())


def _without_punctuation(text: str) -> str:
    text = THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), ARTICLE.sub("", text))
    parts = SIGNS.split(FAR_FROM_NUMBER.sub(r"\1", LEADING_POINT.sub("0.", text)))
    parts[::2] = [part.translate(PUNCTUATION) for part in parts[::2]]
    return "".join(parts)


class _Table(dict[int, str | int]):
    """What `str.translate` asks for each character, worked out when it first comes."""

    def __init__(self, rule: Callable[[str], str | None]) -> None:
        self._rule = rule

    def __missing__(self, code: int) -> str | int:
        found = self._rule(chr(code))
        self[code] = code if found is None else found
        return self[code]


def _spelling(sign: str) -> str | None:
    """How a character is written, if in another way; nothing for one that may be left out."""
    kind = unicodedata.category(sign)
    if kind == "Nd":
        return str(unicodedata.digit(sign))
    if sign in OTHERWISE:
        return OTHERWISE[sign]
    if kind == "Pd":
        return "-"
    return "" if kind == "Cf" or re.match(f"[{OPTIONAL}]", sign) else None


def _punctuation(sign: str) -> str | None:
    """Nothing for Unicode's punctuation, and for what ASCII has beyond it: $+<=>^`|~; parts of a thousand are none."""
    if sign in "\u2030\u2031":
        return None
    return "" if unicodedata.category(sign).startswith("P") or sign in string.punctuation else None


SPELLINGS, PUNCTUATION = _Table(_spelling), _Table(_punctuation)
