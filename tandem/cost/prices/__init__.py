"""Price rows, each with source and date, and their loader. The keys are in `docs/prices.md`.

Three answers, never mixed up: a price; `NotOffered`, AWS doesn't sell it there; `NotPriced`, nobody has looked.
"""

import difflib
import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tandem_contract.checks import Checks
from tandem_contract.errors import TandemError

from .key_units import unit_of

FOLDER = Path(__file__).parent
REQUIRED = ("service", "key", "region", "unit", "usd", "tier", "source", "read_at")
OPTIONAL = ("sku",)


class NoPrice(TandemError):
    """It has no price, for one of two reasons. Never take it for zero."""


class NotPriced(NoPrice):
    """Its price can't be told, or nobody has looked; it costs something all the same."""


class NotOffered(NoPrice):
    """AWS doesn't sell it in the region, by a dated row that says so."""


class Tier(NamedTuple):
    """A share of a month's amount, in the row's unit: above `start`, up to `end` (None: without end)."""

    start: Decimal
    end: Decimal | None


@dataclass(frozen=True)
class Row:
    """One price: `usd` for one `unit`, on demand, before taxes and discounts."""

    service: str
    """AWS's service code, e.g. `AmazonSageMaker`."""
    key: str
    region: str
    unit: str
    usd: Decimal
    tier: Tier | None
    """None: the same price for any amount."""
    source: str
    read_at: str
    """Day, or month where no more is known, on which the source said so."""
    sku: str | None = None

    def reaches(self, amount: Decimal | int) -> bool:
        """Whether a month's amount doesn't go beyond this row's tier."""
        return self.tier is None or self.tier.end is None or amount <= self.tier.end

    def age_days(self, today: date | None = None) -> int:
        """Days since it was read; from the first of the month where only that is known."""
        return ((today or date.today()) - _day(self.read_at)).days


class PriceTable:
    """The prices of one region, and what is known not to be offered there: service and key, and who says so."""

    def __init__(self, region: str, rows: Iterable[Row], absent: Mapping[tuple[str, str], str]):
        self.region = region
        self._absent = absent
        self._rows: dict[tuple[str, str], list[Row]] = {}
        for row in sorted(rows, key=_place):
            self._rows.setdefault((row.service, row.key), []).append(row)

    def __iter__(self) -> Iterator[Row]:
        return (row for rows in self._rows.values() for row in rows)

    def price(self, service: str, key: str, amount: Decimal | int | None = None) -> Row:
        """The row that prices the last unit of a month's `amount`, or without one the first paid unit.

        Raises `NotPriced` if there is no row for it, `NotOffered` if AWS doesn't offer it here.
        """
        if reason := self._absent.get((service, key)):
            raise NotOffered(f"AWS doesn't offer {service} {key} in {self.region} ({reason})")
        rows = self._rows.get((service, key))
        if rows is None:
            near = difflib.get_close_matches(key, [known for of, known in self._rows if of == service], n=3, cutoff=0.5)
            raise NotPriced(self._missing(service, key) + (f"; nearest keys: {', '.join(near)}" if near else ""))
        # A free allowance below the first tier is the account's, not one resource's: it is charged here.
        row = next((row for row in rows if amount is None or row.reaches(amount)), None)
        if row is None:
            raise NotPriced(self._missing(service, f"{key} for {amount} {rows[-1].unit} a month"))
        return row

    def cost(self, service: str, key: str, amount: Decimal) -> tuple[Decimal, tuple[Row, ...]]:
        """What a month's `amount` costs, each tier's share at its own price, and the rows of the tiers that it reaches.

        Raises as `price` does. What lies below the first tier, a free allowance of the account, is charged here.
        """
        self.price(service, key, amount)
        rows = self._rows[service, key]
        used, usd, left = [], Decimal(0), amount
        for row in rows:
            start = row.tier.start if row.tier and row is not rows[0] else Decimal(0)
            share = left if row.reaches(amount) else row.tier.end - start if row.tier and row.tier.end else left
            used.append(row)
            usd, left = usd + share * row.usd, left - share
            if left <= 0:
                break
        return usd, tuple(used)

    def keys(self, service: str, start: str = "") -> list[str]:
        """The keys of a service that begin with `start`, sorted."""
        return sorted(key for of, key in self._rows if of == service and key.startswith(start))

    def _missing(self, service: str, key: str) -> str:
        remedy = f"add a row with source and date to tandem/cost/prices/{self.region}.json (docs/prices.md says how)"
        return f"NOT PRICED: {service} {key} in {self.region}; {remedy}"


@functools.cache
def load(region: str) -> PriceTable:
    """The price table of a region; raises `NotPriced` if there is none, and `TandemError` if it has mistakes."""
    if region not in regions():
        remedy = f"`tandem cost refresh --region {region or 'REGION'} --write` reads them from AWS's price list"
        known = f"regions with prices: {', '.join(regions())}"
        raise NotPriced(f"there are no prices for region {region!r}; {known}; {remedy}")
    return read(FOLDER / f"{region}.json")


def regions() -> list[str]:
    """The regions that have a price table."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(path: Path) -> PriceTable:
    """Read the price table `<region>.json`; raises `TandemError`, with every mistake in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    except (OSError, ValueError) as error:
        raise TandemError(f"{path.name}: can't be read ({error}).") from error
    if not isinstance(content, list):
        raise TandemError(f"{path.name}: is not a list of rows.")
    checks = Checks()
    rows: list[Row] = []
    absent: dict[tuple[str, str], str] = {}
    for number, entry in enumerate(content, start=1):
        before = len(checks.mistakes)
        _check_row(entry, path.stem, f"row {number}", checks)
        if len(checks.mistakes) > before:
            continue
        if entry["usd"] is None:
            absent[entry["service"], entry["key"]] = f"{entry['source']}, {entry['read_at']}"
            continue
        tier = entry["tier"] and Tier(entry["tier"]["from"], entry["tier"]["to"])
        rows.append(Row(**entry | {"tier": tier}))
    _check_tiers(rows, absent, checks)
    checks.finish(path.name)
    return PriceTable(path.stem, rows, absent)


def _check_row(entry: Any, region: str, row: str, checks: Checks) -> None:
    if not isinstance(entry, dict):
        return checks.refuse(row, entry, "a JSON object", "docs/prices.md has the fields.")
    checks = checks.at(f"{row}, {entry.get('service')} {entry.get('key')}")
    for field in REQUIRED:
        if field not in entry:
            checks.missing(field, "docs/prices.md says what it holds.")
    checks.known(entry, REQUIRED + OPTIONAL, "a field")
    for field in ("service", "key", "unit", "source", "sku"):
        if field in entry:
            checks.text(field, entry[field])
    if entry.get("region", region) != region:
        checks.refuse("region", entry["region"], f"{region}, as the file is called", "Move the row to its file.")
    usd = entry.get("usd")
    if usd is not None and not (isinstance(usd, Decimal) and usd >= 0):
        checks.refuse("usd", usd, "a price", "Write null for what AWS doesn't offer.")
    _check_unit(entry, checks)
    try:
        day = _day(entry.get("read_at", "2026-01-01"))
    except (TypeError, ValueError):
        checks.refuse("read_at", entry["read_at"], "a day as 2026-11-22, a month as 2026-11", "Say when it was read.")
    else:
        # Where the sun rises first it is tomorrow already.
        if day > (datetime.now(UTC) + timedelta(hours=14)).date():
            checks.refuse("read_at", entry["read_at"], "a day that has come", "Say when it was read.")
    tier = entry.get("tier")
    if tier is not None and not _is_tier(tier):
        checks.refuse("tier", tier, '{"from": amount, "to": amount or null}', "Write null where there are no tiers.")


def _check_unit(entry: Mapping[str, Any], checks: Checks) -> None:
    service, key, unit = (entry.get(field) for field in ("service", "key", "unit"))
    if not all(isinstance(value, str) and value.strip() for value in (service, key, unit)):
        return
    known = unit_of(str(service), str(key))
    if not known:
        remedy = "Write it as us-east-1's table does; the unit of a new kind goes into tandem/cost/prices/key_units.py."
        checks.refuse("key", key, f"a kind of key of {service} whose unit is known", remedy)
    elif unit != known:
        checks.refuse("unit", unit, f"{known}, by which the price is multiplied", "Convert the price, and its tiers.")


def _check_tiers(rows: Iterable[Row], absent: Collection[tuple[str, str]], checks: Checks) -> None:
    last: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=_place):
        name, start = (row.service, row.key), row.tier.start if row.tier else Decimal(0)
        before = last.get(name)
        end = before.tier.end if before and before.tier else None
        if before and end is not None and start > end:
            problem = f"has no row from {end} to {start} {row.unit}"
            checks.add(f"{row.service} {row.key}", problem, "A tier begins where the one before it ends.")
        if name in absent or (before and (end is None or start < end)):
            prices = f"{before.usd if before else 'not offered'} and {row.usd}"
            problem = f"has two rows at {start} {row.unit}: {prices}"
            checks.add(f"{row.service} {row.key}", problem, "Keep the one that is right.")
        last[name] = row


def _place(row: Row) -> tuple[str, str, Decimal]:
    return row.service, row.key, row.tier.start if row.tier else Decimal(0)


def _day(text: str) -> date:
    return date.fromisoformat(text if len(text) > len("2026-11") else f"{text}-01")


def _is_tier(tier: Any) -> bool:
    if not isinstance(tier, dict) or set(tier) != {"from", "to"} or not isinstance(tier["from"], Decimal):
        return False
    return tier["to"] is None or (isinstance(tier["to"], Decimal) and tier["from"] < tier["to"])
