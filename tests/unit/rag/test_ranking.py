"""Ranking: one order of two lists, and what counts as an identifier."""

import pytest

from tandem.rag.ranking import FEW, fuse, identifiers
from tandem.rag.stores.base import Hit


def hit(name: str, score: float, position: int = 0, copy: str = "", text: str = "text") -> Hit:
    return Hit(f"{name}{position}{copy}", score, name, f"attempt of {name}", position, None, None, text)


def order(question: str, by_meaning: list[Hit], by_words: list[Hit]) -> list[str]:
    return [each.hit.document for each in fuse(question, by_meaning, by_words)]


def test_the_best_by_meaning_is_not_beaten_by_what_is_low_in_both_lists():
    """As it was by ranks: 2 / (60 + 20) is more than 1 / 61, so that fusion was worse than vectors alone."""
    by_meaning = [hit("best", 0.8), *(hit(f"m{at}", 0.5 - at / 100) for at in range(20)), hit("both", 0.2)]
    by_words = [hit("other", 9.0), *(hit(f"w{at}", 5.0 - at / 10) for at in range(20)), hit("both", 1.0)]
    assert order("what is best?", by_meaning, by_words)[0] == "best"


def test_words_decide_where_meaning_hardly_does():
    by_meaning = [hit("a", 0.71), hit("b", 0.7), hit("c", 0.1)]
    assert order("what?", by_meaning, [hit("b", 8.0), hit("a", 1.0)]) == ["b", "a", "c"]


def test_copies_of_a_chunk_count_once_and_empty_lists_are_lists():
    by_meaning = [hit("a", 0.9), hit("a", 0.9, copy="'"), hit("b", 0.5)]
    assert order("what?", by_meaning, []) == ["a", "b"]
    assert order("what?", [], [hit("a", 2.0), hit("b", 1.0)]) == ["a", "b"]
    assert order("what?", [hit("a", 0.5)], []) == ["a"]
    assert order("what?", [], []) == []


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_scale_of_cosines_does_not_matter(shift):
    """Some embedders give 0.1 to 0.6, others 0.75 to 0.9."""
    by_meaning = [hit("a", 0.60), hit("b", 0.50), hit("c", 0.10)]
    moved = [each._replace(score=shift + each.score * (1 - shift)) for each in by_meaning]
    by_words = [hit("c", 7.0), hit("b", 6.0)]
    assert order("what?", moved, by_words) == order("what?", by_meaning, by_words) == ["b", "a", "c"]


def test_an_identifier_counts_where_few_hold_it_whole():
    rare = hit("rare", 3.0, text="Set max_wal_size first.")
    common = [hit(f"c{at}", 2.0, text="See wal_level.") for at in range(FEW + 1)]
    by_meaning = [hit("near", 0.7), hit("rather", 0.66), hit("far", 0.5), rare._replace(score=0.4)]
    found = fuse("what is max_wal_size", by_meaning, [rare, *common])
    assert [(each.hit.document, each.exact) for each in found[:2]] == [("near", False), ("rare", True)]
    assert order("what is it", by_meaning, [rare, *common]).index("rare") > 1
    assert not any(each.exact for each in fuse("what is wal_level", by_meaning, [rare, *common]))
    assert not any(each.exact for each in fuse("what is wal_size", by_meaning, [rare]))  # a part of a name is none


def test_an_acronym_counts_in_the_order_and_not_at_the_gate():
    by_meaning = [hit("near", 0.9), hit("rather", 0.8), hit("far", 0.5)]
    by_words = [hit("named", 3.0, text="HTTP has port 80.")]
    assert order("which port has HTTP", by_meaning, by_words) == ["near", "named", "rather", "far"]
    assert order("which port has http", by_meaning, by_words) == ["near", "rather", "named", "far"]
    assert not any(each.exact for each in fuse("which port has HTTP", by_meaning, by_words))


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("How do I set max_wal_size?", ["max_wal_size"]),
        ("Where is part HX-300, or B7?", ["hx-300", "b7"]),
        ("What does SQLITE_BUSY mean", ["sqlite_busy"]),
        ("harnfell", ["harnfell"]),
        ("zq0007x.", ["zq0007x"]),
        ("wal_level minimal", ["wal_level", "minimal"]),
        ("Use --force with /etc/passwd and a.conf", ["--force", "/etc/passwd", "a.conf"]),
        ("What was sold on the 3rd of May 2024 for 3.50?", []),
        ("How warm is the tea?", []),
        ("Wie warm ist der Tee?", []),
        ("", []),
    ],
)
def test_identifiers(question, found):
    assert identifiers(question) == found
