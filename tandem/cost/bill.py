"""Bill: the charges of one resource on one side of a change, which a pricer adds."""

from collections.abc import Callable
from decimal import Decimal

from .model import Assessment, Charge, Number, Resource
from .prices import NoPrice, NotOffered, PriceTable
from .units import HOURS_A_MONTH


class Bill:
    """Collects what one resource costs; a pricer writes on it."""

    def __init__(self, resource: Resource, table: PriceTable, usage: bool):
        self.table = table
        self.usage = usage
        """Whether the preview has usage assumptions, where the use of storage and the like is counted."""
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

    def counted_with(self, parameter: str) -> None:
        """Its use is part of the usage assumptions; NOT PRICED where there are none."""
        if self.usage:
            self._assumed = parameter
        else:
            self.not_priced(f"{parameter}: this preview has no usage assumptions to count it by")

    def not_priced(self, reason: str, *numbers: Number) -> None:
        """Something of it has no price; it belongs to these numbers, or to none that can be told."""
        self._unpriced.append(reason)
        self._open = self._open | set(numbers) if numbers and self._open is not None else None

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
