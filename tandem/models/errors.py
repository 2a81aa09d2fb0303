"""Errors of model services: what a refusal, a failure or a timeout becomes.

Transient     another try may help: raised by one try of a model, for `tandem.runtime.retry`
Unavailable   no answer, after all tries
    NobodyThere   and none is to be expected for some minutes at least
Refused       the service won't, or answered nonsense: another try would end the same way
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.errors import TandemError, Unavailable

from tandem.runtime.clients import is_transient
from tandem.runtime.http import NETWORK_ERRORS, printable
from tandem.runtime.retry import Transient

Result = TypeVar("Result")


RETRIED = {408, 409, 425, 429}
BUSY = {429, 503, 529}
NOT_IMPLEMENTED = 501
NO_CREDIT = "insufficient_quota"  # a 429 that waiting doesn't mend
# Of an error without a status: words of codes and types that another try doesn't mend.
LASTING = ("invalid", "not_found", "authentication", "permission", "context_length", "content", "unsupported", "quota")


# What Bedrock's errors have in them -> what mends it. Those of `tests/recorded_aws/bedrock-errors.json`, and of
# the model cards (user guide) "reached the end of its life".
_HOW = "(docs/first-stack.md, Models)"
REMEDIES = {
    "aws-marketplace": "The model has to be subscribed to, which the functions' roles may not: call it once as someone "
    f"who may {_HOW}.",
    "use case details": f"The model's provider wants a form about the use case, once an account {_HOW}.",
    "on-demand throughput": "In this region the model is served by an inference profile alone: take its id.",
    "model identifier is invalid": "The region has no model of this id: correct it, or take an inference profile's.",
    "marked by provider as Legacy": "The model is a legacy one, which new users can't have: choose another.",
    "reached the end of its life": "The model is no longer served: choose another.",
    "access to the model with the specified": "The account has no access to this model: call it once as an "
    f"administrator, and look into organization policies {_HOW}.",
    "not allowed for this account": "AWS doesn't let this account use Bedrock's models: ask AWS Support.",
    "currently being verified": "AWS is verifying this account: try again in some hours, or ask AWS Support.",
}


class NobodyThere(Unavailable):
    """There is nothing that could answer, for some minutes at least."""


class Refused(TandemError):
    """The service refused the request, or answered nonsense.

    `status` is that of its HTTP answer (0: none), `code` its own word for what is wrong and `param` the field of the
    request that it names ("": none). `told` is what who asked may hear of it: it names no role, account or key.
    """

    def __init__(self, text: str, status: int = 0, code: str = "", param: str = "", told: str = ""):
        super().__init__(f"{text}. {told}" if told and told not in text else text)
        self.status, self.code, self.param, self.told = status, code, param, told


class Problem(NamedTuple):
    """What an answer says of what is wrong."""

    text: str
    status: int
    """0: it doesn't say."""
    codes: tuple[str, ...] = ()
    """The service's own words for it: code and type."""
    param: str = ""

    def error(self, begin: str, wait: float = 0.0) -> Exception:
        """`Transient` if another try may help, after `wait` seconds, else `Refused`; `begin` begins its text."""
        text = f"{begin} {self.text}".rstrip()
        lasting = any(word in code.lower() for code in self.codes for word in LASTING)
        again = self.status in RETRIED or (self.status >= 500 and self.status != NOT_IMPLEMENTED)
        again |= not self.status and not lasting
        if again and NO_CREDIT not in self.codes:
            return Transient(text, wait, busy=wait > 0 or self.status in BUSY)
        code = NO_CREDIT if NO_CREDIT in self.codes else next(iter(self.codes), "")
        return Refused(text, self.status, code, self.param)


def problem(content: Any, body: str = "", status: int = 0) -> Problem:
    """The error in an answer, in OpenAI's form or one near it; else the beginning of the body.

    `status` is that of the answer; where that is a success, the error's own counts.
    """
    error = content.get("error") if isinstance(content, Mapping) else None
    if isinstance(content, Mapping) and content.get("object") == "error":  # vLLM's and Mistral's
        error = content
    if isinstance(error, str):
        return Problem(printable(error), status if status >= 300 else 0)
    if not isinstance(error, Mapping):
        return Problem(printable(body[:200]), status)
    words = (error.get("code"), error.get("type"), error.get("status"))
    numbers = (int(word) for word in words if re.fullmatch("[3-5][0-9][0-9]", str(word)))
    codes = tuple(word for word in words if isinstance(word, str) and word and not word.isdecimal())
    status = status if status >= 300 else next(numbers, 0)
    return Problem(printable(str(error.get("message"))), status, codes, str(error.get("param") or ""))


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
            becomes, busy = (NobodyThere, False) if code in absent else (Unavailable, isinstance(error, ClientError))
            raise Transient(text, becomes=becomes, busy=busy) from error
        if code in absent:
            raise NobodyThere(text) from error
        told = next((remedy for words, remedy in REMEDIES.items() if words in text), "")
        raise Refused(text, response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), code, told=told) from error
