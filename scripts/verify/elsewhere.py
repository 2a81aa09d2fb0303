"""What has the AWS SDKs and Pulumi ask something else than AWS, all of it or one service: variables, and the profile.

SDK reference guide, "Service-specific endpoints".
"""

import os
from collections.abc import Iterator

VARIABLE = "AWS_ENDPOINT_URL"


def variables() -> dict[str, str]:
    """The URLs of the environment, for all services and for one, by variable."""
    return {name: url for name, url in sorted(os.environ.items()) if name.startswith(VARIABLE) and url}


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
