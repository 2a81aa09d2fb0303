"""The network as this machine's settings have it: mirrors, proxies and certificates."""

import os
import re
import ssl
from pathlib import Path
from urllib.request import HTTPSHandler, OpenerDirector, build_opener

from tandem_contract.errors import TandemError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")  # OpenSSL itself heeds SSL_CERT_FILE
SHOWN = re.compile(r"(?i:https?)://[^\s/?#@]+(/[^\s?#@]*)?")


def mirror(variable: str, site: str) -> str:
    """The URL in this variable, or else the site. Raises TandemError where it isn't one that messages may show."""
    given = os.environ.get(variable) or site
    if not SHOWN.fullmatch(given):
        raise TandemError(
            f"{variable} has to be like https://HOST/PATH, without a user, a password, a query or a fragment, since "
            "messages show it (so this one doesn't): correct it, or unset it."
        )
    return given.rstrip("/")


def opener() -> OpenerDirector:
    """Opens URLs by the proxies of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    The certificates of REQUESTS_CA_BUNDLE and AWS_CA_BUNDLE count beside the system's.
    """
    trusted = ssl.create_default_context()
    for name in CERTIFICATES:
        if bundle := os.environ.get(name):
            try:
                trusted.load_verify_locations(**{"capath" if Path(bundle).is_dir() else "cafile": bundle})
            except OSError as error:
                raise TandemError(
                    f"{name}={bundle!r} holds no certificates ({error}): correct it, or unset it."
                ) from None
    return build_opener(HTTPSHandler(context=trusted))
