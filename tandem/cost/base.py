"""The base of a change: a preview of it beside the change's own, so that before is the base, not what is deployed."""

import json
import re
from collections.abc import Iterable
from itertools import zip_longest

from tandem_contract.errors import TandemError

from .model import Change, Resource
from .preview import DELETIONS, Read

_AUTONAME = re.compile(r"-[0-9a-f]{7}\b")  # the end of a name that Pulumi makes up: another in each preview


def against(base: Read, head: Read) -> Read:
    """The way from what the base would make to what the change would make, both previewed of one state.

    Raises `TandemError` where they are of two stacks.
    """
    if base.stack != head.stack:
        raise TandemError(
            f"The base is a preview of {base.stack}, the change one of {head.stack}: give two of one stack."
        )
    before, after = _by_urn(base.changes), _by_urn(head.changes)
    changes = tuple(
        change
        for urn in dict.fromkeys([*before, *after])
        for pair in zip_longest(before.get(urn, ()), after.get(urn, ()))
        if (change := _change(*pair))
    )
    problems = tuple(f"in the base: {problem}" for problem in base.problems) + head.problems
    return head._replace(changes=changes, parents={**base.parents, **head.parents}, problems=problems)


def _by_urn(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """What there is after each; one URN has several where an old copy is retained."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        if change.after:
            found.setdefault(change.urn, []).append(change)
    return found


def _change(base: Change | None, head: Change | None) -> Change | None:
    before, after = base and base.after, head and head.after
    if base and not head:
        return Change("delete", base.urn, before, None)
    if not head:
        return None
    if not before:
        op = "create"
    elif after and _inputs(before) == _inputs(after):
        op = "same"
    else:
        # How it is done is by what is deployed; that both make it is an update between them.
        op = "update" if head.op in ("same", "refresh", "create", *DELETIONS) else head.op
    return Change(op, head.urn, before, after, head.remark)


def _inputs(resource: Resource) -> str:
    return _AUTONAME.sub("", json.dumps(resource.inputs, sort_keys=True))
