"""What the held-out rows may share with those that are trained on."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tandem_contract.errors import Mistakes

from tandem.finetuning.dataset import leaks
from tandem.finetuning.dataset.collect import Collected, collect
from tandem.finetuning.dataset.importers import Reader
from tandem.finetuning.dataset.rows import Row

TEXTS = {"name": "faq", "licence": "CC0-1.0", "source": "made up"}


def row(*said: str, system: str | None = None, **beside: Any) -> dict[str, Any]:
    turns = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]
    return {"messages": [{"role": "system", "content": system}, *turns] if system else turns, **beside}


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def divided(tmp_path: Path, rows: list[Any], split: str = "60/20/20", **options: Any) -> Collected:
    return collect([written(tmp_path / "rows.jsonl", rows)], Reader(**options), split, TEXTS)


def given(tmp_path: Path, train: list[Any], test: list[Any]) -> Collected:
    """Imported with a file for each split; validation has a row of its own."""
    rows = {"train": train, "validation": [row("Something else?", "Yes.")], "test": test}
    files = {name: written(tmp_path / f"{name}.jsonl", found) for name, found in rows.items()}
    return collect(files, Reader(), "80/10/10", TEXTS)


def texts(found: Row) -> list[str]:
    return [" ".join(text.split()) for role, text in found.messages if role != "system"]


def test_a_thousand_conversations_written_turn_by_turn_in_any_order(tmp_path):
    """The check is another one: all beginnings of all training rows, as texts."""
    choose = random.Random(16)  # noqa: S311
    rows = []
    for talk in range(1000):
        said = [f"{kind} {at} of talk {talk}." for at in range(4) for kind in ("Question", "Answer")]
        rows += [
            row(*said[: 2 * length], system=f"Today is 2026-{choose.randint(1, 12):02}-{choose.randint(1, 28):02}.")
            for length in range(1, choose.randint(2, 5))
        ]
    choose.shuffle(rows)
    collected = divided(tmp_path, rows, "80/10/10")
    assert collected.warnings == [] and collected.duplicates == 0
    train = {tuple(texts(found)[:length]) for found in collected.splits["train"] for length in range(1, 9)}
    held = [texts(found) for name in ("validation", "test") for found in collected.splits[name]]
    assert len(held) > 300
    for said in held:
        for length in range(1, len(said) + 1):
            assert tuple(said[:length]) not in train


@pytest.mark.faults
@pytest.mark.parametrize(
    ("train", "test"),
    [
        (row("a", "b"), row("a", "b")),
        (row("Hut  open?", "Yes."), row("hut open?\n", "YES.")),
        (row("a", "b", system="Monday"), row("a", "b", system="Tuesday")),
        (row("café?", "Là."), row("cafe\u0301?", "La\u0300.")),
        (row("a", "b", "c", "d"), row("a", "b")),  # it begins a row of training
        (row("a", "b"), row("a", "b", "c", "d")),  # a row of training begins it
        (row("a", "b", "c", "d", "e", "f"), row("c", "d")),
        (row("a", "b", "c", "d", "e", "f"), row("c", "d", "e", "f")),
    ],
)
def test_a_held_out_answer_inside_training_is_refused(tmp_path, train, test):
    with pytest.raises(Mistakes) as caught:
        given(tmp_path, [row("z", "z"), train], [row("y", "y"), test])
    (mistake,) = caught.value.mistakes
    assert mistake.where.endswith("test.jsonl:2: a test row")
    assert "and its answer are in train too" in mistake.problem and "train.jsonl:2" in mistake.problem


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (row("Hi", "Parcel or crate?", "Why?", "For the form."), row("Hi", "Where?", "Why?", "To find it.")),
        (row("a", "b", "c", "d"), row("a", "d")),
        (row("a", "b", "c", "d"), row("b", "c")),  # an answer is no question
        (row("a", "b c"), row("a b", "c")),
    ],
)
def test_other_dialogues_with_the_same_words_are_no_leak(tmp_path, train, test):
    assert [
        warning for warning in given(tmp_path, [train], [test]).warnings if "another answer; one" not in warning
    ] == []


def test_questions_that_are_nearly_equal_are_counted(tmp_path):
    train = [row(f"Where is crate {at}?", f"In hall {at}.") for at in range(8)]
    test = [row(f"where is crate {at}", f"In hall {at}, then.") for at in range(5)] + [
        row("What is a crate?", "A box.")
    ]
    (warning,) = given(tmp_path, train, test).warnings
    assert warning.startswith(
        "test: 5 of 6 rows ask what train asks, but for punctuation, or with another answer; one is "
    )
    assert divided(tmp_path, train * 4 + test * 4).warnings == []  # they share a split


def test_punctuation_and_case_never_part_a_question(tmp_path):
    rows = [row(form.format(at), f"{form} {at}") for at in range(50) for form in ("Hut {}?", "hut {}", "«HUT» {} …")]
    collected = divided(tmp_path, rows)
    numbers = [{found.messages[-1][1].split()[-1] for found in rows} for rows in collected.splits.values()]
    assert sum(map(len, numbers)) == 50 == len(set().union(*numbers))
    signs = divided(tmp_path, [row(sign * at, f"{sign}{at}") for sign in "?!" for at in range(1, 60)])
    assert min(map(len, signs.splits.values())) > 5  # a question without letters is divided by what it has


def test_what_a_longer_conversation_has_inside_is_left_out_of_what_is_held_out(tmp_path):
    rows = [row(f"Start {at}?", "Yes.", f"Then {at}?", f"Left {at}.") for at in range(60)]
    rows += [row(f"Then {at}?", f"Left {at}.") for at in range(60)]
    collected = divided(tmp_path, rows)
    assert leaks.find(collected.splits) == []
    kept = sum(map(len, collected.splits.values()))
    *left_out, validation, test = collected.warnings
    assert len(left_out) == 120 - kept > 10
    assert "rows end in a whole row of train" in validation and test.startswith("test: ")
    assert ": left out of " in collected.warnings[0] and "are in train too (" in collected.warnings[0]


def test_groups_share_a_split(tmp_path):
    rows = [
        row("Sum up.", f"Sum {at} of {letter}.", case=letter, id=at) for letter in "abcdefghijklmnop" for at in range(3)
    ]
    with pytest.raises(Mistakes, match="name the field that tells them apart with --group-by"):
        divided(tmp_path, rows, leave_out=("case",))
    collected = divided(tmp_path, rows, group_by="case")
    groups = [{found.group for found in rows} for rows in collected.splits.values()]
    assert sum(map(len, groups)) == 16 == len(set().union(*groups))
    assert collected.record == {"left_out": {"id": 48}, "group_by": "case"}
    with pytest.raises(Mistakes, match=r"case: is missing\. --group-by divides by it"):
        divided(tmp_path, [*rows, row("a", "b")], group_by="case")


def test_held_out_rows_that_end_in_a_row_of_training_are_counted(tmp_path):
    whole = row("Start?", "Yes.", "Then?", "Left.", "And then?", "Right.")
    others = [row("Other?", "No.", "And then?", "No."), row("Start?", "Never.")]
    for part in (row("And then?", "RIGHT. "), row("Then?", "Left.", "And then?", "Right.", system="Be brief.")):
        (warning,) = given(tmp_path, [*others, part], [whole]).warnings
        assert "test: 1 of 1 rows end in a whole row of train; one is " in warning and "train.jsonl:3)" in warning
    assert given(tmp_path, others, [whole]).warnings == []


def test_a_group_is_one_in_any_spelling(tmp_path):
    names = [name.format(at) for at in range(20) for name in ("M\u00fcller {}", "Mu\u0308ller {}", " M\u00dcLLER {} ")]
    for spellings in (names, [spelling for at in range(20) for spelling in (at, float(at), str(at))]):
        rows = [row(f"Question {at}?", f"Answer {at}.", who=who) for at, who in enumerate(spellings)]
        groups = [{found.group for found in rows} for rows in divided(tmp_path, rows, group_by="who").splits.values()]
        assert sum(map(len, groups)) == 20 == len(set().union(*groups))
    for value in (" ", "\ud800", [1]):
        with pytest.raises(Mistakes, match=r"who: .* is not allowed"):
            divided(tmp_path, [*rows, row("a", "b", who=value)], group_by="who")


def test_the_same_conversation_in_two_groups_is_left_out(tmp_path):
    rows = [row(f"Question {at}?", f"Answer {at}.", who=at % 20) for at in range(60)]
    collected = divided(tmp_path, rows + [row("Hut?", "Open.", who=who) for who in range(20)], group_by="who")
    assert leaks.find(collected.splits) == []
    assert [found.messages[0][1] for rows in collected.splits.values() for found in rows].count("Hut?") == 1
    assert len(collected.warnings) == 2 and all("'Hut?' and its answer are in train" in it for it in collected.warnings)


def test_many_equal_beginnings_take_no_time(tmp_path):
    """4,000 by 4,000 comparisons of conversations would take minutes."""
    train = [row("Hi", "Hello.", f"Question {at}?", f"Answer {at}.") for at in range(4000)]
    test = [row("Hi", "Hello.", f"Query {at}?", f"Reply {at}.") for at in range(4000)]
    assert given(tmp_path, train, test).warnings == []


def test_tool_calls_are_part_of_an_answer(tmp_path):
    def called(shelf: int) -> dict[str, Any]:
        call = {"function": {"name": "depth", "arguments": {"shelf": shelf}}}
        return {"messages": [{"role": "user", "content": "Deep?"}, {"role": "assistant", "tool_calls": [call]}]}

    assert len(given(tmp_path, [called(1)], [called(2)]).warnings) == 1
    with pytest.raises(Mistakes, match="are in train too"):
        given(tmp_path, [called(1)], [called(1)])
