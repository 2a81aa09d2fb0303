"""The shipped prices against a second reading of each, by somebody else or on another day; and what must have none."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tandem.cost.prices import NoPrice, load

TOLERANCE = Decimal("0.05")
SECOND = json.loads(Path(__file__).with_name("second_readings.json").read_text())


def name(entry):
    return f"{entry['region']} {entry['service']} {entry['key']}"


@pytest.mark.parametrize("reading", SECOND["readings"], ids=name)
def test_second_reading_agrees(reading):
    """A price of another region, tier or unit is off by multiples; one that AWS changed needs another reading here."""
    row = load(reading["region"]).price(reading["service"], reading["key"])
    second = Decimal(reading["usd"])
    said = f"{row.usd} ({row.source}, {row.read_at}), but {second} ({reading['source']}, {reading['read_at']})"
    assert abs(row.usd - second) <= TOLERANCE * second, said
    assert (row.read_at, row.source) != (reading["read_at"], reading["source"]), "this is the first reading"


@pytest.mark.parametrize("entry", SECOND["unpriced"], ids=name)
def test_what_must_stay_unpriced(entry):
    """A price here was made up: nobody had read one. With a source and a date it leaves this list."""
    with pytest.raises(NoPrice):
        load(entry["region"]).price(entry["service"], entry["key"])


def test_the_list_is_worth_something():
    assert len({name(reading) for reading in SECOND["readings"]}) > 80
    assert len(SECOND["unpriced"]) > 20
