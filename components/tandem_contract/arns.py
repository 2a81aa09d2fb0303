"""ARNs: what kind one is of, and whether what it names can be used where something is put.

arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
"""

from typing import NamedTuple

from .checks import Checks, shown

PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
"""What regions begin with that aren't of the partition `aws` (botocore's partitions.json)."""
REGION, ACCOUNT = "region", "account"


class Arn(NamedTuple):
    """A kind of ARN, by patterns of its parts. Its partition has to be that of the region where it is used."""

    service: str
    resource: str
    region: str = "[a-z0-9-]+"
    account: str = r"\d{12}"
    same: tuple[str, ...] = ()
    """What else has to be as where it is used: REGION, ACCOUNT."""

    @property
    def pattern(self) -> str:
        """What one matches as a whole."""
        return rf"arn:aws(-[a-z]+)*:{self.service}:{self.region}:{self.account}:{self.resource}"


def partition_of(region: str) -> str:
    """The partition that a region is in."""
    return next((name for begin, name in PARTITIONS.items() if region.startswith(begin)), "aws")


def check_arn_place(
    checks: Checks, key: object, arn: str, region: str, account: str = "", *, regional: bool = True
) -> None:
    """Whether an ARN is of a region's partition, with `regional` of the region, and of an account.

    What is empty isn't known, nor checked; an ARN without a region or account, or of the account `aws`, is of all.
    """
    _, partition, _, own_region, own_account, _ = arn.split(":", 5)
    here = partition_of(region)
    if region and regional and own_region not in ("", region):
        remedy = f"Give one of {region}, or deploy to {own_region}."
        checks.add(key, f"{shown(arn)} is of {own_region}, and this is {region}", remedy)
    elif region and partition != here and (here != "aws" or partition in PARTITIONS.values()):
        # One that isn't known here may be a new region's.
        problem = f"{shown(arn)} is of partition {partition}, and {region} is of another"
        checks.add(key, problem, f"Begin it with arn:{here}:.")
    if account and own_account not in ("", "aws", account):
        problem = f"{shown(arn)} is of account {own_account}, and this is {account}"
        checks.add(key, problem, "Give one of this account.")
