"""The parts of the local cloud: other people's software, started, made as strict as AWS, and stopped."""

from tandem_contract.errors import TandemError


class LocalCloudError(TandemError):
    """The local cloud can't be used; the message says what is missing or wrong, and the remedy."""
