"""AWS clients, made once per container and only when first used.

botocore alone: importing boto3 costs a cold start some 100 ms more and gives nothing that is used here.
"""

import functools
import os
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials

from .http import NETWORK_ERRORS

RETRIED = {
    "InternalServerException",
    "ModelNotReadyException",
    "ModelTimeoutException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "TooManyRequestsException",
}
# (connect timeout, read timeout, tries); models' calls are retried by who asks, within its own time budget.
LIMITS = {
    "bedrock-runtime": (3, 20, 1),
    "dynamodb": (2, 4, 3),
    "eks": (3, 10, 4),
    "s3": (3, 30, 4),
    "sagemaker": (3, 20, 5),
    "secretsmanager": (3, 5, 3),
    "stepfunctions": (3, 20, 5),
    "sagemaker-runtime": (2, 10, 1),  # `FallbackWriter` waits no longer than that
    "sqs": (3, 10, 4),
}


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def region() -> str:
    """The region that this function runs in."""
    return os.environ["AWS_REGION"]


def credentials() -> Credentials:
    """The function's own credentials; they refresh themselves."""
    found = _session().get_credentials()
    if found is None:
        raise RuntimeError("No AWS credentials found: give the function a role, or set AWS_ACCESS_KEY_ID")
    return found


@functools.cache
def client(service: str) -> Any:
    """The client of a service of LIMITS."""
    connect, read, tries = LIMITS[service]
    retries = {"mode": "standard", "total_max_attempts": tries}
    config = Config(connect_timeout=connect, read_timeout=read, retries=retries, max_pool_connections=16)
    return _session().create_client(service, region_name=region(), config=config)


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed later: no answer, throttling, or an error of the service's own."""
    if isinstance(error, botocore.exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response.get("Error", {}).get("Code") in RETRIED or status == 429 or status >= 500
    return isinstance(error, NETWORK_ERRORS)
