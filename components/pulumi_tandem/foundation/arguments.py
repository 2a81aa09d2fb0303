"""Validation of components' arguments, as a whole, before any resource is registered."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pulumi
from tandem_contract.checks import Checks
from tandem_contract.errors import Mistakes
from tandem_contract.fields import Table

from .house_rules import HOUSE_RULES
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


def of_part(table: Table, settings: Mapping[str, Any], **more: Any) -> Any:
    """What an environment with these arguments gives a part that takes `table`: what both have, and `more`.

    Not the rules of the house, which hold for all that is in an environment. Names of things that are there become
    outputs, at which nobody looks: the environment has.
    """
    given = {key: settings[key] for key in table.fields if key in settings and key not in HOUSE_RULES} | more
    named = {key for key, value in given.items() if table.fields[key].output and isinstance(value, str) and value}
    return {key: pulumi.Output.from_input(value) if key in named else value for key, value in given.items()}
