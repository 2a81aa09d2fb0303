"""Patience: how long one waits depends on how fast things have gone."""

import time

import pytest

from tandem.clients.patience import Patience


@pytest.fixture
def wait(monkeypatch):
    """Lets seconds pass."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_it_is_as_long_as_was_said_or_thrice_the_longest_step(wait):
    patience = Patience(600)
    assert patience.remaining() == 600
    wait(300)
    patience.moved()
    assert patience.remaining() == 900
    wait(1)
    patience.moved()  # a short step makes nobody less patient
    assert patience.remaining() == patience.seconds == 900


def test_it_has_an_end_that_slow_steps_do_not_put_off_without_limit(wait):
    patience = Patience(600)
    for step in (590, 1700, 1700):
        wait(step)
        patience.moved()
    assert patience.remaining() == patience.seconds == 1800
    wait(1801)
    patience.moved()
    assert not patience.remaining()
