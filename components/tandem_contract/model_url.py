"""The address of a model behind an OpenAI-compatible API: `https://host/v1#MODEL`."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .checks import Checks  # functions that read addresses check none

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_model_url(text: str) -> bool:
    """Whether it is such an address, right or wrong, and not the id of a model of Bedrock's."""
    return text.startswith(("https://", "http://"))


def split_model_url(text: str) -> tuple[str, str]:
    """The base URL and the model."""
    url, _, model = text.partition("#")
    return url.rstrip("/"), model


def check_model_url(checks: "Checks", key: str, text: str, secret: str, *, plain: bool = False) -> None:
    """Checks an address; `secret` is the remedy for a key in it, and `plain` allows http:// to other machines."""
    try:
        url = urlsplit(text)
        hidden, whole = url.username or url.password or url.query, url.hostname and url.fragment
        _ = url.port  # raises for what is none
    except ValueError:  # which, like the text, may hold a password
        checks.add(key, "is no URL", "Give https://host/v1#MODEL.")
        return
    if not whole:
        checks.add(key, "lacks the host or the model", "Give a URL and the model's name behind #.")
    if hidden:
        checks.add(key, "has a user or a query, which would be stored", secret)
    if url.scheme == "http" and url.hostname not in LOOPBACK and not plain:
        checks.add(key, "would send texts and the key unencrypted", "Use https://.")
