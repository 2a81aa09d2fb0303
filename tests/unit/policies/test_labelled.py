"""Every labelled case is judged as its label says (`labelled.py`)."""

import pytest

from tests.unit.policies.labelled import LABELS, cases, verdict


def test_there_are_enough_cases_a_third_of_them_from_named_sources():
    found = cases()
    assert len(found) >= 150 and 3 * sum("source" in case for case in found) >= len(found)
    assert {case["label"] for case in found} == set(LABELS)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['rule']}: {case['name']}") for case in cases()])
def test_a_case_is_judged_as_labelled(case):
    assert verdict(case) == case["label"]
