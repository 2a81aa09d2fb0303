"""Refresh of price rows from AWS's price list: what drifted, and, with `--write`, the file written anew."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tandem_contract.errors import TandemError

from . import prices
from .price_list import PREFIXES, UNITS, Question, question

SOURCE = "AWS Price List API"
_FILE = "tandem/cost/price_list.py"
_FIELDS = ("service", "key", "region", "unit", "usd", "tier", "source", "read_at", "sku")
# Codes of answers that say who asks isn't known or isn't allowed to.
_REFUSED = ("AccessDenied", "UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidSignature", "NotAuth")


class _Unclear(Exception):
    """Why one key's answer is no price."""


class Tier(NamedTuple):
    """A price from some amount a month on, up to another (None: without end), in the row's unit."""

    start: Decimal
    end: Decimal | None
    usd: Decimal | None
    """None: AWS doesn't sell it there."""

    @property
    def range(self) -> dict[str, Decimal | None] | None:
        """As in a row's `tier`."""
        return {"from": self.start, "to": self.end} if self.start or self.end is not None else None


class Drift(NamedTuple):
    """One key that was asked about: its prices in the table and in the price list."""

    service: str
    key: str
    unit: str
    before: tuple[Tier, ...]
    after: tuple[Tier, ...] = ()
    """Empty: the price list has none."""
    sku: str = ""
    failure: str = ""
    """Why it isn't known what the price list has."""

    @property
    def outcome(self) -> str:
        """`failed`, `unchanged`, `gone` or `changed`."""
        if self.failure:
            return "failed"
        # What AWS doesn't sell has no price in its list either: that is what the row says.
        unsold = not self.after and all(tier.usd is None for tier in self.before)
        if unsold or self.before == self.after:
            return "unchanged"
        return "changed" if self.after else "gone"


def run(
    region: str, *, client: Any, write: bool, say: Callable[[str], None], today: date, folder: Path = prices.FOLDER
) -> tuple[Drift, ...]:
    """Ask the price list about every key of a region that has a query, say what drifted, and return it.

    With `write` the file is written anew: every tier at the price that was read, with its number and today's date; keys
    that the price list no longer has are deleted; rows without a query stay as they are. It is written whole or not at
    all. Raises `TandemError` if there are no credentials or any key's answer isn't exactly one price.
    """
    path = folder / f"{region}.json"
    known = sorted(file.stem for file in folder.glob("*.json"))
    if region not in known:
        raise TandemError(f"there are no prices for region {region!r}; regions with prices: {', '.join(known)}")
    if region not in PREFIXES:
        raise TandemError(f"usage types of region {region} aren't known: add how they begin to PREFIXES in {_FILE}")
    prices.read(path)
    entries = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in entries:
        rows.setdefault((entry["service"], entry["key"]), []).append(entry)

    questions = {name: question(*name, region) for name in rows}
    started = time.perf_counter()
    drifts = []
    for name, asked in questions.items():
        if asked:
            drifts.append(_drift(client, rows[name], asked))
            for line in _lines(drifts[-1]):
                say(line)
    seconds = time.perf_counter() - started

    without = [name for name, asked in questions.items() if not asked]
    for line in _summary(region, drifts, without, seconds):
        say(line)
    if failed := [f"{drift.service} {drift.key}" for drift in drifts if drift.failure]:
        raise TandemError(f"nothing was written: {len(failed)} failed: {', '.join(failed)}")
    if (gone := sum(drift.outcome == "gone" for drift in drifts)) * 2 > len(drifts):
        wrong = "that many don't vanish: the questions are wrong"
        raise TandemError(f"nothing was written: {gone} of {len(drifts)} keys aren't in the price list; {wrong}")
    if write:
        _write(path, rows, drifts, today)
        say(f"written: {path.name}")
    else:
        say("nothing written; with --write the file is")
    return tuple(drifts)


def _drift(client: Any, rows: list[dict[str, Any]], asked: Question) -> Drift:
    first = rows[0]
    ranges: list[dict[str, Any]] = [row["tier"] or {"from": Decimal(0), "to": None} for row in rows]
    before = [Tier(part["from"], part["to"], row["usd"]) for part, row in zip(ranges, rows, strict=True)]
    drift = Drift(first["service"], first["key"], first["unit"], _ordered(before))
    try:
        sku, after = _price(_products(client, asked), asked, drift.unit)
    except _Unclear as error:
        return drift._replace(failure=str(error))
    return drift._replace(sku=sku, after=after)


def _products(client: Any, asked: Question) -> list[dict[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        pages = client.get_paginator("get_products").paginate(
            ServiceCode=asked.service_code, Filters=list(asked.filters), FormatVersion="aws_v1"
        )
        return [json.loads(text) for page in pages for text in page["PriceList"]]
    except (ClientError, BotoCoreError) as error:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if isinstance(error, NoCredentialsError | PartialCredentialsError) or code.startswith(_REFUSED):
            needed = "the price list is read with AWS credentials that have the permission pricing:GetProducts"
            raise TandemError(f"{needed}; nothing was written ({error})") from error
        raise TandemError(f"the price list can't be read, nothing was written: {error}") from error


def _price(products: list[dict[str, Any]], asked: Question, unit: str) -> tuple[str, tuple[Tier, ...]]:
    """The one price that the products have, and the number of the first that has it; nothing where none has one."""
    found: dict[tuple[Tier, ...], str] = {}
    for product in sorted(products, key=lambda product: product["product"]["sku"]):
        usage_type = product["product"]["attributes"].get("usagetype")
        if usage_type not in asked.usage_types:
            raise _Unclear(f"asked for {' or '.join(asked.usage_types)}, answered {usage_type}")
        for term in product["terms"].get("OnDemand", {}).values():
            tiers = _ordered(_tier(dimension, unit) for dimension in term["priceDimensions"].values())
            # What is free at first is the account's allowance, which no row subtracts.
            while len(tiers) > 1 and not tiers[0].usd:
                tiers = tiers[1:]
            found.setdefault(tiers, product["product"]["sku"])
    if not found:
        return "", ()
    if len(found) > 1:
        amounts = "; ".join(sorted(", ".join(_plain(tier.usd) for tier in tiers) for tiers in found))
        raise _Unclear(f"ambiguous: {len(found)} prices ({amounts})")
    (tiers, sku), *_ = found.items()
    if not all(tier.usd for tier in tiers):
        raise _Unclear("a price of zero: what is billed elsewhere isn't free")
    return sku, tiers


def _ordered(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    return tuple(sorted(tiers, key=lambda tier: tier.start))


def _tier(dimension: dict[str, Any], unit: str) -> Tier:
    factor = UNITS.get(unit, {}).get(dimension["unit"].lower())
    if factor is None:
        raise _Unclear(f"in {dimension['unit']!r}: add to UNITS in {_FILE} how many are one {unit}")
    if "USD" not in dimension["pricePerUnit"]:
        raise _Unclear(f"not in US dollars: {dimension['pricePerUnit']}")
    start, end = dimension.get("beginRange", "0"), dimension.get("endRange", "Inf")
    usd = Decimal(dimension["pricePerUnit"]["USD"]) * factor
    return Tier(Decimal(start) / factor, None if end == "Inf" else Decimal(end) / factor, usd)


def _lines(drift: Drift) -> Iterator[str]:
    name = f"{drift.service} {drift.key}"
    if drift.failure:
        yield f"FAILED {name}: {drift.failure}"
    if drift.outcome == "gone":
        yield f"{name}: {', '.join(_plain(tier.usd) for tier in drift.before)} -> gone, the price list has none"
    if drift.outcome != "changed":
        return
    for old, new in zip_longest(drift.before, drift.after):
        if old == new:
            continue
        past, now = (_plain(tier.usd) + _range(tier) if tier else "none" for tier in (old, new))
        percent = f" ({(new.usd / old.usd - 1) * 100:+.1f} %)" if old and new and old.usd and new.usd else ""
        yield f"{name}: {past} -> {now} per {drift.unit}{percent}"


def _summary(region: str, drifts: list[Drift], without: list[tuple[str, str]], seconds: float) -> Iterator[str]:
    if without:
        yield f"left as they are, no query: {', '.join(f'{service} {key}' for service, key in without)}"
    counts = {
        kind: sum(drift.outcome == kind for drift in drifts) for kind in ("unchanged", "changed", "gone", "failed")
    }
    rate = f" ({len(drifts) / seconds:.1f} a second)" if seconds else ""
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    yield f"{region}: asked about {len(drifts)} keys in {seconds:.1f} s{rate}: {told}; {len(without)} without a query"


def _write(path: Path, rows: dict[tuple[str, str], list[dict[str, Any]]], drifts: list[Drift], today: date) -> None:
    kept = dict(rows)
    for drift in drifts:
        name, first = (drift.service, drift.key), rows[drift.service, drift.key][0]
        read = {"source": SOURCE, "read_at": today.isoformat(), "sku": drift.sku}
        if drift.after:
            kept[name] = [first | {"usd": tier.usd, "tier": tier.range} | read for tier in drift.after]
        elif drift.outcome == "gone":
            del kept[name]
    lines = [
        _json({field: row[field] for field in _FIELDS if field in row}) for name in sorted(kept) for row in kept[name]
    ]
    with TemporaryDirectory(dir=path.parent) as place:
        fresh = Path(place) / path.name
        fresh.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
        prices.read(fresh)
        fresh.replace(path)
    prices.load.cache_clear()


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {_json(item)}" for name, item in value.items()) + "}"
    return _plain(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _plain(number: Decimal | None) -> str:
    return "not offered" if number is None else f"{number.normalize():f}"


def _range(tier: Tier) -> str:
    if tier.range is None:
        return ""
    return f" from {_plain(tier.start)}" + (f" to {_plain(tier.end)}" if tier.end is not None else "")
