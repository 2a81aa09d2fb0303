"""Data model of `tandem cost`: resources before and after a change, and the charges of each."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from .prices import NotPriced, Row

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What a preview has in place of a value that only the deployment knows (pulumi/pulumi, sdk resource/properties.go)."""
OTHERS = "all"
"""Among discounts by service: those that aren't named."""
SECRET = "[secret]"  # noqa: S105 - what a preview shows in place of one

_INDEX = re.compile(r"\.\d+(?=\.|$)")


@dataclass(frozen=True)
class Resource:
    """One resource on one side of a change, by its inputs."""

    urn: str
    type: str
    name: str
    parent: str
    """URN of the parent; empty for the stack."""
    region: str
    """Where it is or will be; empty where nothing in the preview says so."""
    inputs: Mapping[str, Any]
    references: dict[str, tuple["Resource", ...]] = field(default_factory=dict, compare=False, repr=False)
    """The resources that an input comes from, on the same side, as far as the preview has them."""
    users: list["Resource"] = field(default_factory=list, compare=False, repr=False)
    """The resources that have an input from it: the other way of `references`."""
    asked: set[str] = field(default_factory=set, compare=False, repr=False)
    """The paths that were asked for, items of a list as `a[].b`: what its price really read (`considered.py`)."""

    def get(self, path: str, default: Any = None) -> Any:
        """The input at a path as `productionVariants.0.instanceType`; `default` where there is none.

        Raises `NotPriced` where the preview hides it: known after the deployment, or a secret.
        """
        value = self.shown(path)
        if value == UNKNOWN:
            raise NotPriced(f"{path} is known only once it is deployed")
        if value == SECRET:
            raise NotPriced(f"{path} is a secret, which a preview doesn't show")
        return default if value is None else value

    def shown(self, path: str) -> Any:
        """The input at a path as the preview shows it, UNKNOWN and SECRET too; None where there is none."""
        self.asked.add(_INDEX.sub("[]", path))
        value: Any = self.inputs
        for part in path.split("."):
            if isinstance(value, list):
                value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value in (UNKNOWN, SECRET, None):
                return value
        return value

    def source(self, name: str, type_: str) -> "Resource | None":
        """The resource of a type that an input comes from; None where the preview has none."""
        return next((it for it in self.references.get(name, ()) if it.type == type_), None)


def ancestors(parent: str, parents: Mapping[str, str]) -> Iterator[str]:
    """The URNs from a parent to the stack; it ends also in a file whose parents go round."""
    for _ in range(len(parents)):
        if not parent:
            break
        yield parent
        parent = parents.get(parent, "")


def type_of(urn: str) -> str:
    """The type in a URN, which has those of its parents in front; a name may hold anything."""
    return urn.split("::", 3)[2].rpartition("$")[2] if urn.count("::") > 2 else ""


class Change(NamedTuple):
    """One resource's way from what bills now to what will."""

    op: str
    urn: str
    before: Resource | None
    after: Resource | None
    remark: str = ""
    """What is odd about it: kept although deleted, billed twice for a while."""


class Number(Enum):
    """The three numbers; a run has two."""

    IDLE = "idle"
    """US dollars a month of 730 hours while nobody asks and nothing trains."""
    RUN_EXPECTED = "run_expected"
    """One fine-tuning run with the assumed hours."""
    RUN_CEILING = "run_ceiling"
    """One fine-tuning run at every limit of its envelope."""
    QUERIES = "queries"
    """1,000 answered questions, over and above `IDLE`."""


@dataclass(frozen=True)
class Charge:
    """`quantity` units of something, at dated prices."""

    number: Number
    what: str
    quantity: Decimal
    unit: str
    usd: Decimal
    """Not rounded."""
    rows: tuple[Row, ...]
    """The rows that it was computed from, one a tier."""
    assumed: bool = False
    """Whether the quantity is an assumption about usage."""
    hourly: bool = False
    """Whether it bills by the hour while it exists: what it costs to forget it."""


@dataclass(frozen=True)
class Assessment:
    """What one resource costs on one side. Without charges, `free` or `unpriced` says why: there is no silent zero."""

    resource: Resource
    charges: tuple[Charge, ...] = ()
    free: str = ""
    """Why it costs nothing by itself."""
    assumed: str = ""
    """Where its usage is counted instead."""
    unpriced: tuple[str, ...] = ()
    """What of it is NOT PRICED, and why."""
    open: frozenset[Number] | None = None
    """The numbers that what isn't priced belongs to; None: it can't be told."""
    unavailable: tuple[str, ...] = ()
    """What AWS doesn't offer in its region."""
    notes: tuple[str, ...] = ()
    """Causes of cost that aren't dollars yet."""
    no_table: bool = False
    """Whether it is unpriced since there are no prices at all where it is, or nobody knows where that is."""

    def usd(self, number: Number) -> Decimal:
        """What it adds to a number."""
        return sum((charge.usd for charge in self.charges if charge.number is number), Decimal(0))


@dataclass(frozen=True)
class Assumption:
    """A usage assumption of an environment: `(urn of its parameter, key)` -> value."""

    environment: str
    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Line:
    """One change with what it costs on both sides."""

    change: Change
    before: Assessment | None
    after: Assessment | None

    def delta(self, number: Number) -> Decimal:
        """After minus before."""
        return (self.after.usd(number) if self.after else Decimal(0)) - (
            self.before.usd(number) if self.before else Decimal(0)
        )


@dataclass(frozen=True)
class Estimate:
    """A whole preview."""

    stack: str
    """`project/stack`, as in the URNs."""
    region: str
    lines: tuple[Line, ...]
    assumptions: tuple[Assumption, ...] = ()
    """Those that change."""
    problems: tuple[str, ...] = ()
    """What the preview has and this program doesn't know, such as a new kind of step."""
    parents: Mapping[str, str] = field(default_factory=dict)
    """URN of a component -> URN of its parent; for the roll-up."""
    discounts: Mapping[str, Decimal] = field(default_factory=dict)
    """Service, or `OTHERS` -> per cent that its charges are less than its price rows say."""
