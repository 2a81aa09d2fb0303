"""Until when EKS supports a version of Kubernetes, and until when at the extended price."""

from datetime import date
from typing import NamedTuple


class Support(NamedTuple):
    """The first days without: from `standard` on extended support is billed, from `extended` on EKS upgrades it."""

    standard: date
    extended: date


# EKS user guide, "Amazon EKS Kubernetes release calendar" (read 2026-11; 1.35 as in endoflife.date). EKS released 1.36 in
# June 2026: the month 14 months later, of which the guide has no day yet, counts from its first.
SUPPORT = {
    "1.31": Support(date(2025, 11, 26), date(2026, 11, 26)),
    "1.32": Support(date(2026, 3, 23), date(2027, 3, 23)),
    "1.33": Support(date(2026, 7, 29), date(2027, 7, 29)),
    "1.34": Support(date(2026, 12, 2), date(2027, 12, 2)),
    "1.35": Support(date(2027, 3, 27), date(2028, 3, 27)),
    "1.36": Support(date(2027, 8, 1), date(2028, 8, 1)),
}
"""By minor version. One that isn't here is newer, and the service alone knows."""

STANDARD, EXTENDED, ENDED, UNKNOWN = "standard", "extended", "ended", "unknown"


def support_of(version: str, day: date) -> str:
    """STANDARD, EXTENDED or ENDED on this day; UNKNOWN for a version that has no row."""
    if (support := SUPPORT.get(version)) is None:
        return UNKNOWN
    return STANDARD if day < support.standard else EXTENDED if day < support.extended else ENDED
