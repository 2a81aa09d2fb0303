"""Work in a few threads that Ctrl-C ends well."""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NoReturn, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def as_they_come(items: Sequence[Item], at_once: int, work: Callable[[Item], Result]) -> Generator[tuple[Item, Result]]:
    """Each item with what `work` makes of it, as it comes; an exception of `work` is raised.

    An item begins when the result before it was taken. Closed or interrupted, what has begun goes on to its end, which
    the process waits for, and nothing else begins. Queues alone stand between the threads and the caller: an
    interruption within `concurrent.futures` can leave one of its locks taken, and the process never ends.
    """
    begin: SimpleQueue[Item | None] = SimpleQueue()  # None ends a thread
    done: SimpleQueue[tuple[Item, Callable[[], Result]]] = SimpleQueue()

    def begin_next() -> None:
        while (item := begin.get()) is not None:
            try:
                result = work(item)
                done.put((item, lambda result=result: result))
            except BaseException as error:
                done.put((item, lambda error=error: _raise(error)))

    waiting = iter(items)
    threads = min(at_once, len(items))
    try:
        for item in islice(waiting, threads):
            begin.put(item)
            Thread(target=begin_next).start()
        for _ in items:
            item, result = done.get()
            yield item, result()
            for following in islice(waiting, 1):
                begin.put(following)
    finally:
        with suppress(Empty):
            while True:
                begin.get_nowait()
        for _ in range(threads):
            begin.put(None)


def _raise(error: BaseException) -> NoReturn:
    raise error
