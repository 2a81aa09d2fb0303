"""API keys in AWS Secrets Manager."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

VISIBLE_ASCII = re.compile(r"[!-~]+")  # what a header can carry


@dataclass(frozen=True)
class Key:
    """An API key, and the secret that it came from; only `secret_id` is ever shown."""

    secret_id: str
    value: str = field(repr=False)


def api_key(client: Any, secret_id: str) -> Key:
    """The key in a secret (its name or ARN): the secret's text, or `api_key` in it if it is JSON.

    `client` is botocore's for Secrets Manager. Raises `TandemError`; other errors of AWS are botocore's.
    """
    try:
        text = client.get_secret_value(SecretId=secret_id).get("SecretString")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        command = f"aws secretsmanager create-secret --name {secret_id} --secret-string file://key.txt"
        raise TandemError(f"There is no secret {secret_id!r}: put the service's key into it, `{command}`.") from error
    value = _key(text or "")
    if not VISIBLE_ASCII.fullmatch(value):  # the text itself is never shown
        raise TandemError(f"The secret {secret_id!r} is neither a key nor JSON with a key under `api_key`.")
    return Key(secret_id, value)


def _key(text: str) -> str:
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return str(json.loads(text).get("api_key", ""))
    except ValueError:
        return ""
