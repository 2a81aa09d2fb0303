"""Ids of Bedrock's inference profiles, which send requests to any region of a geography: `eu.amazon.nova-lite-v1:0`."""

import re

PROFILE = re.compile(r"(?:us|eu|apac|au|ca|jp|us-gov|global)\.(.+)")


def profiled_model(model: str) -> str | None:
    """The model that a profile's id names, None for an id of another kind."""
    match = PROFILE.fullmatch(model)
    return match and match[1]
