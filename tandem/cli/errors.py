"""The one exception that commands raise for the person who typed them."""

from tandem_contract.errors import TandemError


class CommandError(TandemError):
    """A failure whose text says in one sentence what is wrong and what to do; printed without a traceback, exit 1."""
