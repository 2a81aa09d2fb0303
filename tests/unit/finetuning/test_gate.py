"""The gate by the rule of all verdicts: a gain of few rows isn't sure, and a missing answer is wrong."""

import pytest
from tandem_contract.run_record import Run

from tandem.finetuning.dataset.rows import Row
from tandem.finetuning.gate import failing
from tandem.finetuning.measure import BASE, TUNED, measure


def rows(*references):
    return [Row((("user", f"{at}?"), ("assistant", text)), "test.jsonl", at) for at, text in enumerate(references, 1)]


def refused(metrics, **limits):
    run = Run("r", "d", "m", "c", {"gate": {"exact_match": limits}}, {}, {}, "")
    return failing({"manifest_digest": "m", "recipe_digest": "c", "metrics": metrics}, run)


@pytest.mark.faults
def test_a_missing_answer_is_wrong_where_the_label_is_an_article(monkeypatch):
    labels = ["A", "B"] * 20
    for missing in (None, "", " \n"):
        tuned = [missing if at < 8 and label == "A" else label for at, label in enumerate(labels)]
        metrics = measure(rows(*labels), {BASE: labels, TUNED: tuned}, {"regex": ".*"})
        assert {name: found[TUNED] for name, found in metrics.items()} == {
            "exact_match": 0.9,
            "token_f1": 0.9,
            "format_adherence": 0.9,
        }
        assert refused(metrics, at_least=0.95) == ["exact_match is 0.900, below 0.95"]


@pytest.mark.faults
def test_a_prompt_in_several_rows_counts_once():
    asked = [Row((("user", "?"), ("assistant", "yes")), "test.jsonl", at) for at in range(20)]
    metrics = measure(asked, {BASE: ["no"] * 20, TUNED: ["yes"] * 20}, None)
    assert (metrics["exact_match"][TUNED], metrics["exact_match"]["interval"]) == (1, [-1, 1])
    assert refused(metrics, gain=0.1)


@pytest.mark.faults
@pytest.mark.parametrize(("better", "worse", "rest", "opens"), [(5, 0, 0, False), (4, 0, 196, False), (7, 1, 22, False),
                                                                (6, 0, 0, True), (12, 3, 45, True)])  # fmt: skip
def test_a_gain_opens_only_where_the_exact_test_is_sure(better, worse, rest, opens):
    asked = rows(*["yes"] * (better + worse + rest))
    answers = {
        BASE: ["no"] * better + ["yes"] * (worse + rest),
        TUNED: ["yes"] * better + ["no"] * worse + ["yes"] * rest,
    }
    reasons = refused(measure(asked, answers, None), gain=0.01)
    assert (not reasons) is opens
    assert opens or "an interval above zero" in reasons[0]
