"""Price rows, each with source and date, and their loader. The keys are in `docs/prices.md`.

Three answers, never mixed up: a price; `Unavailable`, AWS doesn't offer it there; `NotPriced`, nobody has looked.
"""

import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
REQUIRED = ("service", "key", "region", "unit", "usd", "tier", "source", "read_at")
OPTIONAL = ("sku",)


class NotPriced(LookupError):
    """There is no row for it. It costs something all the same: never take it for zero."""


class Unavailable(LookupError):
    """AWS doesn't sell it in the region, by a dated row that says so."""


class PriceTableError(ValueError):
    """A price file can't be used; the text lists every mistake in it."""


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

        Raises `NotPriced` if there is no row for it, `Unavailable` if AWS doesn't offer it here.
        """
        if reason := self._absent.get((service, key)):
            raise Unavailable(f"AWS doesn't offer {service} {key} in {self.region} ({reason})")
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
    """The price table of a region; raises `PriceTableError` if there is none or it has mistakes."""
    path = FOLDER / f"{region}.json"
    if path.parent != FOLDER or not path.is_file():
        raise PriceTableError(f"there are no prices for region {region!r}; regions with prices: {', '.join(regions())}")
    return read(path)


def regions() -> list[str]:
    """The regions that have a price table."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(path: Path) -> PriceTable:
    """Read the price table `<region>.json`; raises `PriceTableError` with every mistake in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    except (OSError, ValueError) as error:
        raise PriceTableError(f"{path.name}: can't be read ({error})") from error
    if not isinstance(content, list):
        raise PriceTableError(f"{path.name}: not a list of rows")
    mistakes: list[str] = []
    rows: list[Row] = []
    absent: dict[tuple[str, str], str] = {}
    ends: dict[tuple[str, str], Decimal | None] = {}
    for number, entry in enumerate(content, start=1):
        if found := _mistakes(entry, path.stem):
            mistakes += [f"row {number}: {mistake}" for mistake in found]
            continue
        if entry["usd"] is None:
            absent[entry["service"], entry["key"]] = f"{entry['source']}, {entry['read_at']}"
            continue
        tier = entry["tier"] and Tier(entry["tier"]["from"], entry["tier"]["to"])
        rows.append(Row(**entry | {"tier": tier}))
    for row in sorted(rows, key=_place):
        name, start = (row.service, row.key), row.tier.start if row.tier else Decimal(0)
        last = ends.get(name, Decimal(0))
        if name in absent or last is None or (name in ends and start < last):
            mistakes.append(f"two rows for {row.service} {row.key} at {start} {row.unit}: keep the one that is right")
        ends[name] = row.tier.end if row.tier else None
    if mistakes:
        raise PriceTableError(f"{path.name}: " + "; ".join(mistakes))
    return PriceTable(path.stem, rows, absent)


def _place(row: Row) -> tuple[str, str, Decimal]:
    return row.service, row.key, row.tier.start if row.tier else Decimal(0)


def _day(text: str) -> date:
    return date.fromisoformat(text if len(text) > len("2026-11") else f"{text}-01")


def _mistakes(entry: Any, region: str) -> list[str]:
    if not isinstance(entry, dict):
        return ["not a JSON object"]
    name = f"{entry.get('service')} {entry.get('key')}: "
    mistakes = [f"{name}{field!r} is missing" for field in REQUIRED if field not in entry]
    mistakes += [f"{name}unknown field {field!r}" for field in entry if field not in REQUIRED + OPTIONAL]
    for field in ("service", "key", "unit", "source", "sku"):
        if field in entry and not (isinstance(entry[field], str) and entry[field].strip()):
            mistakes.append(f"{name}{field!r} is {entry[field]!r}, not a text")
    if entry.get("region", region) != region:
        mistakes.append(f"{name}'region' is {entry['region']!r}, not the file's")
    usd = entry.get("usd")
    if usd is not None and not (isinstance(usd, Decimal) and usd >= 0):
        mistakes.append(f"{name}'usd' is {usd!r}, neither a price nor null (not offered)")
    try:
        _day(entry.get("read_at", "2026-01-01"))
    except (TypeError, ValueError):
        mistakes.append(f"{name}'read_at' is {entry['read_at']!r}, not a day as 2026-11-22 or a month as 2026-11")
    tier = entry.get("tier")
    if tier is not None and not _is_tier(tier):
        mistakes.append(f'{name}\'tier\' is {tier!r}: give null or {{"from": amount, "to": amount or null}}')
    return mistakes


def _is_tier(tier: Any) -> bool:
    if not isinstance(tier, dict) or set(tier) != {"from", "to"} or not isinstance(tier["from"], Decimal):
        return False
    return tier["to"] is None or (isinstance(tier["to"], Decimal) and tier["from"] < tier["to"])
