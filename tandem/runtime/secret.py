"""API keys: from AWS Secrets Manager, and out of every text that others say."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

VISIBLE_ASCII = re.compile(r"[!-~]+")  # what a header can carry
MASK = "***"
# Shorter ones are no secret ("EMPTY", "none", "x" for servers that want none), and may be words of answers.
SHORTEST = 7
BEGINNING = 12
"""Characters of a key that are masked where the rest of it was cut off."""


@dataclass(frozen=True)
class Key:
    """An API key, and the secret that it came from; only `secret_id` is ever shown."""

    secret_id: str
    value: str = field(repr=False)

    def masked(self, text: str) -> str:
        """The text with `***` in place of the key, whatever its case, and of a beginning of it that stands alone."""
        if len(self.value) < SHORTEST:
            return text
        text = re.sub(re.escape(self.value), MASK, text, flags=re.IGNORECASE)
        for length in range(len(self.value) - 1, BEGINNING - 1, -1):
            if self.value[:BEGINNING] not in text:
                break
            text = text.replace(self.value[:length], MASK)
        return text

    def masked_in(self, content: Any) -> Any:
        """JSON with all of its texts, names too, masked."""
        if isinstance(content, str):
            return self.masked(content)
        if isinstance(content, Mapping):
            return {self.masked(name): self.masked_in(value) for name, value in content.items()}
        return [self.masked_in(each) for each in content] if isinstance(content, list) else content


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
