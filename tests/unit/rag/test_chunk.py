"""Chunks: nothing lost, sizes bounded, good places to cut."""

import random

import pytest

from tandem.rag.chunk import chunk, estimated_tokens
from tandem.rag.documents.section import Section


def make_text(seed: int) -> str:
    chooser = random.Random(seed)  # noqa: S311 - test data
    words = ["tea", "Häuser", "contemporaneous", "茶は緑です。黒もある。", "x" * 300, "a.b", "end."]
    text = ""
    for _ in range(chooser.randint(1, 600)):
        text += chooser.choice(words) + chooser.choice([" ", " ", " ", "\n", "\n\n", "  \n \n"])
    return text


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("tokens", "overlap"), [(200, 40), (20, 0), (20, 9)])
def test_nothing_is_lost_and_sizes_are_bounded(seed, tokens, overlap):
    text = make_text(seed)
    chunks = list(chunk([Section(text, heading="A heading")], tokens, overlap))
    assert all(estimated_tokens(piece.embedded) <= tokens + 1 for piece in chunks)
    assert [piece.position for piece in chunks] == list(range(len(chunks)))
    assert chunks == list(chunk([Section(text, heading="A heading")], tokens, overlap))
    # Each chunk is found in the text (but for its white space) at or before the end of the last: no gap.
    packed, covered = "".join(text.split()), 0
    for piece in chunks:
        part = "".join(piece.text.split())
        start = next(at for at in range(covered, -1, -1) if packed.startswith(part, at))
        covered = max(covered, start + len(part))
    assert covered == len(packed)


def test_cuts_at_paragraphs_then_sentences_then_words():
    paragraph = "word " * 11 + "word."
    assert [c.text for c in chunk([Section(f"{paragraph}\n\n{paragraph}\n\n{paragraph}")], 25, 0)] == [paragraph] * 3
    sentences = " ".join(["One two three four five six."] * 4)
    assert all(c.text.endswith("six.") for c in chunk([Section(sentences)], 20, 0))
    assert len(list(chunk([Section("word " * 100)], 25, 0))) == 8


def test_overlap_repeats_whole_sentences_where_it_can():
    text = "Alpha beta gamma delta epsilon zeta. Eta theta. Iota kappa lambda mu nu xi omicron pi rho."
    first, second, *_ = chunk([Section(text)], 20, 6)
    assert first.text.endswith("Eta theta.") and second.text.startswith("Eta theta.")


def test_headings_and_pages_are_not_mixed():
    parts = [Section("a", heading="H1"), Section("b", heading="H2"), Section("c", page=1), Section("d", page=2)]
    assert [(c.text, c.page, c.heading) for c in chunk(parts)] == [
        ("a", None, "H1"),
        ("b", None, "H2"),
        ("c", 1, None),
        ("d", 2, None),  # a page of one word is cited with its own number
    ]


def test_long_heading_leaves_room_for_text():
    assert all(len(c.text.split()) >= 5 for c in list(chunk([Section("word " * 50, heading="h" * 200)], 20, 4))[:-1])


def test_overlap_that_never_advances_is_refused():
    with pytest.raises(ValueError, match=r"chunk_overlap is 100.*half of chunk_tokens \(200\)"):
        list(chunk([], 200, 100))


def make_table(rows: int, width: int = 3) -> Section:
    header = " | ".join(f"Column {at}" for at in range(width))
    return Section("\n".join(" | ".join(f"Z{row} {at}" for at in range(width)) for row in range(rows)), header=header)


def test_a_table_has_its_header_in_each_chunk_and_is_cut_between_rows():
    table = make_table(100)
    chunks = list(chunk([table], 100, 20))
    assert len(chunks) > 5
    assert all(piece.text.startswith(f"{table.header}\n") for piece in chunks)
    assert [row for piece in chunks for row in piece.text.split("\n")[1:]] == table.text.split("\n")
    assert all(estimated_tokens(piece.embedded) <= 100 for piece in chunks)


def test_a_table_without_a_header_is_cut_between_rows():
    table = make_table(100)._replace(header="")
    chunks = list(chunk([Section("Before. " * 5), table, Section("After.")], 100, 20))
    assert len(chunks) > 5
    lines = [line for piece in chunks for line in piece.text.split("\n") if line.startswith("Z")]
    assert lines == table.text.split("\n")
    assert all(estimated_tokens(piece.embedded) <= 100 for piece in chunks)


def test_a_row_longer_than_a_chunk_is_cut_at_words_under_its_header():
    table = Section("first | row\n" + "word " * 300 + "\nlast | row", header="Name | Text")
    chunks = list(chunk([table], 60, 10))
    assert len(chunks) > 8
    assert all(piece.text.startswith("Name | Text\n") and estimated_tokens(piece.text) <= 60 for piece in chunks)
    assert " ".join(piece.text for piece in chunks).count("word") == 300


def test_a_header_longer_than_a_chunk_loses_nothing():
    header = " | ".join(f"column{at}" for at in range(200))
    chunks = list(chunk([Section("1 | 2\n3 | 4", header=header)], 60, 10))
    text = " ".join(piece.text for piece in chunks)
    assert all(f"column{at}" in text for at in range(200)) and "3 | 4" in text
    assert all(estimated_tokens(piece.text) <= 60 for piece in chunks)


def test_a_small_table_stands_in_the_chunk_of_the_text_around_it():
    parts = [Section("Before.", heading="H"), make_table(2)._replace(heading="H"), Section("After.", heading="H")]
    (piece,) = chunk(parts)
    assert piece.text == "Before.\n\nColumn 0 | Column 1 | Column 2\nZ0 0 | Z0 1 | Z0 2\nZ1 0 | Z1 1 | Z1 2\n\nAfter."


def test_a_very_long_heading_leaves_room_for_text_in_every_script():
    for heading in ("h" * 200, "見" * 200, "Überschrift " * 16):
        chunks = list(chunk([Section("word " * 500, heading=heading)], 100, 20))
        assert all(estimated_tokens(piece.embedded) <= 101 for piece in chunks)
        assert len(chunks) < 30


def test_text_is_cited_as_it_stands_and_searched_in_its_normal_form():
    text = "The oﬃce deﬁnition of co\u00adoper\u00adation: 10\u00a0000 zero\u200bwidth, 10⁵ V\n    indented   apart"
    (piece,) = chunk([Section(text)])
    assert piece.text == text
    assert piece.searched == "The office definition of cooperation: 10 000 zerowidth, 10⁵ V\n    indented   apart"
    assert piece.embedded == piece.searched


@pytest.mark.parametrize(
    ("word", "tokens"),
    [  # what the tokenizer of MiniLM makes of it, counted once
        ("internationalization", 2),
        ("Paketverwaltungssysteme", 9),
        ("пакетов", 7),
        ("الحزمة", 6),
        ("倉庫は月曜日に開く", 9),
        ("│", 1),
        ("3f9a0c77be1d", 8),
        ("00:19:44,871", 7),
    ],
)
def test_the_estimate_bounds_the_tokens_of_every_script(word, tokens):
    assert tokens <= estimated_tokens(word) <= 2.5 * tokens + 6


def test_a_long_section_is_cut_as_it_comes():
    def parts():
        yield Section("word " * 5000)
        raise AssertionError("read on before it was asked for")

    assert next(iter(chunk(parts()))).position == 0


def test_indentation_stays_with_its_line():
    code = "if a:\n    b()\n\n        c()  # d\n\te()"
    assert [piece.text for piece in chunk([Section(code)])] == [code]
    pieces = list(chunk([Section("\n".join(["def f():", *["    call()"] * 100]))], 40, 0))
    assert len(pieces) > 5 and all(line.startswith("    ") for piece in pieces[1:] for line in piece.text.split("\n"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["x" * 3_000_000, "Zg9+/" * 600_000, "a\n" + " " * 3_000_000 + "\nb", "、" * 1_000_000]
)
def test_texts_without_words_take_no_longer_than_others(text):
    chunks = list(chunk([Section(text)]))
    assert sum(len("".join(piece.text.split())) for piece in chunks) >= len("".join(text.split()))
    assert all(estimated_tokens(piece.text) <= 200 for piece in chunks)
    assert list(chunk([Section(text.replace("\n", " "), header="a | b")]))
