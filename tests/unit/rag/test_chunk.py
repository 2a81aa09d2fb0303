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
    assert [c.text for c in chunk([Section(f"{paragraph}\n\n{paragraph}\n\n{paragraph}")], 20, 0)] == [paragraph] * 3
    sentences = " ".join(["One two three four five six."] * 4)
    assert all(c.text.endswith("six.") for c in chunk([Section(sentences)], 20, 0))
    assert len(list(chunk([Section("word " * 100)], 20, 0))) == 7


def test_overlap_repeats_whole_sentences_where_it_can():
    text = "Alpha beta gamma delta epsilon zeta. Eta theta. Iota kappa lambda mu nu xi omicron pi rho."
    first, second, *_ = chunk([Section(text)], 12, 5)
    assert first.text.endswith("Eta theta.") and second.text.startswith("Eta theta.")


def test_headings_and_pages_are_not_mixed():
    parts = [Section("a", heading="H1"), Section("b", heading="H2"), Section("c", page=1), Section("d", page=2)]
    assert [(c.text, c.page, c.heading) for c in chunk(parts)] == [
        ("a", None, "H1"),
        ("b", None, "H2"),
        ("c\n\nd", 2, None),  # a page of one word belongs to the next
    ]


def test_long_heading_leaves_room_for_text():
    assert all(len(c.text.split()) >= 5 for c in list(chunk([Section("word " * 50, heading="h" * 200)], 20, 4))[:-1])


def test_overlap_that_never_advances_is_refused():
    with pytest.raises(ValueError, match=r"chunk_overlap is 100.*half of chunk_tokens \(200\)"):
        list(chunk([], 200, 100))
