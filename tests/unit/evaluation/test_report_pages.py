"""The page as a thing: the two-by-two, every answer, nothing from outside, nothing that a run holds as markup."""

import re
from dataclasses import replace
from itertools import combinations

import pytest

from tandem.evaluation.reports import html, markdown
from tandem.evaluation.reports.content import MOST
from tandem.evaluation.runs import Measured, Price
from tests.support.evaluation_pages import answer_rows, chart, page, parsed, rows, section, text
from tests.support.evaluation_runs import KINDS, answering, sample, without

EVIL = (
    "</td></details><script>alert(1)</script><img src=\"http://x/\" onerror='a()'>&amp;\x00\ud800\n"
    + "w <blink>o</blink> " * 50
)
SAFE = EVIL.replace("\x00\ud800", "\ufffd\ufffd")


def numbers(picture):
    """The numbers in the two-by-two."""
    return [found.text for found in picture.iter("text") if (found.get("class") or "").startswith("number")]


def legend(tree):
    """Which run has which number."""
    caption = tree.find(".//figcaption")
    return {found.get("class").removeprefix("c"): found.text for found in caption.iter("span")}


def test_two_by_two_shows_each_run_and_its_intervals():
    runs = sample()
    tree = parsed(runs)
    picture = chart(tree)
    assert numbers(picture) == ["1", "2", "3", "4"]
    assert legend(tree) == {str(number): run.name for number, run in enumerate(runs, 1)}
    said = text(picture.find("desc"))
    for run in runs:
        value, low, high = (f"{getattr(run.metrics['token_f1'], key):.2f}" for key in ("value", "low", "high"))
        assert f"{run.name}: Token F1 {value} ({low} to {high}), Format adherence " in said
    ticks = {found.text for found in picture.iter("text") if found.get("class") == "tick"}
    assert ticks == {"0.00", "0.25", "0.50", "0.75", "1.00"}


def test_a_run_that_is_not_in_the_picture_is_named():
    base, rag, tuned = sample(("base", "rag", "tuned"))
    found = parsed([base, without(rag, "format_adherence"), tuned])
    assert numbers(chart(found)) == ["1", "3"]
    assert legend(found) == {"1": "base", "2": "rag", "3": "tuned"}
    assert "Not in the picture: rag, without token F1 and format adherence" in text(found)


def test_one_axis_without_format_adherence():
    runs = [without(run, "format_adherence") for run in sample()]
    found = section(parsed(runs), "Content and form")
    assert chart(found) is None
    assert [row[0] for row in rows(found)[1:5]] == [run.name for run in runs]
    assert "Format adherence was not measured" in text(found)


def test_the_numbers_of_equal_runs_stand_beside_each_other():
    (run,) = sample(("base",))
    same = dict.fromkeys(run.metrics, Measured(0.5, 0.5, 0.5, 16, 0))
    runs = [replace(run, name=name, metrics=same) for name in KINDS]
    picture = chart(parsed(runs, {other.name: [] for other in runs[1:]}))
    found = [text for text in picture.iter("text") if (text.get("class") or "").startswith("number")]
    assert {(text.get("x"), text.get("y")) for text in found} == {("50.00%", "50.00%")}
    places = [(int(text.get("dx")), int(text.get("dy"))) for text in found]
    assert all(abs(x - u) > 8 or abs(y - v) > 10 for (x, y), (u, v) in combinations(places, 2))


def test_every_question_has_the_answer_of_each_run():
    runs = sample(tuple(KINDS), 30)
    found = answer_rows(parsed(runs))
    assert list(found) == [f"q{number}" for number in range(1, 31)]
    for place, cells in enumerate(found.values()):
        for run, (name, scores, answer, cited) in zip(runs, cells, strict=True):
            reply = run.replies[place]
            assert text(name) == run.name
            assert text(answer).endswith(reply.error or reply.text)
            assert text(answer).startswith("Failed:") == bool(reply.error)
            assert text(answer).startswith("Refused:") == reply.refused
            assert all(document in text(cited) for document in reply.cited)
            score = run.scores["token_f1"][place]
            assert score is None or f"{score:.2f} token F1" in text(scores)


def test_answers_follow_their_questions_where_a_run_has_another_order():
    base, rag = sample(("base", "rag"))
    turned = {key: tuple(reversed(getattr(rag, key))) for key in ("questions", "replies")}
    turned["scores"] = {name: tuple(reversed(found)) for name, found in rag.scores.items()}
    straight, other = (answer_rows(parsed([base, run], {"rag": []})) for run in (rag, replace(rag, **turned)))
    assert [[text(cell) for cell in cells[1]] for cells in other.values()] == [
        [text(cell) for cell in cells[1]] for cells in straight.values()
    ]


def test_what_should_have_been_done_is_marked_by_more_than_colour():
    (run,) = sample(("base",))
    scores = {**run.scores, "refusal_accuracy": (1.0, 0.0, 1.0, 1.0, 0.0, *run.scores["refusal_accuracy"][5:])}
    found = answer_rows(parsed([replace(run, scores=scores)]))
    assert "✓ answered" in text(found["q1"][0][1])
    assert "✗ answered" in text(found["q2"][0][1])
    assert "✗ refused" in text(found["q5"][0][1])


def test_worst_questions_lead_to_their_answers():
    (run,) = sample(("rag",), 60)
    tree = parsed([run])
    ids = {element.get("id") for element in tree.iter()}
    links = [link.get("href") for link in tree.iter("a")]
    lowest = min((s, place) for place, s in enumerate(run.scores["token_f1"]) if s is not None)[1]
    assert len(links) == 5
    assert links[0] == f"#q{lowest + 1}"
    assert {link.removeprefix("#") for link in links} <= ids


@pytest.mark.faults
def test_nothing_that_a_run_holds_is_markup():
    base, rag = sample(("base", "rag"))
    base = answering(base, EVIL, EVIL, cited=(EVIL,))
    first, *others = base.questions
    first = replace(first, id=EVIL, question=EVIL, reference=EVIL, document=EVIL, tags=(EVIL,))
    failed = replace(base.replies[2], error=EVIL)
    about = {"questions": (first, *others), "replies": (*base.replies[:2], failed, *base.replies[3:])}
    base = replace(base, name=EVIL, target={"kind": EVIL, "id": EVIL}, settings={EVIL: EVIL}, **about)
    base = replace(base, price=Price(None, EVIL, (EVIL,)))
    tree = parsed([base, replace(rag, questions=base.questions)], {"rag": []})
    assert not {element.tag for element in tree.iter()} & {"script", "img", "blink"}
    found = answer_rows(tree)
    assert text(found["q1"][0][2]) == SAFE
    assert text(found["q3"][0][2]) == f"Failed: {SAFE}"
    summary = markdown.render([replace(base, digest=rag.digest)], {})
    assert "<script" not in summary
    assert "&lt;script&gt;" in summary


@pytest.mark.faults
def test_a_long_answer_is_folded_and_whole():
    (run,) = sample(("base",))
    for long in ("word " * 400, "x" * 3000, "line\n" * 300):
        cell = answer_rows(parsed([answering(run, long)]))["q1"][0][2]
        assert text(cell) == long
        assert len(text(cell.find("details/summary"))) <= 240


@pytest.mark.parametrize("names", [tuple(KINDS)[:count] for count in range(1, 7)])
def test_the_page_needs_nothing_else(names):
    runs = sample(names)
    written = page(runs)
    tree = parsed(runs)
    assert "@import" not in written
    assert "url(" not in written
    assert not {element.tag for element in tree.iter()} & {"script", "link", "iframe", "img", "object", "embed", "base"}
    for element in tree.iter():
        assert not set(element.keys()) & {"src", "srcset", "style", "onload", "onclick", "action", "data"}
        assert (element.get("href") or "#").startswith("#")


def test_the_page_is_sound_and_can_be_heard():
    tree = parsed(sample(tuple(KINDS)))
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert tree.get("lang") == "en"
    nested = {inner for outer in tree.iter("svg") for inner in outer.iter("svg") if inner is not outer}
    assert all(text(svg.find("title")) for svg in tree.iter("svg") if svg not in nested)
    assert set(chart(tree).get("aria-labelledby").split()) <= set(ids)
    # HTML, other than XML, ends a paragraph where a block begins.
    assert not [p for p in tree.iter("p") for inner in p.iter() if inner.tag in ("div", "details", "table", "section")]
    assert all(cell.get("scope") for cell in tree.iter("th"))


def test_a_narrow_page_says_of_every_value_whose_it_is():
    """Rows become blocks without their head there: a table that is cut shows no more than the first run."""
    runs = sample()
    named = [(f"c{number}", run.name) for number, run in enumerate(runs, 1)]
    for title in ("Metrics", "By tag"):
        heads, *others = section(parsed(runs), title).iter("tr")
        lines = [row.findall("td") for row in others if row.get("class") != "group"]
        assert len(list(heads)) == 5 and len(lines) > 2
        for line in lines:
            assert [(cell.find("span").get("class"), cell.find("span").text) for cell in line] == named
    style, narrow = (html.HERE / "report.css").read_text().split("@media screen and (max-width: 760px)")
    shown = r'td > span\[class\^="c"\] \{ display: '
    assert re.findall(shown + r"(\S+)", style) == ["none"] and re.findall(shown + "(.+?);", narrow) == ["inline-block"]
    assert ".metrics thead { display: none }" in narrow and ".metrics td { display: grid;" in narrow


def test_a_table_that_scrolls_shows_so():
    """Of four layers two move with the table, and uncover the shadow at the side where there is more."""
    (wide,) = re.findall(r"^\.wide \{(.+?)^\}", (html.HERE / "report.css").read_text(), re.MULTILINE | re.DOTALL)
    assert "overflow-x: auto" in wide and wide.count(" local") == 2 and wide.count("linear-gradient") == 4


def test_light_and_dark_have_the_same_colours_defined():
    style = (html.HERE / "report.css").read_text()
    light, dark = (set(re.findall(r"(--[\w-]+):", part)) for part in style.split(":root {")[1:3])
    colours = {name for name in light if name != "--c"}
    assert dark - {"--c", "--n"} == colours
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= colours | {"--c", "--n"}
    for number in range(1, MOST + 1):
        assert f'.c{number} {{ --c: var(--c{number}); --n: "{number}" }}' in style


def test_four_runs_on_500_questions_stay_below_two_megabytes():
    runs = sample(count=500, words=80)
    mean = sum(len(reply.text or "") for run in runs for reply in run.replies) / 2000
    assert mean > 400
    assert len(page(runs).encode()) < 2_000_000
