"""What an error of the AWS SDK means to a person: the problem, and the remedy.

No error names credentials when a region, the network or the local cloud is the cause.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tandem_contract.checks import near

from tandem.clients import aws


class Explained(NamedTuple):
    """What is wrong, and what to do."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


NO_CREDENTIALS = Explained(*aws.NO_CREDENTIALS.split(": ", 1))
EXPIRED = Explained(
    "The AWS credentials have expired",
    "sign in again (`aws sso login`), or get a new session and set its keys and AWS_SESSION_TOKEN.",
)
SKEWED = Explained("AWS refused the request's time", "set this machine's clock.")
NETWORK = "check the network, and the proxy if there is one (HTTPS_PROXY)."
NOT_THESE = "check AWS_PROFILE or the keys; a region that is off by default has to be enabled for the account first."
NOT_ALLOWED = "allow it to these credentials, or use others (AWS_PROFILE)."
REFUSAL = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)(?:.*?\bwith (an explicit deny[\w -]*))?")
"""The action that AWS says it refused, and who denies it where somebody does."""
NOT_THERE = "is it the account that the stack is in? `pulumi up --refresh` makes anew what was deleted."
# What the SDK raises, or the code that a service answers with -> what it means; a text is the remedy alone.
MEANINGS: dict[str, Explained | str] = {
    "NoCredentialsError": NO_CREDENTIALS,
    "NoAuthTokenError": NO_CREDENTIALS,
    "PartialCredentialsError": "set all of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
    "ProxyConnectionError": "check the proxy (HTTPS_PROXY).",
    "SSLError": "set AWS_CA_BUNDLE to the certificates of your network, if it looks into connections.",
    "ConfigParseError": "correct the file (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE).",
    "NoRegionError": "set AWS_REGION to a region, e.g. us-east-1.",
    "ProfileNotFound": "set AWS_PROFILE to one of `aws configure list-profiles`, or unset it.",
    **dict.fromkeys(
        (
            *("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"),
            *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "LoginRefreshTokenExpired"),
        ),
        EXPIRED,
    ),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestInTheFuture"), SKEWED),
    **dict.fromkeys(
        (
            *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"),
            *("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"),
        ),
        NOT_THESE,
    ),
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationErrorException", "403"),
        NOT_ALLOWED,
    ),
    **dict.fromkeys(("ResourceNotFoundException", "NoSuchBucket", "ParameterNotFound", "404"), NOT_THERE),
}


def explain(error: Exception) -> Explained:
    """What an error of botocore or boto3 means."""
    name, text = type(error).__name__, " ".join(str(error).split())
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        name = answer.get("Error", {}).get("Code", name)
        if "Signature expired" in text or "Signature not yet current" in text:
            return SKEWED
    elif name not in MEANINGS and (url := getattr(error, "kwargs", {}).get("endpoint_url")):
        return unreachable(url)
    elif name == "InvalidRegionError":
        return malformed_region(getattr(error, "kwargs", {}).get("region_name", ""))
    meaning = MEANINGS.get(name, "")
    if isinstance(meaning, Explained):
        return meaning
    if meaning == NOT_ALLOWED and isinstance(answer, dict):
        return Explained(f"not allowed: {_action(error, answer)}", NOT_ALLOWED)
    if meaning == NOT_THESE and is_local(os.environ.get("AWS_ENDPOINT_URL", "")):
        meaning = 'run `eval "$(tandem local env)"`, which sets the local cloud\'s keys.'
    return Explained(f"AWS: {text.rstrip('.')}", meaning)


def _action(error: Exception, answer: Mapping[str, Any]) -> str:
    """What was refused: the action that AWS names, and who denies it where somebody does; else all that it says."""
    text = " ".join(answer.get("Error", {}).get("Message", "").split()).rstrip(".")
    if named := REFUSAL.search(text):
        return f"{named[1]}, by {named[2]}" if named[2] else named[1]
    return f"{getattr(error, 'operation_name', '')} ({text})" if text else getattr(error, "operation_name", "")


def sentence(error: Exception) -> str:
    """The same in a sentence."""
    found = explain(error)
    return str(found) if found.remedy else f"{found.problem}."


def unreachable(url: str, otherwise: str = NETWORK) -> Explained:
    """Why nothing answers at a URL; `otherwise` is said where neither the local cloud nor the region is the cause."""
    if is_local(url):
        chosen = any(url.startswith(value) for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL"))
        unset = ", or unset AWS_ENDPOINT_URL to use AWS" if chosen else ""
        return Explained(f"Nothing answers at {url}", f"start the local cloud (`tandem local up`){unset}.")
    host, of_aws, _ = (urlsplit(url).hostname or "").partition(".amazonaws.")
    # Not the first label, which may be a bucket, nor one of another form: us-east-1 isn't in the host of every service.
    regions = [label for label in host.split(".")[1:] if aws.REGION.fullmatch(label)]
    if of_aws and regions and (why := unknown_region(regions[-1])):
        return why
    return Explained(f"Can't reach {url}", otherwise)


def is_local(url: str) -> bool:
    """Whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


def malformed_region(region: str) -> Explained:
    """That what is given as a region has not the form of one, and where it is from."""
    example = "e.g. us-east-1."
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(name) == region:
            return Explained(f"{name}={region!r} is no region", f"set it to one, {example}")
    if aws.shell_region() == region:
        return Explained(f"{region!r}, the region of the AWS profile, is none", f"give the profile one, {example}")
    return Explained(f"{region!r} is no region", f"give one, {example}")


def unknown_region(region: str) -> Explained | None:
    """Why a region is none, as far as the AWS SDK knows; None for one that it knows."""
    known = aws.regions()
    if region in known:
        return None
    remedy = near(region, known) or "Name another, or upgrade boto3 if it is a new one."
    return Explained(f"{region!r} is no region that this AWS SDK knows", remedy)
