"""Errors of model services: what a refusal, a failure or a timeout becomes.

Transient     another try may help: raised by one try of a model, for `tandem.runtime.retry`
Unavailable   no answer, after all tries
    NobodyThere   and none is to be expected for some minutes at least
Refused       the service won't, or answered nonsense: another try would end the same way
"""

from collections.abc import Callable, Collection
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import TandemError, Unavailable

from tandem.runtime.clients import is_transient
from tandem.runtime.http import NETWORK_ERRORS
from tandem.runtime.retry import Transient

Result = TypeVar("Result")


class NobodyThere(Unavailable):
    """There is nothing that could answer, for some minutes at least."""


class Refused(TandemError):
    """The service refused the request, or answered nonsense.

    `status` is that of its HTTP answer (0: none) and `code` its own word for what is wrong ("": none).
    """

    def __init__(self, text: str, status: int = 0, code: str = ""):
        super().__init__(text)
        self.status, self.code = status, code


def invoke(call: Callable[[], Result], subject: str, absent: Collection[str] = ()) -> Result:
    """What one call of an AWS client returns.

    Raises `Transient`, `Refused`, or `NobodyThere` for an error code of `absent` that doesn't pass by itself; `subject`
    begins their texts.
    """
    try:
        return call()
    except (BotoCoreError, ClientError, *NETWORK_ERRORS) as error:
        response = error.response if isinstance(error, ClientError) else {}
        code, text = response.get("Error", {}).get("Code", ""), f"{subject}: {error}"
        if is_transient(error):
            raise Transient(text, becomes=NobodyThere if code in absent else Unavailable) from error
        if code in absent:
            raise NobodyThere(text) from error
        raise Refused(text, response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), code) from error
