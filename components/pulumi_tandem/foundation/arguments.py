"""Validation of components' arguments, as a whole, before any resource is registered."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.errors import Mistakes
from tandem_contract.fields import Table


class InvalidArguments(Mistakes, pulumi.RunError):
    """Every mistake in some arguments; the engine prints it without a traceback."""


def valid(
    subject: str,
    table: Table,
    given: Mapping[str, Any],
    more: Callable[[Checks, dict[str, Any]], None] = lambda _checks, _arguments: None,
) -> dict[str, Any]:
    """The arguments with every default; raises `InvalidArguments` about `subject`.

    `more` checks what the table can't know: where the component is put.
    """
    checks = Checks()
    arguments = table.read(checks, given)
    more(checks, arguments)
    if checks.mistakes:
        raise InvalidArguments(subject, checks.mistakes)
    return arguments
