"""AWS clients on a person's machine, by the usual variables or profile; functions have `tandem.runtime.clients`."""

import os
from typing import Any

from tandem_contract.errors import TandemError


def client(service: str, region: str | None = None, **config: Any) -> Any:
    """The boto3 client of an AWS service, for several threads; it tries again up to six times.

    `region` is the environment's or the profile's unless given; `config` are arguments of `botocore.config.Config` that
    replace ours.
    """
    import boto3
    from botocore.config import Config

    ours = {"retries": {"mode": "standard", "max_attempts": 6}, "max_pool_connections": 16}
    session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))  # boto3 knows AWS_DEFAULT_REGION only
    return session.client(service, config=Config(**{**ours, **config}))


def region() -> str:
    """The region of the environment or the profile; raises `TandemError` if there is none."""
    from botocore.session import get_session

    if found := os.environ.get("AWS_REGION") or get_session().get_config_variable("region"):
        return found
    raise TandemError("There is no AWS region: set AWS_REGION, or give your AWS profile one.")
