"""What has the AWS SDKs or Pulumi ask something else than AWS, all of it or one service, or another account.

Variables and the profile (SDK reference guide, "Service-specific endpoints"; those of the Terraform provider are in its
binary), and the stack's own settings, which Pulumi alone follows.
"""

import os
import re
from collections.abc import Collection, Iterator

VARIABLE = "AWS_ENDPOINT_URL"
URLS = re.compile(f"{VARIABLE}.*|(TF_)?AWS_(DYNAMODB|IAM|S3|STS)_ENDPOINT")
HARMLESS = {
    "aws:allowedAccountIds",
    "aws:defaultTags",
    "aws:forbiddenAccountIds",
    "aws:maxRetries",
    "aws:region",
    "aws:retryMode",
    "aws:skipRegionValidation",
}
"""Settings of the provider with which it is where the shell's credentials are, and asks AWS."""


def variables() -> dict[str, str]:
    """The URLs of the environment, for all services and for one, by variable."""
    return {name: url for name, url in sorted(os.environ.items()) if URLS.fullmatch(name) and url}


def settings() -> Iterator[str]:
    """What sets one: the variables, and the settings of the profile."""
    from botocore.session import get_session

    yield from variables()
    session = get_session()
    profile, where = session.get_scoped_config(), f"endpoint_url of the profile {session.profile or 'default'}"
    if "endpoint_url" in profile:
        yield where
    services = session.full_config.get("services", {}).get(profile.get("services"), {})
    yield from (f"{service} {where}" for service, its in services.items() if "endpoint_url" in its)


def of_stack(configured: Collection[str], file: Collection[str]) -> list[str]:
    """What has Pulumi be elsewhere than the shell, of a stack's keys and of those that its file has beside `config`."""
    found = [key for key in sorted(configured) if key.startswith("aws:") and key not in HARMLESS]
    return [*found, *(["environment"] if "environment" in file else [])]
