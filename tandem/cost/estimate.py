"""Estimate: the changes of a preview, each priced by the pricer of its resource's type."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from tandem_contract.errors import TandemError

from .bill import Bill
from .model import OTHERS, Assessment, Assumption, Change, Estimate, Line, Resource
from .preview import Read
from .pricers import PRICERS, why_free
from .pricers.bills_for import BILLS_FOR
from .prices import NoPrice, NotPriced, PriceTable, Row, load
from .prices.key_units import unit_of
from .usage import assumed, by_environment, is_usage


class _NoTable(PriceTable):
    """Has no price, for one reason."""

    def __init__(self, reason: str) -> None:
        super().__init__("", (), {})
        self.reason = reason

    def price(self, service: str, key: str, amount: Decimal | int | None = None) -> Row:  # noqa: ARG002
        raise NotPriced(self.reason)


class _Asked(PriceTable):
    """Has every price, one dollar, and remembers which were asked for."""

    def __init__(self) -> None:
        super().__init__("", (), {})
        self.names: set[tuple[str, str]] = set()

    def price(self, service: str, key: str, amount: Decimal | int | None = None) -> Row:  # noqa: ARG002
        self.names.add((service, key))
        return Row(service, key, "", unit_of(service, key), Decimal(1), None, "", "")

    def cost(self, service: str, key: str, amount: Decimal) -> tuple[Decimal, tuple[Row, ...]]:
        return amount, (self.price(service, key),)


def keys(read: Read) -> frozenset[tuple[str, str]]:
    """Service and key of every price that a preview needs, wherever it is, whether or not there are rows for it."""
    asked = _Asked()
    estimate(read, tables=lambda _: asked)
    return frozenset(asked.names)


def estimate(
    read: Read, discount_pct: Mapping[str, float] | None = None, tables: Callable[[str], PriceTable] | None = None
) -> Estimate:
    """Price both sides of every change, less a discount by service, or by `OTHERS` of those that aren't named.

    `tables` gives the prices of a region.
    """
    discounts = {service: Decimal(str(value)) for service, value in (discount_pct or {}).items()}
    changes = read.changes
    before, after = (
        by_environment((side for side in sides if side), read.parents)
        for sides in ((change.before for change in changes), (change.after for change in changes))
    )

    def priced(side: Resource | None, assumed_for: Callable[[Resource], frozenset[str]]) -> Assessment | None:
        return _less(assess(side, assumed_for(side), read.region, tables), discounts) if side else None

    lines = tuple(Line(change, priced(change.before, before), priced(change.after, after)) for change in changes)
    assumptions = tuple(_assumptions(changes))
    return Estimate(read.stack, read.region, lines, assumptions, read.problems, read.parents, discounts)


def assess(
    resource: Resource,
    usage: Collection[str] = (),
    region: str = "",
    tables: Callable[[str], PriceTable] | None = None,
) -> Assessment:
    """What one resource costs. Whatever can't be told is NOT PRICED, with the reason.

    `usage` are the amounts that its environment assumes, `documents_gigabytes` and the like. `region` is the stack's:
    an object of a cluster has none of its own, and is taken to be there.
    """
    if reason := why_free(resource.type):
        return Assessment(resource, free=reason)
    pricer = PRICERS.get(resource.type)
    if pricer is None:
        dimensions = BILLS_FOR.get(resource.type)
        for_what = f": it bills for {dimensions}" if dimensions else ""
        return Assessment(resource, unpriced=(f"type {resource.type} has no pricer{for_what}",))
    region = resource.region or (region if resource.type.startswith("kubernetes:") else "")
    table = _table(region, tables or load)
    bill = Bill(resource, table, usage)
    try:
        pricer(resource, bill)
    except NoPrice as error:
        bill.missing(error)
    found = bill.assessment()
    # What asks for no price is as free there as anywhere; of all else there is one thing to say.
    if isinstance(table, _NoTable) and found.unpriced:
        return replace(found, unpriced=(table.reason,), no_table=True)
    return found


def _table(region: str, tables: Callable[[str], PriceTable]) -> PriceTable:
    if not region:
        return _NoTable("nothing in the preview says which region it is in: if AWS_REGION does, give --region")
    try:
        return tables(region)
    except TandemError as error:
        return _NoTable(str(error))


def _less(found: Assessment, discounts: Mapping[str, Decimal]) -> Assessment:
    if not discounts or not found.charges:
        return found
    others = discounts.get(OTHERS, Decimal(0))
    left = ((charge, 1 - discounts.get(charge.rows[0].service, others) / 100) for charge in found.charges)
    return replace(found, charges=tuple(replace(charge, usd=charge.usd * factor) for charge, factor in left))


def _assumptions(changes: Iterable[Change]) -> Iterable[Assumption]:
    for change in changes:
        sides = [assumed(side) if side and is_usage(side) else {} for side in (change.before, change.after)]
        if all(sides):
            for key in sorted({*sides[0], *sides[1]}):
                before, after = sides[0].get(key), sides[1].get(key)
                if before != after:
                    yield Assumption(change.urn.rsplit("::", 1)[-1], key, before, after)
