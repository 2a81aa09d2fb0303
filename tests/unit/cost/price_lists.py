"""AWS's price list as recorded, altered, as another region has it; and rows as a table has them."""

import copy
import json
from datetime import date
from pathlib import Path

TODAY = date(2026, 11, 24)
RECORDED = {file.stem: json.loads(file.read_text()) for file in Path(__file__).with_name("recorded").glob("*.json")}
ALL = [product for products in RECORDED.values() for product in products]
PREFIXES = ("", "USE1", "us-east-1")
HAND = {"region": "us-east-1", "tier": None, "source": "read by hand", "read_at": "2026-09-27"}
NAT = HAND | {"service": "AmazonEC2", "key": "nat:data", "unit": "GB", "usd": 0.045}
NAT_HOURS = NAT | {"key": "nat:hours", "unit": "hour"}
TRAINING = HAND | {"service": "AmazonSageMaker", "key": "training:ml.g6e.2xlarge", "unit": "hour", "usd": 2.8}
RERANK = HAND | {"service": "AmazonBedrock", "key": "rerank:amazon.rerank-v1:0", "unit": "1k queries", "usd": 1}
S3 = HAND | {"service": "AmazonS3", "key": "storage:standard", "unit": "GB-month", "usd": 0.023}
GONE = TRAINING | {"key": "training:ml.p5.48xlarge", "usd": 63.296}


class PriceList:
    """Answers as AWS says that it does: all filters hold, products as texts, a page after the other."""

    def __init__(self, products):
        self.products, self.requests = products, []

    def get_paginator(self, operation):
        assert operation == "get_products"
        return self

    def paginate(self, *, ServiceCode, Filters, FormatVersion, PaginationConfig):
        assert FormatVersion == "aws_v1"
        self.requests.append((ServiceCode, Filters))
        found = [product for product in self.products if product["serviceCode"] == ServiceCode]
        for asked in Filters:
            values = asked["Value"].split(",") if asked["Type"] == "ANY_OF" else [asked["Value"]]
            found = [product for product in found if product["product"]["attributes"].get(asked["Field"]) in values]
        for product in found[: PaginationConfig["MaxItems"]]:
            yield {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product)]}


def other(product, sku, **changes):
    """The same product under another number, and whatever else differs."""
    twin = copy.deepcopy(product)
    twin["product"]["sku"] = sku
    (term,) = twin["terms"]["OnDemand"].values()
    for dimension in term["priceDimensions"].values():
        if "usd" in changes:
            dimension["pricePerUnit"] = {"USD": changes["usd"]}
        dimension |= {name: value for name, value in changes.items() if name != "usd"}
    return twin


def recorded(usage_type, service=""):
    return next(
        product
        for product in ALL
        if product["product"]["attributes"]["usagetype"] == usage_type and service in product["serviceCode"]
    )


def elsewhere(region, short, products=ALL, factor=1.0):
    """The products of us-east-1 as another region has them: its code, usage types that begin with it, dearer."""
    moved = copy.deepcopy(products)
    for product in moved:
        attributes = product["product"]["attributes"]
        bare = attributes["usagetype"].replace("us-east-1-", f"{region}-").replace("USE1", short)
        known = bare.startswith((f"{region}-", f"{short}-"))
        attributes |= {"regionCode": region, "usagetype": bare if known else f"{short}-{bare}"}
        for term in product["terms"]["OnDemand"].values():
            for dimension in term["priceDimensions"].values():
                dimension["pricePerUnit"] = {"USD": str(float(dimension["pricePerUnit"]["USD"]) * factor)}
    return moved
