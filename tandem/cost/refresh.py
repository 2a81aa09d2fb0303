"""Refresh of a region's price rows from AWS's price list: what drifted, and, with `--write`, the file written anew."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from tandem_contract.errors import TandemError

from . import prices
from .price_list import HOME, REGION, UNITS, Question, here, match, prefix_of, question, service_of
from .prices.key_units import unit_of

BOUND = 50
"""Per cent; a price that moves by more, up or down, is written only if somebody has looked at it (`accept`)."""
SAMPLE = 100
"""Products of a service by which its usage types' prefixes in a region are read: one page."""
SOURCE = "AWS Price List API"
_FILE = "tandem/cost/price_list.py"
_FIELDS = ("service", "key", "region", "unit", "usd", "tier", "source", "read_at", "sku")
_TOLD = ("unchanged", "changed", "new", "gone", "absent", "failed")
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
    """Empty: the table has no row for it yet."""
    home: tuple[Tier, ...] = ()
    """Its prices in `HOME`, which a new one is compared with."""
    after: tuple[Tier, ...] = ()
    """Empty: the price list has none."""
    sku: str = ""
    failure: str = ""
    """Why it isn't known what the price list has."""

    @property
    def outcome(self) -> Literal["failed", "unchanged", "gone", "changed", "new", "absent"]:
        """`absent`: neither the table nor the price list has it."""
        if self.failure:
            return "failed"
        if not self.before:
            return "new" if self.after else "absent"
        # What AWS doesn't sell has no price in its list either: that is what the row says.
        unsold = not self.after and all(tier.usd is None for tier in self.before)
        if unsold or self.before == self.after:
            return "unchanged"
        return "changed" if self.after else "gone"

    @property
    def is_beyond(self) -> bool:
        """Whether a price is by more than `BOUND` another than before, or where it is new than in `HOME`."""
        pairs = ((old.usd, new.usd) for old, new in zip(self.before or self.home, self.after, strict=False))
        return any(abs(new / old - 1) * 100 > BOUND for old, new in pairs if old and new)


def run(
    region: str,
    *,
    client: Any,
    write: bool,
    say: Callable[[str], None],
    today: date,
    accept: bool = False,
    asked: Iterable[tuple[str, str]] = (),
    folder: Path = prices.FOLDER,
) -> tuple[Drift, ...]:
    """Ask the price list about every key that has a query, say what drifted, and return it.

    Keys are those of the region's table, those of `HOME`'s, so that a region without a table gets one, and `asked`,
    services and keys. With `write` the file is written anew: every tier at the price that was read, with its number and
    today's date; keys that the price list no longer has are deleted; rows without a query stay as they are. It is
    written whole or not at all.

    Raises `TandemError` if there are no credentials, if the answer about a key of the table isn't exactly one price,
    and with `write` if one moves by more than `BOUND`, unless `accept`. A new key that fails is left out.
    """
    if not REGION.fullmatch(region):
        raise TandemError(f"region: {region!r} is not allowed (a region's code). Give it as us-west-2.")
    path = folder / f"{region}.json"
    rows = _rows(path)
    home = {(service, here(key, region)): of for (service, key), of in _rows(folder / f"{HOME}.json").items()}
    units = {name: of[0]["unit"] for name, of in home.items()}
    units |= {(service, key): unit for service, key in asked if (unit := unit_of(service, key))}
    units |= {name: of[0]["unit"] for name, of in rows.items()}
    prefixes = _prefixes(client, region, {service_of(*name) for name in units} - {""})

    questions = {name: question(*name, region, prefixes) for name in sorted(units)}
    started = time.perf_counter()
    drifts = []
    for name, question_ in questions.items():
        if question_:
            drift = Drift(*name, units[name], _tiers(rows.get(name, ())), _tiers(home.get(name, ())))
            drifts.append(_asked(client, drift, question_))
            for line in _lines(drifts[-1]):
                say(line)
    seconds = time.perf_counter() - started

    without = [name for name, question_ in questions.items() if not question_]
    for line in _summary(region, drifts, without, rows, seconds):
        say(line)
    _check(region, drifts, write and not accept)
    if write:
        _write(path, region, rows, drifts, today)
        say(f"written: {path.name}")
    else:
        say("nothing written; with --write the file is")
    return tuple(drifts)


def _rows(path: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rows of a table by service and key, in the order of the file; none where there is no file."""
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    if path.is_file():
        prices.read(path)
        for entry in json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal):
            rows.setdefault((entry["service"], entry["key"]), []).append(entry)
    return rows


def _tiers(rows: Iterable[Mapping[str, Any]]) -> tuple[Tier, ...]:
    whole: dict[str, Any] = {"from": Decimal(0), "to": None}
    ranges = ((row["tier"] or whole, row["usd"]) for row in rows)
    return _ordered(Tier(part["from"], part["to"], usd) for part, usd in ranges)


def _prefixes(client: Any, region: str, services: Iterable[str]) -> tuple[str, ...]:
    """What usage types begin with in a region, by the first products of each service that are in it."""
    found, told = {region}, False
    for service in sorted(services):
        for product in _products(client, service, [match("regionCode", region)], SAMPLE):
            told = True
            found.add(prefix_of(product["product"]["attributes"].get("usagetype", ""), region))
    if not told:
        raise TandemError(f"the price list has nothing in region {region!r}, and nothing was written. Is it its code?")
    return tuple(sorted(found | {""} if region == HOME else found - {""}))


def _asked(client: Any, drift: Drift, asked: Question) -> Drift:
    try:
        sku, after = _price(_products(client, asked.service_code, asked.filters), asked, drift.unit)
    except _Unclear as error:
        return drift._replace(failure=str(error))
    except (ArithmeticError, AttributeError, KeyError, TypeError) as error:
        return drift._replace(failure=f"its terms aren't as AWS describes them ({error!r})")
    return drift._replace(sku=sku, after=after)


def _products(
    client: Any, service: str, filters: Iterable[Mapping[str, str]], most: int | None = None
) -> list[dict[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        pages = client.get_paginator("get_products").paginate(
            ServiceCode=service, Filters=list(filters), FormatVersion="aws_v1", PaginationConfig={"MaxItems": most}
        )
        found = [json.loads(text) for page in pages for text in page.get("PriceList", [])]
    except json.JSONDecodeError as error:
        raise TandemError(
            f"the price list's answer about {service} is no JSON, nothing was written: {error}"
        ) from error
    except (ClientError, BotoCoreError) as error:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if isinstance(error, NoCredentialsError | PartialCredentialsError) or code.startswith(_REFUSED):
            needed = "the price list is read with AWS credentials that have the permission pricing:GetProducts"
            raise TandemError(f"{needed}; nothing was written ({error})") from error
        raise TandemError(f"the price list can't be read, nothing was written: {error}") from error
    if not all(map(_is_product, found)):
        raise TandemError(f"the price list's answer about {service} isn't as AWS describes it, nothing was written")
    return found


def _is_product(found: Any) -> bool:
    product, terms = (found.get("product"), found.get("terms")) if isinstance(found, dict) else (None, None)
    return (
        isinstance(product, dict)
        and isinstance(product.get("sku"), str)
        and isinstance(product.get("attributes"), dict)
        and isinstance(terms, dict)
    )


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
    if not usd.is_finite() or usd < 0:
        raise _Unclear(f"a price of {usd}")
    return Tier(Decimal(start) / factor, None if end == "Inf" else Decimal(end) / factor, usd)


def _lines(drift: Drift) -> Iterator[str]:
    name = f"{drift.service} {drift.key}"
    if drift.failure:
        yield f"FAILED {name}: {drift.failure}{'' if drift.before else '; left out, it has no row yet'}"
    if drift.outcome == "gone":
        yield f"{name}: {', '.join(_plain(tier.usd) for tier in drift.before)} -> gone, the price list has none"
    if drift.outcome not in ("changed", "new"):
        return
    beyond = f", which needs --accept: {BOUND} % are allowed" if drift.is_beyond else ""
    for old, first, new in zip_longest(drift.before, drift.home if drift.outcome == "new" else (), drift.after):
        if old == new or (new is None and old is None):
            continue
        past, now = (_plain(tier.usd) + _range(tier) if tier else "none" for tier in (old, new))
        than, of = (old, "") if drift.before else (first, f" than {HOME}")
        percent = f" ({(new.usd / than.usd - 1) * 100:+.1f} %{of})" if than and new and than.usd and new.usd else ""
        yield f"{name}: {past} -> {now} per {drift.unit}{percent}{beyond}"


def _summary(
    region: str,
    drifts: list[Drift],
    without: list[tuple[str, str]],
    rows: Collection[tuple[str, str]],
    seconds: float,
) -> Iterator[str]:
    if left := [" ".join(name) for name in without if name in rows]:
        yield f"left as they are, no query: {', '.join(left)}"
    open_ = [" ".join(name) for name in without if name not in rows]
    if open_ := [*open_, *(f"{drift.service} {drift.key}" for drift in drifts if drift.outcome == "absent")]:
        yield f"NOT PRICED in {region}, no query or not in the price list: {', '.join(sorted(open_))}"
    counts = Counter(drift.outcome for drift in drifts)
    rate = f" ({len(drifts) / seconds:.1f} a second)" if seconds else ""
    told = ", ".join(f"{counts[kind]} {kind}" for kind in _TOLD if counts[kind] or kind not in ("new", "absent"))
    yield f"{region}: asked about {len(drifts)} keys in {seconds:.1f} s{rate}: {told}; {len(without)} without a query"


def _check(region: str, drifts: list[Drift], bounded: bool) -> None:
    """Raise `TandemError` if what was read isn't to be written."""
    known = [drift for drift in drifts if drift.before]
    if failed := [drift for drift in known if drift.failure]:
        raise TandemError(f"nothing was written: {len(failed)} failed: {_names(failed)}")
    if (gone := sum(drift.outcome == "gone" for drift in known)) * 2 > len(known):
        wrong = "that many don't vanish: the questions are wrong"
        raise TandemError(f"nothing was written: {gone} of {len(known)} keys aren't in the price list; {wrong}")
    if not any(drift.before or drift.after for drift in drifts):
        raise TandemError(f"nothing was written: the price list of {region} has none of {len(drifts)} keys")
    if bounded and (beyond := [drift for drift in drifts if not drift.failure and drift.is_beyond]):
        what = f"{len(beyond)} are by more than {BOUND} % another than before, or where new than in {HOME}"
        raise TandemError(f"nothing was written: {what}: {_names(beyond)}. If they are right, add --accept.")


def _names(drifts: Iterable[Drift]) -> str:
    return ", ".join(f"{drift.service} {drift.key}" for drift in drifts)


def _write(
    path: Path, region: str, rows: Mapping[tuple[str, str], list[dict[str, Any]]], drifts: list[Drift], today: date
) -> None:
    kept = dict(rows)
    for drift in drifts:
        name = drift.service, drift.key
        row = {"service": drift.service, "key": drift.key, "region": region, "unit": drift.unit}
        read = {"source": SOURCE, "read_at": today.isoformat(), "sku": drift.sku}
        if drift.after:
            kept[name] = [row | {"usd": tier.usd, "tier": tier.range} | read for tier in drift.after]
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
