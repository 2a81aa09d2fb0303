"""Validation of components' arguments, as a whole, before any resource is registered."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pulumi
from tandem_contract.checks import Checks, is_output, shown
from tandem_contract.errors import Mistake, Mistakes
from tandem_contract.fields import Table

from .house_rules import HOUSE_RULES
from .names import check_name, longest
from .region import account_of, region_of

NOTHING: Any = MappingProxyType({})
"""The arguments of a component whose every one has a default, where none is given."""


class InvalidArguments(Mistakes, pulumi.RunError):
    """Every mistake in some arguments; the engine prints it without a traceback."""


def valid(
    kind: str,
    name: str,
    table: Table,
    given: Any,
    more: Callable[[Checks, dict[str, Any]], None] = lambda _checks, _arguments: None,
    *,
    opts: pulumi.ResourceOptions | None,
) -> dict[str, Any]:
    """The arguments of a component, by its class and name, with every default; raises `InvalidArguments` about it.

    ARNs have to be of where the component is put by its options. `more` checks what else the table can't know.
    """
    if not isinstance(given, Mapping):
        raise InvalidArguments(f"{kind} {name!r}", [_no_arguments(given)])
    checks = Checks()
    arguments = table.read(checks, given)
    table.check_arns(checks, arguments, region_of(opts), lambda: account_of(opts))
    more(checks, arguments)
    check_name(checks, name, longest(kind, arguments))
    if checks.mistakes:
        raise InvalidArguments(f"{kind} {name!r}", checks.mistakes)
    return arguments


def _no_arguments(given: Any) -> Mistake:
    if is_output(given):
        remedy = "Write keys; values that only pass through may be outputs."
        return Mistake("args", "is an output: its keys aren't known before it is there", remedy)
    remedy = "Leave it out to have every default, or write keys and values in braces."
    return Mistake("args", f"{shown(given)} is not a mapping of keys to values", remedy)


def of_part(table: Table, settings: Mapping[str, Any], **more: Any) -> Any:
    """What an environment with these arguments gives a part that takes `table`: what both have, and `more`.

    Not the rules of the house, which hold for all that is in an environment. Names of things that are there become
    outputs, at which nobody looks: the environment has.
    """
    given = {key: settings[key] for key in table.fields if key in settings and key not in HOUSE_RULES} | more
    named = {key for key, value in given.items() if table.fields[key].output and isinstance(value, str) and value}
    return {key: pulumi.Output.from_input(value) if key in named else value for key, value in given.items()}
