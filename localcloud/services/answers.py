"""Answers that were lost on their way.

An SDK that hasn't got an answer asks again, with the same id for the call. Go's SDK loses one that comes within a
millisecond now and then (aws/aws-sdk-go-v2#2737), which AWS is too far away for: the second try of a create would fail.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

ID = "amz-sdk-invocation-id"
KEPT = 256
Answer = TypeVar("Answer")


class Answers(Generic[Answer]):
    """The last answers to calls that succeeded, by the call's id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Answer] = OrderedDict()

    def get(self, call: str) -> Answer | None:
        """The answer to this call, if it was given before."""
        return self._kept.get(call)

    def keep(self, call: str, answer: Answer) -> None:
        """Remember an answer; calls without an id have none."""
        if call:
            self._kept[call] = answer
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
