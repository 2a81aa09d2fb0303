"""Patterns of users that need ages for a few words."""

import signal
import threading
import time

import pytest
from tandem_contract.errors import TandemError

from tandem.measures import patterns
from tandem.measures.metrics import check_format, format_adherence

SLOW = r"(\w+\s?)*\."


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.2)


@pytest.mark.faults
@pytest.mark.parametrize("pattern", [SLOW, r"(a+)+b", r"(\d+,?\s*)*;", r"(\s*\S*)*!"])
def test_a_slow_pattern_is_refused_before_anything_is_asked(pattern):
    with pytest.raises(TandemError, match="without a repeat within a repeat"):
        check_format({"regex": pattern})


def test_patterns_that_people_write_are_taken():
    for pattern in (r"(?P<answer>.+)\.", r"Yes|No", r"(?s)Answer: .{1,300}\nSources: (\[\d+\])+", r"[A-E]", r"\{.*\}"):
        check_format({"regex": pattern})


@pytest.mark.faults
def test_an_answer_that_a_pattern_is_slow_for_has_not_the_form():
    started = time.monotonic()
    assert format_adherence("Answer: " + "a" * 40, {"regex": f"Answer: {SLOW}"}) == 0
    assert time.monotonic() - started < 2
    assert patterns.search(f"Answer: {SLOW}", "Answer: " + "a" * 40) is None


@pytest.mark.faults
def test_a_slow_pattern_in_a_schema_ends_in_time_too():
    started = time.monotonic()
    assert format_adherence(f'"{"x" * 40}"', {"json_schema": {"pattern": "(x+x+)+y"}}) == 0
    assert time.monotonic() - started < 2


@pytest.mark.faults
@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"items": True, "allOf": [{"$ref": "#"}]}])
def test_a_schema_without_an_end_is_refused_before_anything_is_asked(schema):
    with pytest.raises(TandemError, match="refers to itself without an end"):
        check_format({"json_schema": schema})


@pytest.mark.faults
def test_an_answer_that_is_nested_too_deep_has_not_the_form():
    schema = {"type": "array", "items": {"$ref": "#"}}
    check_format({"json_schema": schema})
    assert format_adherence("[[]]", {"json_schema": schema}) == 1
    assert format_adherence("[" * 900 + "]" * 900, {"json_schema": schema}) == 0
    assert format_adherence("1e400", {"json_schema": {"multipleOf": 0.1}}) == 0


def test_a_timer_of_others_goes_on():
    before = signal.getsignal(signal.SIGALRM)
    left = signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        assert patterns.fullmatch("a+", "aaa")
        assert 40 < signal.getitimer(signal.ITIMER_REAL)[0] <= 50
        assert signal.getsignal(signal.SIGALRM) is before
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_beside_the_main_thread_it_matches_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(patterns.fullmatch("a+", "aaa")))
    thread.start()
    thread.join()
    assert found[0]
