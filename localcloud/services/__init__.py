"""The parts of the local cloud: other people's software, started, made as strict as AWS, and stopped."""

from tandem.cli.errors import CommandError


class LocalCloudError(CommandError):
    """The local cloud can't be used; the message says what is missing or wrong, and the remedy."""
