"""The one exception that commands raise for the person who typed them."""


class CommandError(Exception):
    """A failure whose text says in one sentence what is wrong and what to do; printed without a traceback, exit 1."""
