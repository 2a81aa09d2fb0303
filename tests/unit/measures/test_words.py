# ruff: noqa: RUF001 - signs that look alike are what this is about
"""Words in any script: the cases of the evaluation, each departure from SQuAD, and a second writing of both rules."""

import random
import re
import string
import unicodedata
from collections import Counter

import pytest

from tandem.measures import squad
from tandem.measures.metrics import exact_match, token_f1
from tandem.measures.words import words


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("", "A", 0, 0),
        ("the", "A", 0, 0),
        ("A.", "A", 1, 1),
        ("-", "+", 0, 0),
        ("1.5", "15", 0, 0),
        ("-5", "5", 0, 0),
        ("3/4", "34", 0, 0),
        ("10:30", "1030", 0, 0),
        ("C++", "C", 0, 0),
        ("1,000", "1000", 1, 1),
        ("北京。", "北京", 1, 1),
        ("中国首都是北京", "北京", 0, 0.4444),
        ("cafe\u0301", "café", 1, 1),
        ("don’t know", "don't know", 1, 1),
        ("“Paris”", "Paris", 1, 1),
        ("ＡＢＣ １２", "ABC 12", 1, 1),
        ("«Paris»", "Paris", 1, 1),
    ],
)
def test_the_cases_of_the_evaluation(answer, reference, exact, f1):
    assert exact_match(answer, reference) == exact
    assert token_f1(answer, reference) == pytest.approx(f1, abs=5e-5)


SAME = [
    ("**A**", "A"), ("(B)", "b"), ("'+'", "+"), ("+.", "+"), ("- ", "-"), ("?!", "?!"),
    ("−5", "-5"), ("–5 °C", "-5 °C"), (".5", "0.5"), ("1'000", "1000"), ("1\u202f000", "1000"),
    ("2 450 m", "2450 m"), ("10 000 000", "10000000"),
    ("12,345,678", "12345678"), ("1,00,000", "100000"), ("٣٫٥", "3.5"), ("½", "1/2"), ("$5", "5"),
    ("10:30.", "10:30"), ("(1990–1995)", "1990-1995"), ("Straße", "STRASSE"),
    ("well-known", "wellknown"), ("a.m.", "am"), ("The “Paris”!", "paris"), ("Node.js", "nodejs"),
    ("مُحَمَّد؟", "محمد"), ("خانه\u200cها", "خانهها"), ("กรุงเทพ!", "กรุงเทพ"), ("東京、", "東京"),
    ("ﾄｳｷｮｳ", "トウキョウ"), ("👍\ufe0f", "👍"),
    ("≥5", ">=5"), ("≥ 5", ">=5"), ("a ≠ b", "a != b"), ("10〜20", "10～20"), ("1E−3", "1e-3"), ("BBB–", "BBB-"),
    ("A C++ program", "C++ program"),
    ("Salt + pepper.", "salt + Pepper"), ("A cat", "cat"), ("the C", "C"), ("got a C", "got C"), ("THE HUT", "hut"),
]  # fmt: skip
OTHERS = [
    ("A, C", "C"), ("Vitamin A", "Vitamin"), ("Hepatitis A", "Hepatitis B"), ("C#", "C"),
    ("C#", "C++"), ("A+", "A"), ("A-", "A"), ("O+", "O-"), ("AB-", "AB+"), ("18+", "18"),
    ("<5", ">5"), ("10⁵", "105"), ("1½", "11/2"), ("2020-01-05", "20200105"), ("1,5", "15"),
    ("1,5", "1.5"), ("192.168.1.1", "19216811"), ("v1.5", "v15"), ("3-4", "34"),
    ("12, 300", "12300"), ("5 1000", "51000"), ("2^8", "28"),
    ("$-5", "$5"), ("👍", "👎"), ("!", "?"), ("北", "京"), ("é", "e"), ("が", "か"), ("한국", "한 국"),
    ("1e-3", "1e3"), ("10^-3", "10^3"), ("10⁻³", "10³"), ("> 5", "< 5"), ("-€5", "€5"), ("-£5", "£5"),
    ("BBB-", "BBB"), ("HIV-", "HIV"), ("GRDE-", "GRDE"), ("A C", "C"), ("A B", "B"), ("A B C", "B C"),
    ("C#m", "Cm"), ("F#7", "F7"), ("a != b", "a = b"), ("a<b", "a>b"), ("a<=b", "a<b"), ("x+5", "x-5"), ("x=5", "x5"),
    ("a + b", "a b"), ("5‰", "5%"), ("5‰", "5"),
]  # fmt: skip


@pytest.mark.faults
@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_text_in_two_writings(one, other):
    assert exact_match(one, other) == token_f1(other, one) == 1


@pytest.mark.faults
@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_means_something_else_is_another(one, other):
    assert exact_match(one, other) == 0


def test_only_an_empty_text_has_no_words():
    for sign in string.punctuation + "。؟«»–…":
        assert words(sign), sign
    assert words("") == words(" \n\u200b") == []
    assert token_f1("", "") == 1  # nothing asked for, nothing said


# The rule of squad.py as SQuAD's own script has it, which is another writing of it.
def squad_script(text):
    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return " ".join(remove_articles(remove_punc(text.lower())).split()).split()


def by_hand(text):
    """The rule of words.py, sign by sign, for texts of `PIECES`."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join("" if "\u064b" <= sign <= "\u0652" else sign for sign in text).replace("’", "'").replace("−", "-")
    pieces = text.split()
    kept = [
        piece
        for at, piece in enumerate(pieces)
        if piece.casefold() not in ("a", "an", "the")
        or at + 1 == len(pieces)
        or (piece == "A" and pieces[at + 1] in ("A", "B"))
        or not any(sign.isalnum() for sign in pieces[at + 1])
    ]
    found = []
    for piece in map(str.casefold, kept):
        word = ""
        for at, sign in enumerate(piece):
            before, after = piece[at - 1 : at], piece[at + 1 : at + 2]
            if unicodedata.category(sign)[0] != "P" and sign not in string.punctuation:
                word += sign
            elif before.isdigit() and after.isdigit():
                word += "" if piece == "1,000" else sign  # the one that is grouped
            elif sign == "-" and after.isdigit() and not before.isalnum():
                word += sign
        run = ""
        for sign in word:
            if "\u3040" <= sign <= "\u30ff" or "\u4e00" <= sign <= "\u9fff":
                found += [run] * bool(run) + [sign]
                run = ""
            else:
                run += sign
        found += [run] * bool(run)
    return found


def f1(given, wanted):
    if not given or not wanted:
        return float(given == wanted)
    left, shared = list(wanted), 0
    for word in given:
        if word in left:
            left.remove(word)
            shared += 1
    return 2 * shared / (len(given) + len(wanted))


PIECES = (
    *("Paris", "paris", "the", "a", "A", "B", "An", "don't", "don’t", "café", "cafe\u0301", "well-known"),
    *("15", "1.5", "-5", "−5", "5", "1,000", "1000", "10:30", "3/4", "ＡＢＣ", "１２", "2024-01-05"),
    *("北京", "北京。", "東京は", "「東京」", "トウキョウ", "مُحَمَّد", "محمد،", "القاهرة", "“Paris”", "«hut»"),
)


def texts(seed, count):
    draws = random.Random(seed)  # noqa: S311
    return [" ".join(draws.choices(PIECES, k=draws.randint(1, 6))) for _ in range(count)]


def test_a_thousand_random_pairs_against_a_second_writing_of_the_rule():
    met = Counter()
    for answer, reference in zip(texts(1, 1000), texts(2, 1000), strict=True):
        given, wanted = by_hand(answer), by_hand(reference)
        assert words(answer) == given, answer
        assert exact_match(answer, reference) == float(given == wanted)
        assert token_f1(answer, reference) == pytest.approx(f1(given, wanted), abs=1e-12)
        met["shared"] += 0 < f1(given, wanted) < 1
    assert met["shared"] > 300


def test_a_thousand_random_pairs_against_squads_script():
    draws = random.Random(3)  # noqa: S311
    signs = "aAtheTHE an the A 15.,-+/'’“”。北京é$%\n\tx"
    mixed = ["".join(draws.choices(signs, k=draws.randint(0, 20))) for _ in range(1000)]
    for answer, reference in zip([*texts(4, 1000), *mixed], [*texts(5, 1000), *mixed[::-1]], strict=True):
        given, wanted = squad_script(answer), squad_script(reference)
        assert squad.words(answer) == given
        assert exact_match(answer, reference, squad.words) == float(given == wanted)
        assert token_f1(answer, reference, squad.words) == pytest.approx(f1(given, wanted), abs=1e-12)
