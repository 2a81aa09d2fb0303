"""HTTP requests signed with AWS Signature Version 4, by botocore alone."""

import hashlib
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

NETWORK_ERRORS = (botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)
"""What `SignedHttp.request` raises when there is no answer."""

CONNECT_SECONDS = 3.0
# A session keeps its connections and has one read timeout, so there is one for each of a few steps.
READ_SECONDS = (30.0, 15.0, 8.0, 4.0, 2.0, 1.0, 0.5)
# A bare session leaves Nagle's algorithm on, which costs a POST on a kept connection 40 ms (measured).
SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


@dataclass(frozen=True)
class Response:
    """An HTTP response, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` if it isn't."""
        return json.loads(self.body)


class SignedHttp:
    """One endpoint of an AWS service, e.g. service `aoss` (OpenSearch Serverless), `es` (its domains) or `execute-api`.

    Safe to use from several threads. A path in the endpoint is kept as a prefix.
    """

    def __init__(self, endpoint: str, service: str, region: str, credentials: Credentials):
        self._endpoint = endpoint.rstrip("/")
        self._service, self._region, self._credentials = service, region, credentials
        self._sessions: dict[float, URLLib3Session] = {}

    def request(
        self, method: str, path: str, body: bytes = b"", *, timeout: float, content_type: str = "application/json"
    ) -> Response:
        """Send one request; no retries. `timeout` in seconds bounds each wait for data.

        Returns whatever status came back; raises one of `NETWORK_ERRORS` when there was no answer.
        """
        # OpenSearch Serverless refuses requests without the digest of their body (developer guide, "Signing").
        headers = {"Content-Type": content_type, "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()}
        request = AWSRequest(method=method, url=self._endpoint + path, data=body, headers=headers)
        SigV4Auth(self._credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        response = self._session(timeout).send(request.prepare())
        return Response(response.status_code, response.headers, response.content)

    def _session(self, timeout: float) -> URLLib3Session:
        read = next((step for step in READ_SECONDS if step <= timeout), READ_SECONDS[-1])
        if read not in self._sessions:
            timeouts = (min(CONNECT_SECONDS, read), read)
            verify = os.environ.get("AWS_CA_BUNDLE") or True
            self._sessions[read] = URLLib3Session(verify=verify, timeout=timeouts, socket_options=SOCKET_OPTIONS)
        return self._sessions[read]
