"""Questions to AWS before anything is made; who may not ask may still deploy."""

import re
from collections.abc import Callable
from typing import Literal, TypeVar

import pulumi
from tandem_contract.names import UNASKED

ABSENT = ("NotFound", "NoSuchEntity", "couldn't find resource", "empty result", "no matching")
"""How services, and AWS's provider, say that something isn't there."""
REFUSED_BUCKET = re.compile(r"reading S3 Bucket .*: empty result")
"""What the provider says of a bucket whatever S3 answers but 404 (its findBucket drops that error): mostly a 403, which
has no words of S3's."""
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
    pulumi.log.warn(f"{UNASKED}{what} ({reason})")
    return None


def there(what: str, question: Callable[[], Answer], *fields: str) -> Answer | Literal[False] | None:
    """The answer; False where what is asked about isn't there, None where there is no answer."""

    def asked() -> Answer | Literal[False]:
        try:
            return question()
        except Exception as error:
            if REFUSED_BUCKET.search(str(error)):
                raise PermissionError("S3 tells nothing of it: allow s3:ListBucket on it, if it is yours") from error
            if any(each in str(error) for each in ABSENT):
                return False
            raise

    given = answer(what, asked)
    return answer(what, lambda: given, *fields) if given else given
