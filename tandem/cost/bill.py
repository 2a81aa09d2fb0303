"""Bill: the charges of one resource on one side of a change, which a pricer adds."""

from collections.abc import Callable, Collection
from decimal import Decimal

from .model import Assessment, Charge, Number, Resource
from .prices import NoPrice, NotOffered, PriceTable
from .units import HOURS_A_MONTH


class Bill:
    """Collects what one resource costs; a pricer writes on it."""

    def __init__(self, resource: Resource, table: PriceTable, usage: Collection[str]):
        self.table = table
        self.usage = usage
        """The amounts that its environment assumes; none where it is in no environment."""
        self._resource = resource
        self._charges: list[Charge] = []
        self._free = self._assumed = ""
        self._unpriced: list[str] = []
        self._open: set[Number] | None = set()
        self._unavailable: list[str] = []
        self._notes: list[str] = []

    def charge(
        self,
        number: Number,
        what: str,
        service: str,
        key: str,
        quantity: Decimal | int,
        *,
        assumed: bool = False,
        hourly: bool = False,
    ) -> None:
        """Charge a quantity, a month's where the price has tiers; without a row it is NOT PRICED, never zero."""
        quantity = Decimal(quantity)
        try:
            usd, rows = self.table.cost(service, key, quantity)
        except NoPrice as error:
            self.missing(error)
        else:
            self.add(Charge(number, what, quantity, rows[0].unit, usd, rows, assumed, hourly))

    def hours(self, what: str, service: str, key: str, count: Decimal | int = 1) -> None:
        """Charge a month of hours of `count` things that bill as long as they exist."""
        self.charge(Number.IDLE, what, service, key, count * HOURS_A_MONTH, hourly=True)

    def add(self, charge: Charge) -> None:
        """Add a charge that was computed elsewhere."""
        self._charges.append(charge)

    def free(self, reason: str) -> None:
        """It costs nothing by itself."""
        self._free = reason

    def counted_with(self, what: str, *amounts: str) -> None:
        """Its use is one of these amounts, which its environment assumes; NOT PRICED where nothing around it does."""
        if found := [amount for amount in amounts if amount in self.usage]:
            self._assumed = f"{what}: {', '.join(found)}"
        else:
            self.not_priced(f"{what}: it is in no environment that assumes {' or '.join(amounts)}")

    def by_use(self, what: str, counted: str) -> None:
        """It bills for use alone, so not while idle.

        `counted`: which of an environment's own use is in the numbers. How much anything else is used nobody assumes,
        so it is NOT PRICED.
        """
        if self.usage:
            self.free(f"bills only for {what}: {counted}")
        else:
            self.not_priced(f"{what}: it is in no environment that assumes its use", Number.QUERIES)

    def not_priced(self, reason: str, *numbers: Number) -> None:
        """Something of it has no price; it belongs to these numbers, or to none that can be told."""
        self._unpriced.append(reason)
        self._open = self._open | set(numbers) if numbers and self._open is not None else None

    def rate(self, service: str, key: str) -> str:
        """What one unit bills, in words, for what nobody knows the amount of."""
        try:
            row = self.table.price(service, key)
        except NoPrice:
            return "a price that no row has"  # after "bills", and after a colon
        return f"${row.usd} for each {row.unit}"

    def note(self, text: str) -> None:
        """A cause of cost that isn't dollars yet."""
        self._notes.append(text)

    def assessment(self) -> Assessment:
        """What was written."""
        return Assessment(
            self._resource,
            tuple(self._charges),
            self._free,
            self._assumed,
            tuple(self._unpriced),
            frozenset(self._open) if self._open else None,
            tuple(self._unavailable),
            tuple(self._notes),
        )

    def missing(self, error: NoPrice) -> None:
        """Take down why something has no price."""
        reasons = self._unavailable if isinstance(error, NotOffered) else self._unpriced
        reasons.append(str(error).removeprefix("NOT PRICED: "))
        self._open = None


Pricer = Callable[[Resource, Bill], None]
