"""The network as this machine's settings have it: mirrors, proxies and certificates."""

import os
import ssl
from pathlib import Path
from urllib.request import HTTPSHandler, OpenerDirector, build_opener

from tandem_contract.errors import TandemError

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")  # OpenSSL itself heeds SSL_CERT_FILE


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
