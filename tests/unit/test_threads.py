"""Work in a few threads: order, errors, and an end in the middle."""

import threading
from contextlib import closing

import pytest

from tandem.threads import as_they_come


def test_results_come_with_their_items_as_they_are_done():
    slow = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert slow.wait(10)
        return item * item

    found = []
    for item, result in as_they_come(range(20), 3, work):
        found.append(item)
        assert result == item * item
        if len(found) == 19:
            slow.set()
    assert sorted(found) == list(range(20))
    assert found[-1] == 0
    assert list(as_they_come([], 3, work)) == []


@pytest.mark.faults
def test_an_error_of_the_work_is_raised_and_nothing_else_begins():
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 5:
            raise ValueError(item)

    with pytest.raises(ValueError, match="5"):
        list(as_they_come(range(1000), 2, work))
    assert len(begun) < 10


@pytest.mark.faults
def test_what_has_begun_goes_on_to_its_end_when_the_caller_is_interrupted():
    done, go_on, all_begun = [], threading.Event(), threading.Barrier(4)

    def work(item: int) -> int:
        all_begun.wait(10)
        if item:
            assert go_on.wait(10)
        done.append(item)
        return item

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), closing(as_they_come(range(100), 4, work)) as come:
        for _ in come:
            raise KeyboardInterrupt
    go_on.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
    assert sorted(done) == [0, 1, 2, 3]
