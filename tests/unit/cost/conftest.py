"""Reading prices again, and what is asked."""

import json

import boto3
import pytest

from tandem.cost.refresh import run
from tests.unit.cost.price_lists import ALL, TODAY, PriceList


@pytest.fixture
def refresh(tmp_path):
    """Run it on a table of these rows; gives what was said and the file's rows afterwards."""

    def refreshed(*rows, products=ALL, write=True, region="us-east-1", client=None, **more):
        file = tmp_path / f"{region}.json"
        file.write_text(json.dumps(rows))
        refreshed.before = file.read_bytes()
        refreshed.file = file
        refreshed.said = []
        refreshed.drifts = run(
            region,
            client=client or PriceList(products),
            write=write,
            say=refreshed.said.append,
            today=TODAY,
            folder=tmp_path,
            **more,
        )
        return json.loads(file.read_text())

    return refreshed


@pytest.fixture
def client():
    """A real one, to be stubbed: botocore checks what it is asked."""
    return boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
