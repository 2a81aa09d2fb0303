"""What functions read of a run."""

import os

from tandem_contract.names import Variable
from tandem_contract.run_record import Run, record_key

from tandem.runtime.clients import client


def read(bucket: str, key: str) -> bytes:
    """The content of an object."""
    return client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def run_of(name: str) -> Run:
    """The record of a run."""
    return Run.from_json(read(os.environ[Variable.ARTIFACT_BUCKET], record_key(name)))
