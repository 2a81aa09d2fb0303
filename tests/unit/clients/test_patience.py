"""Patience: how long one waits depends on how fast things have gone."""

import time

from tandem.clients.patience import Patience


def test_it_is_as_long_as_was_said_or_thrice_the_longest_step():
    patience = Patience(0.3)
    assert 0.2 < patience.remaining() <= 0.3
    time.sleep(0.4)
    assert not patience.remaining()
    patience.moved()
    assert 1.1 < patience.remaining() < 1.9
    patience.moved()  # a short step makes nobody less patient
    assert 1.1 < patience.remaining() < 1.9
