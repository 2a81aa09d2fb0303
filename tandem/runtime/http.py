"""HTTP by urllib3, which botocore brings: plain, and signed with AWS Signature Version 4."""

import hashlib
import io
import json
import os
import re
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import get_cert_path
from tandem_contract.errors import TandemError

from .retry import Deadline
from .secret import Key

NETWORK_ERRORS = (
    urllib3.exceptions.HTTPError,
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.IncompleteReadError,
)
"""What `Http.request`, and a client of botocore's, raise when there is no answer."""

JSON = "application/json"
CONNECT_SECONDS = 3.0
CONNECTIONS = 16
MOST_BYTES = 16_000_000
"""Of an answer: one that never ends is none."""
HEADER = r"[ -~]*"  # what one can carry
# A bare pool leaves Nagle's algorithm on, which costs a POST on a kept connection 40 ms (measured).
SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


NO_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "name the file with its authority's certificate in AWS_CA_BUNDLE or SSL_CERT_FILE",
    "WRONG_VERSION_NUMBER": "the server doesn't speak TLS there, so give http://, or another port",
}
"""What no other try mends, as OpenSSL calls it, and the remedy."""


def explained(error: Exception) -> str:
    """What one of `NETWORK_ERRORS` says; urllib3's own text has objects in it."""
    return printable(str(error.args[-1])) if error.args else type(error).__name__


def printable(text: str) -> str:
    """What a server says, for a terminal: one line, and without sequences that would steer it or turn its text."""
    return "".join(character if character.isprintable() else " " for character in text)


def tls_remedy(error: Exception) -> str:
    """What to do about a network error that another try doesn't mend; empty for others."""
    return next((remedy for name, remedy in NO_TLS.items() if name in str(error)), "")


@dataclass(frozen=True)
class Response:
    """An HTTP response, read whole; the key that was sent is masked in all that is read of it."""

    status: int
    headers: Mapping[str, str]
    """By name, whatever its case."""
    content: bytes = field(repr=False)
    """The body as it came: the key may be in it."""
    key: Key | None = None

    @property
    def body(self) -> bytes:
        """The body."""
        if not self.key:
            return self.content
        return self.key.masked(self.content.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` if it isn't."""
        content = json.loads(self.content)
        return self.key.masked_in(content) if self.key else content

    def header(self, name: str) -> str:
        """A header's value, empty if it isn't there."""
        return next((value for known, value in self.headers.items() if known.lower() == name), "").strip()

    @property
    def retry_after(self) -> float:
        """The seconds that the server asks to wait (`Retry-After`, in seconds or as a date); 0 if it doesn't say."""
        text = self.header("retry-after")
        if re.fullmatch(r"\d{1,9}(\.\d*)?", text):
            return float(text)
        then, now = _date(text), _date(self.header("date")) or datetime.now(UTC)  # its clock may not be ours
        return max(0.0, (then - now).total_seconds()) if then else 0.0


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Http:
    """One server. Connections are kept; several threads may use them.

    A path in `base` is kept as a prefix. The environment's proxies, `AWS_CA_BUNDLE` and `SSL_CERT_FILE` are heeded. A
    redirect is an answer: followed, it would take a key elsewhere, and a POST becomes a GET. A `key` is sent as
    `Authorization: Bearer`, and masked in whatever the server says. A server with an authority of its own is trusted by
    that one's certificate alone, `authority` (PEM).
    """

    def __init__(
        self, base: str, headers: Mapping[str, str] | None = None, key: Key | None = None, authority: str | None = None
    ):
        self.base, self._key = base.rstrip("/"), key
        self._headers = dict(headers or {}) | ({"Authorization": f"Bearer {key.value}"} if key else {})
        for name, value in self._headers.items():
            if not re.fullmatch(HEADER, value):  # http.client would show it in its error, and it may be a key
                problem = f"The {name} for {self.base} has a character that no header can carry, such as a line's end"
                raise TandemError(f"{problem}: give the key or token without it.")
        url = urlsplit(self.base)
        kept: dict[str, Any] = {"maxsize": CONNECTIONS, "socket_options": SOCKET_OPTIONS}
        if authority:
            kept["ssl_context"] = ssl.create_default_context(cadata=authority)
        elif url.scheme == "https":
            own = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
            kept["ca_certs"] = own or get_cert_path(True)
        proxy = urllib.request.getproxies().get(url.scheme)
        if proxy and not urllib.request.proxy_bypass(url.netloc):
            self._pool = urllib3.ProxyManager(proxy, **kept)
        else:
            self._pool = urllib3.PoolManager(**kept)

    def request(
        self, method: str, path: str, body: bytes = b"", *, timeout: float, content_type: str = JSON
    ) -> Response:
        """Send one request; no retries. `timeout` in seconds is that of each wait for data, and of the whole answer.

        Returns whatever status came back; raises one of `NETWORK_ERRORS` when there was no answer, and `TandemError`
        for one that is longer than `MOST_BYTES`.
        """
        url, deadline = self.base + path, Deadline(timeout)
        headers = self._signed(method, url, body, {**self._headers, "Content-Type": content_type})
        with self._pool.request(
            method,
            url,
            # Bytes would have to be sent as a whole within the time to connect; a file is sent piece by piece.
            body=io.BytesIO(body),
            headers={**headers, "Content-Length": str(len(body))},
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
            retries=False,
            redirect=False,
            preload_content=False,
            enforce_content_length=True,  # not urllib3 1's default
        ) as answer:
            said = {name: self._key.masked(value) for name, value in answer.headers.items()} if self._key else None
            return Response(answer.status, said or answer.headers, self._read(answer, deadline), self._key)

    def _read(self, answer: "urllib3.BaseHTTPResponse", deadline: Deadline) -> bytes:
        """The whole body. The time limit of a socket starts again with each byte, so ours is held to here."""
        content = bytearray()
        # `read1` gives what has come. urllib3 1, which Lambda may have, doesn't know it, and waits for a whole piece.
        read = getattr(answer, "read1", answer.read)
        while part := read(65536):
            content += part
            if len(content) > MOST_BYTES:
                raise TandemError(f"The answer of {self.base} is longer than {MOST_BYTES:,} bytes.")
            if not deadline.remaining():
                raise urllib3.exceptions.TimeoutError("the answer didn't end in time")
        return bytes(content)

    def _signed(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Mapping[str, str]:  # noqa: ARG002
        return headers


class SignedHttp(Http):
    """One endpoint of an AWS service: `aoss` (OpenSearch Serverless), `es` (its domains), `execute-api` or another."""

    def __init__(self, endpoint: str, service: str, region: str, credentials: Credentials):
        super().__init__(endpoint)
        self._service, self._region, self._credentials = service, region, credentials

    def _signed(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Mapping[str, str]:
        # OpenSearch Serverless refuses requests without the digest of their body (developer guide, "Signing").
        headers = headers | {"X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(self._credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        return dict(request.headers.items())
