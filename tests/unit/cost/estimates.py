"""Estimates made by hand: a stack of two components, and resources that cost what a test says."""

from decimal import Decimal

from tandem_contract.usage import QUERY_USAGE, RUN_USAGE

from tandem.cost.model import Assessment, Assumption, Change, Charge, Estimate, Line, Number, Resource
from tandem.cost.prices import Row

ASSUMED = (*QUERY_USAGE.fields, *RUN_USAGE.fields)
"""All amounts that an environment may assume."""
STACK = "urn:pulumi:rag-dev::tandem::pulumi:pulumi:Stack::tandem-rag-dev"
ENVIRONMENT = "urn:pulumi:rag-dev::tandem::tandem:index:RagEnvironment::rag"
QUERY = "urn:pulumi:rag-dev::tandem::tandem:index:RagEnvironment$tandem:index:QueryApi::rag-query"
FUNCTION = f"{QUERY.rsplit('::', 1)[0]}$tandem:index:Function::rag-query-function"
PARENTS = {STACK: "", ENVIRONMENT: STACK, QUERY: ENVIRONMENT, FUNCTION: QUERY}


def row(key: str = "nat:hours", read_at: str = "2026-11-20") -> Row:
    return Row("AmazonEC2", key, "us-east-1", "hour", Decimal("0.045"), None, "price list", read_at)


def charge(usd: object, number: Number = Number.IDLE, read_at: str = "2026-11-20", **more: bool) -> Charge:
    return Charge(number, "hours", Decimal(1), "hour", Decimal(str(usd)), (row(read_at=read_at),), **more)


def resource(
    name: str, type_: str = "aws:ec2/natGateway:NatGateway", parent: str = QUERY, /, **inputs: object
) -> Resource:
    prefix = parent.rsplit("::", 1)[0] if parent else "urn:pulumi:rag-dev::tandem::"
    return Resource(f"{prefix}${type_}::{name}", type_, name, parent, "us-east-1", inputs)


def line(
    name: str,
    before: object = None,
    after: object = None,
    /,
    *,
    op: str = "",
    remark: str = "",
    type_: str = "aws:ec2/natGateway:NatGateway",
    parent: str = QUERY,
    **inputs: object,
) -> Line:
    """A change; each side is dollars of the idle floor, charges, or fields of an assessment."""
    there = resource(name, type_, parent, **inputs)
    sides = [None if side is None else _assessment(there, side) for side in (before, after)]
    op = op or ("create" if before is None else "delete" if after is None else "same" if before == after else "update")
    ends = [side and side.resource for side in sides]
    return Line(Change(op, there.urn, *ends, remark), *sides)


def estimate(*lines: Line, assumptions: tuple[Assumption, ...] = (), problems: tuple[str, ...] = ()) -> Estimate:
    return Estimate("tandem/rag-dev", "us-east-1", lines, assumptions, problems, PARENTS)


def _assessment(there: Resource, side: object) -> Assessment:
    if isinstance(side, dict):
        return Assessment(there, **side)
    charges = side if isinstance(side, tuple) else (charge(side),)
    return Assessment(there, charges)
