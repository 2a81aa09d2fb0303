"""Questions to AWS before anything is made; who may not ask may still deploy."""

from collections.abc import Callable
from typing import TypeVar

import pulumi

ABSENT = ("ResourceNotFoundException", "couldn't find resource")
"""How EKS, and AWS's provider, say that something isn't there."""
Answer = TypeVar("Answer")


def answer(what: str, question: Callable[[], Answer], *fields: str, when: bool = True) -> Answer | None:
    """The answer; None, and a warning, where there is none.

    One that lacks one of `fields` is none, as of a mock that knows nothing.
    """
    if not when:
        return None
    try:
        given = question()
        reason = ", ".join(f"no {each}" for each in fields if getattr(given, each) is None)
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
    if not reason:
        return given
    pulumi.log.warn(f"Not checked, since AWS doesn't say it here: {what} ({reason})")
    return None


def there(what: str, question: Callable[[], Answer]) -> Answer | bool | None:
    """The answer; False where what is asked about isn't there, None where there is no answer."""
    absent = False

    def asked() -> Answer | None:
        nonlocal absent
        try:
            return question()
        except Exception as error:
            absent = any(each in str(error) for each in ABSENT)
            if absent:
                return None
            raise

    given = answer(what, asked)
    return False if absent else given
