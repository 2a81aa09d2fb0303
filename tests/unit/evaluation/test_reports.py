"""The report: what a reader sees and in which order, and that it never says more than was measured."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from tandem_contract.errors import TandemError

from tandem.evaluation.comparison import Difference, compare
from tandem.evaluation.reports import html, markdown
from tandem.evaluation.reports.content import METRICS, findings, signed
from tandem.evaluation.runs import Price, Reply
from tandem.evaluation.spread import Latency
from tandem.measures.intervals import Interval
from tests.support.evaluation_pages import page, parsed, rows, section, text
from tests.support.evaluation_runs import KINDS, at, compared, sample, without

MARKDOWN = """\
### Evaluation of base and hybrid-2

questions: 10 questions, 8 answerable and 2 unanswerable; digest 9f86d081884c

- hybrid-2 is better than base in format adherence; not sure: token F1 and refusal accuracy.
- Better or worse: by chance alone, question by question, it would come less than once in 20 times (exact test), and \
the 95 % interval leaves out 0. Not sure: it doesn't, which doesn't say that both are alike.
- Failed calls, each of which counts as 0: 1 of 10 of hybrid-2.
- Some values are of only 8 questions: from so few only large differences are sure, and none where fewer than 6 \
questions differ.

| Metric | base | hybrid-2 |
| --- | --- | --- |
| Similarity | not measured | not measured |
| Token F1 | 0.40 (0.34 to 0.46) | 0.46 (0.32 to 0.61) |
| Exact match | not measured | not measured |
| Format adherence | 0.12 (0.00 to 0.35) | 0.75 (0.45 to 1.00) |
| Refusal accuracy | 0.80 (0.55 to 1.00) | 0.80 (0.55 to 1.00) |
| Recall at 5 | not measured | 0.88 (0.65 to 1.00) |
| nDCG at 5 | not measured | 0.75 (0.45 to 1.00) |
| MRR | not measured | 0.75 (0.45 to 1.00) |
| Citation precision | not measured | 0.75 (0.45 to 1.00) |
| Citation recall | not measured | 0.75 (0.45 to 1.00) |
| Answered by | nova-lite (10) | nova-lite (8), no model (1) |
| Failed calls | 0 of 10 | 1 of 10 |
| Latency, p50 to p95 | 0.83 s to 1.02 s | 2.20 s to 4.64 s |

| Token F1 by tag | base | hybrid-2 |
| --- | --- | --- |
| hut | 0.40 (0.31 to 0.47) of 8 | 0.46 (0.27 to 0.62) of 8 |
| safety | 0.39 (0.00 to 1.00) of 3 | 0.44 (0.00 to 1.00) of 3 |

| Format adherence by tag | base | hybrid-2 |
| --- | --- | --- |
| hut | 0.12 (0.02 to 0.47) of 8 | 0.75 (0.41 to 0.93) of 8 |
| safety | 0.33 (0.06 to 0.79) of 3 | 0.67 (0.21 to 0.94) of 3 |

| Refusal accuracy by tag | base | hybrid-2 |
| --- | --- | --- |
| hut | 0.80 (0.49 to 0.94) of 10 | 0.80 (0.49 to 0.94) of 10 |
| safety | 0.75 (0.30 to 0.95) of 4 | 0.50 (0.15 to 0.85) of 4 |

**Differences from base**

| Metric | hybrid-2 |
| --- | --- |
| Token F1 | ○ not sure: +0.07 (-0.07 to +0.20) |
| Format adherence | ▲ better: +0.62 (+0.29 to +0.96) |
| Refusal accuracy | ○ not sure: 0.00 (-0.28 to +0.28) |

- hybrid-2 against base: in format adherence 5 turned right, 0 wrong; in refusal accuracy 1 turned right, 1 wrong.

- hybrid-2 isn't compared in recall at 5, nDCG at 5, MRR, citation precision and citation recall: not measured in \
base.

**Price of 1,000 questions**

- base: $0.046; tokens that the answers report, mean of the answered calls x 1,000; AmazonBedrock us-east-1, \
amazon.nova-lite-v1:0 tokens, read on 2026-11-20 (price list)
- hybrid-2: not known; the model answers from an endpoint that is paid by the hour, whatever is asked
"""


def test_a_reader_sees_what_counts_first():
    tree = parsed(sample())
    first = tree.find("body/main")
    assert text(first.find("header/h1")) == "Evaluation of base, rag, tuned and hybrid"
    questions = "questions: 20 questions, 16 answerable and 4 unanswerable; digest 9f86d081884c"
    assert text(first.find("header/p")) == questions
    kinds = [part.get("class") or part.tag for part in first]
    assert kinds == ["header", *["lede"] * 3, *["note"] * 3, *["section"] * 9, "footer"]
    assert [text(title) for title in tree.iter("h2")] == [
        "Content and form",
        "Metrics",
        "By tag",
        "Who answered",
        "Differences from base",
        "Latency",
        "Price of 1,000 questions",
        "Questions",
        "Configuration",
    ]
    folded = section(tree, "Questions").findall("details")
    assert text(folded[-1].find("summary")) == "All 20 questions with every answer"
    assert not any(part.get("open") is not None for part in folded)


def test_metrics_with_interval_and_number_of_questions():
    runs = sample(("base", "hybrid"), 60)
    table = {row[0]: row[1:] for row in rows(section(parsed(runs), "Metrics"))}
    found = runs[1].metrics["similarity"]
    cell = next(cells[1] for name, cells in table.items() if name.startswith("Similarity"))
    assert cell.startswith(f"hybrid {found.value:.2f} {found.low:.2f} to {found.high:.2f}")
    assert cell.endswith(f"n {found.count}, {found.failed} failed")
    assert found.failed
    assert next(cells[0] for name, cells in table.items() if name.startswith("Recall at 5")) == "base not measured"


def test_what_no_run_measured_is_said_and_never_zero():
    runs = [without(run, "similarity", "recall@5") for run in sample()]
    table = rows(section(parsed(runs), "Metrics"))
    for name in ("Similarity", "Recallrelevant"):
        assert next(row[1:] for row in table if row[0].startswith(name)) == [f"{run.name} not measured" for run in runs]
    assert sum(len(row) == 5 for row in table[1:]) == sum(map(len, METRICS.values()))


def test_metrics_of_another_k_and_of_a_later_version_are_shown():
    base, rag = sample(("base", "rag"))
    rag = at(rag, **{"recall@10": 0.625, "faithfulness": 0.375})
    found = page([base, rag])
    assert "Recall at 5" in found
    assert "Recall at 10" in found
    assert "0.62 " in found
    assert "Faithfulness" in found


def difference(metric, low, high):
    verdict = "better" if low > 0 else "worse" if high < 0 else "not sure"
    return Difference(metric, 0.5, 0.5 + (low + high) / 2, Interval((low + high) / 2, low, high, 0.5), 50, verdict)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "rag and base have no metric in common: they aren't compared."),
        ([difference("mrr", 0.1, 0.2)], "rag is better than base in MRR."),
        ([difference("recall@5", -0.2, -0.1)], "rag is worse than base in recall at 5."),
        (
            [difference("token_f1", 0.1, 0.2), difference("mrr", -0.2, -0.1), difference("similarity", -0.1, 0.2)],
            "rag is better than base in token F1 and worse than base in MRR; not sure: similarity.",
        ),
        (
            [difference("token_f1", -0.01, 0.9), difference("similarity", 0.0, 0.0)],
            "Whether rag is better or worse than base is not sure in any metric: token F1 and similarity.",
        ),
    ],
)
def test_findings_say_what_the_intervals_say(found, said):
    runs = sample(("base", "rag"))
    assert findings(runs, {"rag": found}) == [said]
    assert text(next(p for p in parsed(runs, {"rag": found}).iter("p") if p.get("class") == "lede")) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.126, "+0.13"), (-0.05, "-0.05"), (0.0, "0.00"), (-1e-17, "0.00"), (0.003, "+0.003"), (-0.0031, "-0.003")],
)
def test_a_small_difference_keeps_its_sign(value, said):
    assert signed(value) == said


def test_a_run_alone_is_compared_with_nothing():
    (run,) = sample(("rag",), 60)
    found = text(parsed([run], {}))
    assert f"rag has {run.metrics['token_f1'].value:.2f} (" in found
    assert "a run alone is compared with nothing" in found
    assert "Differences" not in found


def test_few_questions_and_failed_calls_are_warned_of():
    few, many = (text(parsed(sample(("base", "rag"), count))) for count in (20, 60))
    assert "Some values are of only 16 questions: from so few" in few
    assert "of only" not in many
    assert "Failed calls, each of which counts as 0: 3 of 60 of rag." in many


def test_differences_with_verdict_zero_line_and_what_is_not_compared():
    runs = sample(("base", "rag", "tuned"), 60)
    found = section(parsed(runs), "Differences from base")
    table = rows(found)
    start = next(place for place, row in enumerate(table) if row == ["Format adherence"])
    assert [(row[0], row[3]) for row in table[start + 1 : start + 3]] == [("rag", "○ not sure"), ("tuned", "▲ better")]
    strips = [svg for svg in found.iter("svg") if (svg.get("class") or "").startswith("strip")]
    assert len(strips) == 10
    assert all(any(line.get("class") == "zero" for line in svg.iter("line")) for svg in strips)
    unsure = sum(row[3] == "○ not sure" for row in table if len(row) == 5)
    assert sum("hollow" in svg.get("class") for svg in strips) == unsure
    assert "rag isn't compared in recall at 5, nDCG at 5, MRR, citation precision and citation recall" in text(found)


def test_differences_of_the_real_comparison():
    base, tuned = sample(("base", "tuned"))
    found = page([base, tuned], {"tuned": compare(base, tuned)})
    assert "tuned is better than base in format adherence" in found


@pytest.mark.parametrize(
    ("price", "amount", "why"),
    [
        (Price(None, "no row has the price of model x"), "not known", "no row has the price of model x"),
        (None, "not counted", "nothing in the run says what its answers cost"),
        (Price(Decimal("0.0042"), "by tokens", ("price list, 2026-11-20",)), "$0.0042", "by tokens"),
    ],
)
def test_price_with_how_and_sources_or_the_reason_why_not(price, amount, why):
    (run,) = sample(("base",))
    row = rows(section(parsed([replace(run, price=price)]), "Price"))[1]
    assert row == ["base", amount, why, "".join(price.sources) if price else ""]
    summary = markdown.render([replace(run, price=price)], {})
    assert f"- base: {amount}; {why}" in summary
    assert "$0.00" not in summary.replace("$0.0042", "")


def test_the_most_frequent_of_many_tags_are_shown():
    (run,) = sample(("base",))
    questions = tuple(
        replace(each, tags=("all", *(f"t{at}-{more}" for more in range(5)))) for at, each in enumerate(run.questions)
    )
    found = section(parsed([replace(run, questions=questions)], {}), "By tag")
    assert "The 40 most frequent of 101 tags." in text(found)
    assert sum(row[0] == "all" for row in rows(found)) == 3  # token F1, format adherence, refusal accuracy


def test_latency_tells_when_no_call_answered():
    base, rag = sample(("base", "rag"))
    silent = replace(rag, latency=Latency(None, None, 20, 20))
    assert rows(section(parsed([base, silent]), "Latency"))[2][2:] == ["no call answered", "0 of 20 answered"]
    assert "No call answered." in text(section(parsed([silent]), "Latency"))


def test_who_answered_and_reasons_of_failures_are_counted():
    (run,) = sample(("base",))
    broken = [
        *(Reply(r.question, error="503") for r in run.replies[:3]),
        Reply(run.replies[3].question, error="a delay"),
    ]
    run = replace(run, replies=(*broken, *run.replies[4:]))
    row = section(parsed([run]), "Who answered").findall(".//tr")[1]
    assert [text(cell) for cell in row[:3]] == ["base", "nova-lite (15), no model (1)", "4 of 20 calls"]
    assert [text(reason) for reason in row[3]] == ["3 calls: 503", "1 call: a delay"]


def test_the_same_runs_give_the_same_bytes():
    first, second = (sample(tuple(KINDS)) for _ in range(2))
    for render in (html.render, markdown.render):
        assert render(first, compared(first)) == render(second, compared(second))


@pytest.mark.faults
@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "0 runs: a report shows 1 to 6"),
        (sample(("base",)) * 7, "7 runs: a report shows 1 to 6"),
        (sample(("base", "rag", "base")), "more than one run is named base"),
        ([*sample(("base",)), replace(sample(("rag",))[0], digest="0")], "rag answered other questions than base"),
    ],
)
def test_runs_that_cannot_be_shown_together(runs, said):
    for render in (html.render, markdown.render):
        with pytest.raises(TandemError, match=said):
            render(runs, {})


def test_markdown():
    base, rag = (without(run, "similarity", "exact_match") for run in sample(("base", "hybrid"), 10))
    rag = replace(rag, name="hybrid-2")
    assert markdown.render([base, rag], compared([base, rag])) == MARKDOWN


def test_markdown_has_no_markup_of_a_run():
    base, rag = sample(("base", "rag"))
    evil = replace(rag, name="a|b_c* [x](http://y) @team `<b>`\n# d", price=Price(None, "|@all|"))
    written = markdown.render([base, evil], compared([base, evil]))
    table = [line for line in written.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {3, 4}
    assert not re.search(r"@(team|all)", written)
    assert "[x]" not in written
    assert "\n# d" not in written


def test_who_answered_is_said_where_the_answers_name_another_than_was_asked_for():
    (run,) = sample(["base"], 10)
    named = replace(run, replies=tuple(replace(reply, answered_by="nova-lite-v2") for reply in run.replies))
    assert "| Answered by | nova-lite as nova-lite-v2 (10) |" in markdown.render([named], {})
    assert "nova-lite as nova-lite-v2 (10)" in page([named])
