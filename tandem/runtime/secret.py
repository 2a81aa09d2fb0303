"""API keys: from AWS Secrets Manager, and out of every text that others say."""

import base64
import html
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from tandem_contract.errors import TandemError

VISIBLE_ASCII = re.compile(r"[!-~]+")  # what a header can carry
MASK = "***"
# Shorter ones are no secret ("EMPTY", "none", "x" for servers that want none), and may be words of answers.
SHORTEST = 7
PART = 12
"""Characters in a row of a key that are masked where the rest of it is elsewhere, or cut off."""
# How a character may be written in JSON, in a text of a program, in a URL or in HTML, and what may stand between two:
# backslashes, ends of lines, blanks and characters without width.
WRITTEN = re.compile(
    r"(?:\\+(?:u00|x)|%(?:25)*)(?P<code>[0-9a-f]{2})|&#?\w{2,8};|\\+u200[b-d]|\\+[nrt]?|[\s\0\u200b-\u200d]+",
    re.IGNORECASE,
)
EACH = re.compile(f"{WRITTEN.pattern}|(?P<plain>.)", re.IGNORECASE)


@dataclass(frozen=True)
class Key:
    """An API key, and the secret that it came from; only `secret_id` is ever shown."""

    secret_id: str
    value: str = field(repr=False)

    def masked(self, text: str) -> str:
        """The text with `***` in place of the key and of any 12 characters in a row of it.

        Whatever their case, and also with white space in between, escaped, in base64 or in hexadecimal digits.
        """
        size, parts = self._parts
        if not size or not _found(WRITTEN.sub(_character, text).lower(), size, parts):
            return text
        characters = [
            (character, found.start(), found.end())
            for found in EACH.finditer(text)
            for character in (found["plain"] or _character(found)).lower()
        ]
        shown, at = [], 0
        for start, end in _found("".join(character for character, *_ in characters), size, parts):
            shown += [text[at : characters[start][1]], MASK]
            at = characters[end - 1][2]
        return "".join(shown) + text[at:]

    @cached_property
    def _parts(self) -> tuple[int, frozenset[str]]:
        """The length of what is masked, and all that is, without the ways of writing; 0 if nothing is."""
        value = self.value.encode()
        coded = [base64.b64encode(before + value) for before in (b"", b"Bearer ", b":")]
        coded += [base64.urlsafe_b64encode(each) for each in (value, b"Bearer " + value)]
        forms = [self.value, value.hex(), *(each.decode().rstrip("=") for each in coded)]
        plain = [WRITTEN.sub(_character, form).lower() for form in forms]
        size = min(PART, len(plain[0])) if len(self.value) >= SHORTEST else 0
        return size, frozenset(form[at : at + size] for form in plain for at in range(len(form) - size + 1))

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


def _character(found: re.Match[str]) -> str:
    """The character that is written so; empty for what only stands between two."""
    if found["code"]:
        return chr(int(found["code"], 16)).strip()
    return html.unescape(found[0]).strip() if found[0].startswith("&") else ""


def _found(plain: str, size: int, parts: Collection[str]) -> list[tuple[int, int]]:
    """Where parts of a key begin and end; those that overlap are one."""
    places: list[tuple[int, int]] = []
    for at in range(len(plain) - size + 1):
        if plain[at : at + size] in parts:
            start = places.pop()[0] if places and places[-1][1] > at else at
            places.append((start, at + size))
    return places


def _key(text: str) -> str:
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return str(json.loads(text).get("api_key", ""))
    except ValueError:
        return ""
