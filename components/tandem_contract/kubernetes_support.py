"""How long EKS supports which version of Kubernetes: past standard support a control plane costs six times as much."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple


class Support(NamedTuple):
    """When support of a version ends, in UTC; each is the first day without it."""

    standard_until: date
    """From the start of this day the surcharge of extended support bills."""
    extended_until: date
    """From this day on EKS creates no cluster of it, and upgrades those that are there by itself."""


# The release calendar of the EKS user guide: to 1.34 as in awsdocs/amazon-eks-user-guide at 0138560
# (kubernetes-versions.adoc), from 1.35 as aws-samples/sample-apex-skills and endoflife.date have it, read 2026-11-30.
# On an account, `aws eks describe-cluster-versions` answers the same.
SUPPORT = {
    "1.29": Support(date(2025, 3, 23), date(2026, 3, 23)),
    "1.30": Support(date(2025, 7, 23), date(2026, 7, 23)),
    "1.31": Support(date(2025, 11, 26), date(2026, 11, 26)),
    "1.32": Support(date(2026, 3, 23), date(2027, 3, 23)),
    "1.33": Support(date(2026, 7, 29), date(2027, 7, 29)),
    "1.34": Support(date(2026, 12, 2), date(2027, 12, 2)),
    "1.35": Support(date(2027, 3, 27), date(2028, 3, 27)),
    "1.36": Support(date(2027, 8, 2), date(2028, 8, 2)),
}
"""By version, oldest first. An older one is past all support; of a newer one see `phase_of`."""


class Phase(StrEnum):
    """What support a version has on a day."""

    STANDARD = "standard"
    EXTENDED = "extended"
    ENDED = "ended"
    UNKNOWN = "unknown"


def phase_of(version: str, day: date) -> Phase:
    """What support a version such as `1.36` has on a day; raises `ValueError` for what is no version.

    One that is newer than the table leaves standard support after all that are in it: until the newest of those has
    left, it is in standard support, and then nobody knows.
    """
    minor, newest = _minor(version), list(SUPPORT)[-1]
    if version in SUPPORT:
        support = SUPPORT[version]
        later = Phase.EXTENDED if day < support.extended_until else Phase.ENDED
        return Phase.STANDARD if day < support.standard_until else later
    if minor < _minor(newest):
        return Phase.ENDED
    return Phase.STANDARD if day < SUPPORT[newest].standard_until else Phase.UNKNOWN


def _minor(version: str) -> int:
    major, _, minor = version.partition(".")
    if major != "1" or not minor.isdecimal():
        raise ValueError(f"{version!r} is not a version as '1.36'")
    return int(minor)
