"""The Kubernetes API of an EKS cluster, by plain HTTPS: objects as JSON, and an IAM role's token."""

import base64
import functools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from tandem_contract.errors import TandemError, Unavailable

from .clients import client, credentials, region
from .http import NETWORK_ERRORS, Http, Response, explained, printable, tls_remedy
from .retry import Deadline, Transient, retry

SECONDS = 20.0
"""For one call with all its tries."""
EACH_SECONDS = 10.0
TRIES = 5
TOKEN_SECONDS = 600.0
"""That a token is used for. EKS takes one for 15 minutes (EKS best practices guide, "Identity")."""
FOREGROUND = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}
"""The object stays, with a deletion timestamp, until all that it owns is gone."""

Object = dict[str, Any]


class Refused(TandemError):
    """The API server, or a webhook, doesn't take the request; the text is its own."""


class Kubernetes:
    """One API server. Paths are those of the REST API (`/apis/batch/v1/namespaces/NAMESPACE/jobs`).

    Errors of the network, 401, 429 and 5xx are tried again, within 20 seconds, and then are `Unavailable`; what else is
    no success is `Refused`. `token` is asked for a bearer token at first, and for another after each 401.
    """

    def __init__(self, endpoint: str, authority: str | None, token: Callable[[], str]):
        self._token = token
        self._connect = functools.partial(Http, endpoint, authority=authority)
        self._http = self._signed()

    def get(self, path: str) -> Object | None:
        """An object; None if it isn't there."""
        return self._call("GET", path, absent=True)

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a list, over all its pages; `query` has `labelSelector` or `fieldSelector`."""
        found: list[Object] = []
        following: str | None = ""
        while following is not None:
            asked = urlencode({**query, "limit": "500", **({"continue": following} if following else {})})
            page = self._call("GET", f"{path}?{asked}") or {}
            found += page.get("items", ())
            following = page.get("metadata", {}).get("continue") or None
        return found

    def create(self, path: str, content: Mapping[str, Any]) -> bool:
        """Create an object; False if one of that name is there already."""
        return self._call("POST", path, content, taken=True) is not None

    def delete(self, path: str) -> bool:
        """Delete an object, which goes after all that it owns; False if it isn't there."""
        return self._call("DELETE", path, FOREGROUND, absent=True) is not None

    def _signed(self) -> Http:
        return self._connect({"Authorization": f"Bearer {self._token()}"})

    def _call(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        absent: bool = False,
        taken: bool = False,
    ) -> Object | None:
        """The answer; None for a 404 with `absent`, and for a 409 with `taken`."""
        body = b"" if content is None else json.dumps(content).encode()
        answer = retry(lambda: self._once(method, path, body), Deadline(SECONDS), tries=TRIES)
        if (answer.status == 404 and absent) or (answer.status == 409 and taken):
            return None
        if answer.status >= 300:
            raise Refused(f"The cluster refuses {method} {path.partition('?')[0]}: {_message(answer)}")
        return answer.json()

    def _once(self, method: str, path: str, body: bytes) -> Response:
        where = self._http.base
        try:
            answer = self._http.request(method, path, body, timeout=EACH_SECONDS)
        except NETWORK_ERRORS as error:
            if remedy := tls_remedy(error):
                raise TandemError(f"{where} can't be trusted: {explained(error)}; {remedy}.") from error
            raise Transient(f"The cluster at {where} gives no answer: {explained(error)}") from error
        # An access entry takes a while to be known (EKS guide, "Create access entries"); or the token is too old, for
        # the clock that times it may stand still while a function sleeps.
        if answer.status == 401:
            self._http = self._signed()
        if answer.status in (401, 429) or answer.status >= 500:
            raise Transient(f"The cluster at {where} answers {answer.status}: {_message(answer)}", answer.retry_after)
        return answer


def _message(answer: Response) -> str:
    """What the server says, of its Status object where it sends one."""
    try:
        said = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        said = answer.body.decode(errors="replace")[:300] or f"status {answer.status}"
    return printable(str(said))


def segment(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="")


def connect(cluster: str) -> Kubernetes:
    """The API of an EKS cluster, as the IAM identity of this function, which needs an access entry there.

    Raises `TandemError` for a cluster that isn't active.
    """
    return _connected(cluster, int(time.monotonic() // TOKEN_SECONDS))


@functools.lru_cache(maxsize=1)
def _connected(cluster: str, _period: int) -> Kubernetes:
    described = client("eks").describe_cluster(name=cluster)["cluster"]
    data = described.get("certificateAuthority", {}).get("data")
    if not described.get("endpoint") or not data:
        raise Unavailable(f"Cluster {cluster!r} is {described.get('status', 'not ready')}: it has no endpoint yet.")
    return Kubernetes(described["endpoint"], base64.b64decode(data).decode(), functools.partial(token, cluster))


def token(cluster: str) -> str:
    """A bearer token for a cluster: a signed request to STS, which the cluster sends to learn who signed it.

    As `aws eks get-token` makes them (kubernetes-sigs/aws-iam-authenticator, "API Authorization from Outside a
    Cluster").
    """
    suffix = "amazonaws.com.cn" if region().startswith("cn-") else "amazonaws.com"
    # EKS takes no other host, and we don't ask it ourselves.
    url = f"https://sts.{region()}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest(method="GET", url=url, headers={"x-k8s-aws-id": cluster})
    SigV4QueryAuth(credentials().get_frozen_credentials(), "sts", region(), expires=60).add_auth(request)
    return "k8s-aws-v1." + base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("=")
