"""Which support a version of Kubernetes has on a day."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from tandem_contract.kubernetes_versions import ENDED, EXTENDED, STANDARD, SUPPORT, UNKNOWN, support_of

DAY = timedelta(days=1)


def test_versions_stand_in_their_order():
    assert all(before.standard < after.standard for before, after in pairwise(SUPPORT.values()))
    minors = [int(version.removeprefix("1.")) for version in SUPPORT]
    assert minors == list(range(minors[0], minors[0] + len(minors)))
    assert all(support.extended.replace(year=support.standard.year) == support.standard for support in SUPPORT.values())


@pytest.mark.parametrize("version", SUPPORT)
def test_support_ends_with_the_start_of_its_day(version):
    standard, extended = SUPPORT[version]
    days = (standard - DAY, standard, extended - DAY, extended)
    assert [support_of(version, day) for day in days] == [STANDARD, EXTENDED, EXTENDED, ENDED]


def test_of_other_versions_only_what_follows_is_said():
    newest = list(SUPPORT.values())[-1].standard
    assert support_of("1.9", date(2026, 11, 30)) == ENDED
    assert [support_of("1.99", day) for day in (newest - DAY, newest)] == [STANDARD, UNKNOWN]


@pytest.mark.faults
@pytest.mark.parametrize("version", ["", "latest", "2.0", "1.x", "1.36.2", "136", "1."])
def test_what_is_no_version(version):
    with pytest.raises(ValueError, match=r"is not a version as '1\.36'"):
        support_of(version, date(2026, 11, 30))
