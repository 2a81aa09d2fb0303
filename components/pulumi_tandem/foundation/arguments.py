"""Validation of components' arguments, as a whole, before any resource is registered."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.errors import Mistakes
from tandem_contract.fields import Table

from .names import check_name, longest

NOTHING: Any = MappingProxyType({})
"""The arguments of a component whose every one has a default, where none is given."""


class InvalidArguments(Mistakes, pulumi.RunError):
    """Every mistake in some arguments; the engine prints it without a traceback."""


def valid(
    kind: str,
    name: str,
    table: Table,
    given: Mapping[str, Any],
    more: Callable[[Checks, dict[str, Any]], None] = lambda _checks, _arguments: None,
) -> dict[str, Any]:
    """The arguments of a component, by its class and name, with every default; raises `InvalidArguments` about it.

    `more` checks what the table can't know: where the component is put.
    """
    checks = Checks()
    arguments = table.read(checks, given)
    more(checks, arguments)
    check_name(checks, name, longest(kind, arguments))
    if checks.mistakes:
        raise InvalidArguments(f"{kind} {name!r}", checks.mistakes)
    return arguments
