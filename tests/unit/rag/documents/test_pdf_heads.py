"""PDF: running heads and page numbers are left out, and nothing else is."""

import pytest

from .pdf_files import drawn, page_of, pdf, texts

BODY = ("The hall is heated in winter.", "Keep the doors shut.", "Call the guard first.", "Fork lifts go first.")


def test_running_heads_and_page_numbers_are_left_out():
    pages = [
        page_of(f"Text {word} of the page.", "More.", head="Boiler HX-300", foot=str(at))
        for at, word in enumerate(("one", "two", "three", "four"), start=7)
    ]
    first, *others = texts(pdf(*pages))
    assert first.startswith("Boiler HX-300") and not first.rstrip().endswith("7")  # the head stays where it is first
    assert others == [f"Text {word} of the page.\nMore." for word in ("two", "three", "four")]


def test_what_only_looks_like_a_running_head_stays():
    pages = [page_of(f"Step {at}", f"Turn valve {at * 3}.") for at in (1, 2, 3, 4)]
    assert [page.split("\n")[-1] for page in texts(pdf(*pages))] == [f"Turn valve {at * 3}." for at in (1, 2, 3, 4)]
    pages = [page_of(f"Page {at}: the sluice {at} is closed at level {at * 11}.") for at in (1, 2, 3, 4)]
    assert len(texts(pdf(*pages))) == 4
    assert texts(pdf(*[page_of("Confidential")] * 4)) == ["Confidential"] * 4


@pytest.mark.parametrize(
    "says",
    [
        "Bay {}",
        "Room 10{}",
        "Invoice 100{}",
        "Report of 202{}",
        "Day {}",
        "{} t",
        "Crane {} / 7",
        "Crane: {}",
        "Maximum load: 1{} t",
    ],
)
def test_a_number_that_grows_is_no_page_number(says: str):
    lines = [says.format(at) for at in range(1, 6)]
    for found in (
        texts(pdf(*[page_of(*BODY, head=line) for line in lines])),
        texts(pdf(*[page_of(*BODY, foot=line) for line in lines])),
        texts(pdf(*[page_of("Load", "A line.", "Another.", head=line, foot="The end") for line in lines])),
    ):
        assert [line in text for line, text in zip(lines, found, strict=True)] == [True] * 5


@pytest.mark.parametrize(
    "values", [("yes", "yes", "no", "yes", "yes", "yes"), ("a", "b", "b", "a", "b", "b"), ("yes",) * 5]
)
def test_a_value_that_many_pages_share_stays(values: tuple[str, ...]):
    found = texts(pdf(*[page_of(*BODY, foot=f"Approved: {value}") for value in values]))
    assert [text.rpartition(" ")[2] for text in found] == list(values)


def test_a_mark_on_some_pages_stays():
    marks = ["Approved", "Approved", "", "Approved", ""]
    found = texts(pdf(*[page_of(*BODY, foot=mark) for mark in marks]))
    assert [text.endswith("Approved") for text in found] == [bool(mark) for mark in marks]


def test_the_text_of_a_short_page_is_no_foot():
    found = texts(pdf(*[page_of(f"Bay {at}", "", "Next visit in 6 months.", "Ask Ann.") for at in range(5)]))
    assert [text.endswith("Next visit in 6 months.\nAsk Ann.") for text in found] == [True] * 5


@pytest.mark.parametrize(
    "number",
    ["{}", "- {} -", "Page {} of 5", "Seite {}", "{} / 5", "Manual HX-300 - page {} of 5"],
)
def test_a_page_number_says_what_it_is_or_stands_alone(number: str):
    found = texts(pdf(*[page_of(*BODY, foot=number.format(at)) for at in range(1, 6)]))
    assert found[1:] == ["\n".join(BODY)] * 4


def test_left_and_right_pages_have_heads_of_their_own():
    found = texts(pdf(*[page_of(*BODY, head=("Operating manual", "ACME HX-300")[at % 2]) for at in range(8)]))
    assert found[2:] == ["\n".join(BODY)] * 6


@pytest.mark.parametrize("counted", ["{}", "{} / 8"])
def test_a_page_number_far_from_its_head_is_left_out_with_it(counted: str):
    def pages(x: float, first: int) -> list[str]:
        numbers = [(x, 770.0, counted.format(at)) for at in range(first, first + 8)]
        return texts(pdf(*[drawn((50, 770, "HX-300 by ACME"), number) + b"\n" + page_of(*BODY) for number in numbers]))

    assert pages(500, first=1)[1:] == ["\n".join(BODY)] * 7
    assert [text.splitlines()[0] for text in pages(500, first=1001)] == [
        f"HX-300 by ACME {counted.format(at)}" for at in range(1001, 1009)
    ]
    assert pages(135, first=1)[3].startswith(f"HX-300 by ACME {counted.format(4)}\n")
