"""A circuit opens on failures, tries again with one call, and closes when that succeeds."""

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem.runtime.circuit_breaker import FIRST_SECONDS, CircuitBreaker, CircuitOpen

from .fakes import Clock


class Certain(Exception):
    """The next call would meet it as well."""


class Circuit:
    """A breaker with a clock that is moved by hand, and what it told."""

    def __init__(self):
        self.clock, self.states = Clock(), []
        self.breaker = CircuitBreaker(Certain, self.states.append, self.clock)

    def ask(self, error: Exception | None = None) -> str:
        def operation() -> str:
            if error:
                raise error
            return "spoke"

        try:
            return self.breaker.call(operation)
        except CircuitOpen:
            return "not called"
        except (OSError, Certain):
            return "failed"

    def window(self) -> float:
        """Waits until a call is made again, which fails; gives the seconds waited."""
        began = self.clock.now
        while self.ask(OSError()) == "not called":
            self.clock.now += 0.25
        return self.clock.now - began


@pytest.fixture
def circuit() -> Circuit:
    return Circuit()


def test_while_calls_succeed_it_stays_out_of_the_way(circuit):
    assert {circuit.ask() for _ in range(100)} == {"spoke"}
    assert circuit.states == []


def test_one_failure_is_forgiven_and_two_in_a_row_open_it(circuit):
    answers = [circuit.ask(error) for error in (OSError(), None, OSError(), OSError(), None)]
    assert answers == ["failed", "spoke", "failed", "failed", "not called"]
    assert circuit.states == ["open"]


def test_a_certain_failure_opens_it_at_once(circuit):
    assert [circuit.ask(Certain()), circuit.ask()] == ["failed", "not called"]


def test_a_trial_that_succeeds_closes_it_by_itself(circuit):
    circuit.ask(Certain())
    circuit.clock.now += FIRST_SECONDS
    assert [circuit.ask(), circuit.ask(OSError()), circuit.ask()] == ["spoke", "failed", "spoke"]
    assert circuit.states == ["open", "half-open", "closed"]


@pytest.mark.faults
def test_windows_grow_to_a_minute_and_no_further(circuit):
    circuit.ask(Certain())
    windows = [circuit.window() for _ in range(200)]
    for seconds, longest in zip(windows, itertools.chain((25, 50), itertools.repeat(60)), strict=False):
        assert longest / 2 <= seconds <= longest + 0.25
    assert len(set(windows[2:])) > 10  # not all containers at the same time


def test_after_a_recovery_windows_are_short_again(circuit):
    circuit.ask(Certain())
    for _ in range(10):
        circuit.window()
    circuit.clock.now += 60
    assert circuit.ask() == "spoke"
    circuit.ask(Certain())
    assert circuit.window() <= FIRST_SECONDS + 0.25


@pytest.mark.faults
def test_of_a_hundred_threads_one_is_the_trial(circuit):
    circuit.ask(Certain())
    circuit.clock.now += FIRST_SECONDS
    together, others_answered, calls = threading.Barrier(100), threading.Event(), []

    def trial() -> str:
        calls.append(1)
        others_answered.wait(30)
        return "spoke"

    def ask(_) -> str:
        together.wait(30)
        try:
            return circuit.breaker.call(trial)
        except CircuitOpen:
            return "not called"

    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(ask, number) for number in range(100)]
        while sum(each.done() for each in asked) < 99:
            threading.Event().wait(0.01)
        others_answered.set()  # the others have not waited for the trial
        answers = [each.result() for each in asked]
    assert (answers.count("spoke"), answers.count("not called"), len(calls)) == (1, 99, 1)
    assert circuit.ask() == "spoke"


@pytest.mark.faults
@pytest.mark.parametrize("late", [None, OSError()], ids=["success", "failure"])
def test_a_call_from_before_the_circuit_opened_changes_nothing(circuit, late):
    def slow() -> None:
        circuit.ask(Certain())
        if late:
            raise late

    with contextlib.suppress(OSError):
        circuit.breaker.call(slow)
    assert (circuit.ask(), circuit.states) == ("not called", ["open"])
    circuit.clock.now += FIRST_SECONDS
    assert circuit.ask() == "spoke"


@pytest.mark.faults
def test_a_trial_that_is_interrupted_is_not_the_last(circuit):
    circuit.ask(Certain())
    circuit.clock.now += FIRST_SECONDS

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        circuit.breaker.call(interrupted)
    circuit.clock.now += 2 * FIRST_SECONDS
    assert circuit.ask() == "spoke"
