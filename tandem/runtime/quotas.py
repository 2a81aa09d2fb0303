"""Service Quotas: what an account may have, by the quotas' names, and what of it is too little."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .pages import each


class Quotas(NamedTuple):
    """What something takes of an account's quotas."""

    service: str
    """Its code in Service Quotas."""
    title: str
    wanted: Mapping[str, int]
    """By the quota's name there."""
    unit: str = ""
    """Of the numbers, where the quota's name doesn't say it."""


class Short(NamedTuple):
    """A quota that is too small."""

    problem: str
    remedy: str


def listed(client: Any, service: str) -> dict[str, dict[str, Any]]:
    """A service's quotas that apply to the account, by name; `client` is the Service Quotas client."""
    found = each(client, "list_service_quotas", "Quotas", ServiceCode=service)
    return {quota["QuotaName"]: quota for quota in found}


def short_of(client: Any, quotas: Quotas, what: str) -> tuple[list[Short], list[str]]:
    """What is too little for `what` ("the run"), and the names of quotas that nobody knows.

    `client` is the Service Quotas client. The service lists the values that apply to the account and leaves out quotas
    that have only a default (ListServiceQuotas, API reference): one that isn't listed is unknown, which isn't 0. Raises
    botocore's errors.
    """
    allowed = {name: quota["Value"] for name, quota in listed(client, quotas.service).items()}
    short = [
        Short(
            f"the account's {name!r} is {allowed[name]:.0f}, and {what} needs {count} {quotas.unit}".rstrip(),
            f"Ask for more in Service Quotas: {quotas.title}, {name!r}.",
        )
        for name, count in quotas.wanted.items()
        if name in allowed and allowed[name] < count
    ]
    return short, [name for name in quotas.wanted if name not in allowed]
