"""AWS clients on a person's machine, by the usual variables or profile; functions have `tandem.runtime.clients`."""

import functools
import os
import re
from typing import Any

from tandem_contract.errors import TandemError

NO_CREDENTIALS = "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`."
NO_REGION = "There is no AWS region: set AWS_REGION, or give your AWS profile one."
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
"""The form of a region's name."""
NAMED = re.compile(r"arn:[^:]+:[^:]*:([a-z0-9-]+):|https://[^/]+\.execute-api\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.")


def client(service: str, region: str | None = None, **config: Any) -> Any:
    """The boto3 client of an AWS service, for several threads; it tries again up to six times.

    `region` is the shell's unless given; `config` are arguments of `botocore.config.Config` that replace ours. Raises
    `TandemError` where there are no credentials: what the SDK says at the first call comes too late, and in any form.
    """
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    ours = {"retries": {"mode": "standard", "max_attempts": 6}, "max_pool_connections": 16}
    core = get_session()
    core.register_component("data_loader", _models(core.get_config_variable("data_path")))
    # boto3 knows AWS_DEFAULT_REGION only
    session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"), botocore_session=core)
    if session.get_credentials() is None and "AWS_BEARER_TOKEN_BEDROCK" not in os.environ:
        raise TandemError(NO_CREDENTIALS)
    return session.client(service, config=Config(**{**ours, **config}))


def shell_region() -> str | None:
    """The region of the environment or the profile, None if there is none."""
    from botocore.exceptions import ConfigParseError, ProfileNotFound

    try:
        return _shell_region()
    except (ConfigParseError, ProfileNotFound, OSError):
        return None  # which whatever needs a region or credentials says


def region() -> str:
    """The region of the environment or the profile; raises `TandemError`, or the SDK's error, if there is none."""
    if found := _shell_region():
        return found
    raise TandemError(NO_REGION)


def _shell_region() -> str | None:
    if found := os.environ.get("AWS_REGION"):
        return found
    from botocore.session import get_session

    return get_session().get_config_variable("region")


def region_in(text: str) -> str | None:
    """The region that an ARN, or the URL of an API of API Gateway, names."""
    match = NAMED.match(text)
    return match and (match[1] or match[2])


@functools.cache
def _models(path: str | None) -> Any:
    """What reads the SDK's descriptions of services, kept: reading them again is most of what a client costs."""
    from botocore.loaders import create_loader

    return create_loader(path)


@functools.cache
def regions(service: str = "ec2") -> list[str]:
    """The regions that a service is in, as far as the SDK knows."""
    from botocore.session import Session

    session = Session({"profile": (None, None, None, None)})  # one that isn't there is said elsewhere
    parts = session.get_available_partitions()
    return [name for part in parts for name in session.get_available_regions(service, part)]
