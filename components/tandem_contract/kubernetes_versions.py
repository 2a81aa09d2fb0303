"""Until when EKS supports a version of Kubernetes, and until when at the extended price."""

from datetime import date
from typing import NamedTuple


class Support(NamedTuple):
    """The first days without: from `standard` on extended support is billed, from `extended` on EKS upgrades it."""

    standard: date
    extended: date


# The release calendar of the EKS user guide, whose days are UTC's: to 1.34 as in kubernetes-versions.adoc of
# awsdocs/amazon-eks-user-guide at 0138560, from 1.35 as aws-samples/sample-apex-skills and endoflife.date have it (read
# 2026-11-30). On an account, `aws eks describe-cluster-versions` answers the same.
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
"""By minor version, oldest first. `support_of` says what is known of others."""

STANDARD, EXTENDED, ENDED, UNKNOWN = "standard", "extended", "ended", "unknown"


def support_of(version: str, day: date) -> str:
    """STANDARD, EXTENDED or ENDED on this day; raises `ValueError` for what is no minor version, such as `1.36`.

    A version older than the table has ENDED. One that is newer leaves standard support after all that are in it: it is
    in it as long as the newest of those, and UNKNOWN from then on.
    """
    if support := SUPPORT.get(version):
        return STANDARD if day < support.standard else EXTENDED if day < support.extended else ENDED
    newest = list(SUPPORT)[-1]
    if _minor(version) < _minor(newest):
        return ENDED
    return STANDARD if day < SUPPORT[newest].standard else UNKNOWN


def _minor(version: str) -> int:
    major, _, minor = version.partition(".")
    if major != "1" or not minor.isdecimal():
        raise ValueError(f"{version!r} is not a version as '1.36'")
    return int(minor)
