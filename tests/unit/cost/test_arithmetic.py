"""The sums of docs/cost-arithmetic.md: as stated, from the rows in the price files, and as the tool has them."""

import ast
import json
import operator
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tandem.cost import prices
from tandem.cost.estimate import estimate
from tandem.cost.model import Change, Number, Resource
from tandem.cost.preview import Read

PAGE = Path(__file__).parents[3] / "docs" / "cost-arithmetic.md"
CASE = re.compile(r"^## (.+?)\n.*?```json\n(.+?)```\n```text\n(.+?)```", re.MULTILINE | re.DOTALL)
PRICE = re.compile(r"\[(\S+) (\S+?)(?: from (\d+))?\]")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
CASES = {title: (json.loads(change), sums.splitlines()) for title, change, sums in CASE.findall(PAGE.read_text())}


def region_of(case):
    return case.get("region", "us-east-1")


def rows_of(case):
    return json.loads((prices.FOLDER / f"{region_of(case)}.json").read_text(), parse_float=Decimal, parse_int=Decimal)


def usd(rows, service, key, start):
    """The price in a file's row, without the tool's table."""
    of_key = [row for row in rows if (row["service"], row["key"]) == (service, key)]
    if start:
        of_key = [row for row in of_key if row["tier"]["from"] == int(start)]
    return min(of_key, key=lambda row: row["tier"]["from"] if row["tier"] else 0)["usd"]


def by_hand(sum_, rows):
    def value(node):
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        return Decimal(ast.get_source_segment(written, node))

    written = PRICE.sub(lambda found: f"{usd(rows, *found.groups()):f}", sum_)
    return value(ast.parse(written, mode="eval").body)


def by_tool(case, region):
    references = {
        name: (Resource(name, it["type"], name, "", region, it["inputs"]),)
        for name, it in case.get("references", {}).items()
    }
    sides = {}
    for side in ("before", "after"):
        if (inputs := case.get(side)) is not None:
            value = inputs.get("insecureValue")
            inputs = inputs if value is None else inputs | {"insecureValue": json.dumps(value)}
            sides[side] = Resource("urn", case["type"], "it", "", region, inputs, references)
    change = Change(case["op"], "urn", sides.get("before"), sides.get("after"))
    (line,) = estimate(Read("tandem/dev", region, (change,), {}, ())).lines
    return line


def test_twenty_cases():
    kinds = {case["op"] for case, _ in CASES.values()}
    assert len(CASES) == PAGE.read_text().count("\n## ") == 20
    assert {"create", "update", "replace", "delete"} == kinds


@pytest.mark.parametrize("title", CASES)
def test_a_row_that_changes_by_a_tenth_changes_its_sum(title):
    case, sums = CASES[title]
    rows = rows_of(case)
    for sum_ in sums:
        expression, _, stated = sum_.partition(": ")[2].rpartition(" = ")
        for service, key, _ in PRICE.findall(expression):
            moved = [
                row | {"usd": row["usd"] * Decimal("1.1") or Decimal(1)}
                if (row["service"], row["key"]) == (service, key)
                else row
                for row in rows
            ]
            assert by_hand(expression, moved).quantize(Decimal(stated)) != Decimal(stated), f"{key}: {sum_}"


@pytest.mark.parametrize("title", CASES)
def test_tool_reaches_the_sum(title):
    case, sums = CASES[title]
    rows, line = rows_of(case), by_tool(case, region_of(case))
    for sum_ in sums:
        what, _, right = sum_.partition(": ")
        name, _, side = what.rpartition(" ")
        if name == "NOT PRICED":
            assert any(right in reason for reason in getattr(line, side).unpriced), line
            continue
        expression, _, stated = right.rpartition(" = ")
        hand = by_hand(expression, rows)
        number = Number(name)
        tool = line.delta(number) if side == "delta" else getattr(line, side).usd(number)
        assert hand.quantize(Decimal(stated)) == Decimal(stated), f"{sum_}: by hand {hand}"
        assert abs(tool - hand) < Decimal("1e-9"), f"{sum_}: by the tool {tool}"
