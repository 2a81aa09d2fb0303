"""The tiers: how many tests of each ran and how long they took, and no skipping in those with a local cloud."""

import gc
from collections import Counter

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.asked import pytest_sessionfinish, pytest_testnodedown  # noqa: F401 - hooks

TIERS = ("local", "kubernetes")
# On `rag-dev`, which the last of them destroys.
SERVICE = ("tests/local/test_1_service.py", "tests/local/test_2_faults.py", "tests/local/test_9_destroy.py")
# On a stack of its own; the others of its tier share one.
ALONE = ("tests/kubernetes/test_5_finetuning_eks.py",)


class SideBySide(LoadScopeScheduling):
    """`--dist loadgroup`: what shares a stack or a local cloud stays on one worker, which takes its tests in order."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        if file.startswith("tests/localcloud/"):
            return "localcloud"
        if file.startswith("tests/kubernetes/") and file not in ALONE:
            return "controllers"
        return "rag-dev" if file in SERVICE else file


def pytest_collection_finish(session):
    """What is imported stays: looking through it for garbage again and again took a quarter of the unit tier's time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def pytest_xdist_make_scheduler(config, log):
    return SideBySide(config, log) if config.option.dist == "loadgroup" else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In tiers with a local cloud a skip is a failure: what can't run here hasn't been shown."""
    outcome = yield
    report = outcome.get_result()
    report.tier = next((tier for tier in TIERS if item.get_closest_marker(tier)), "unit")
    if report.skipped and report.tier in TIERS:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped; the {report.tier} tier must run whole"


def pytest_terminal_summary(terminalreporter):
    """A line a tier, and the seconds of its files that took longest, fixtures included."""
    reports = [
        report
        for outcome in ("passed", "failed", "error", "")
        for report in terminalreporter.stats.get(outcome, [])
        if hasattr(report, "tier")
    ]
    for tier in ("unit", *TIERS):
        mine = [report for report in reports if report.tier == tier]
        outcomes = [report.outcome for report in mine if report.when == "call"]
        if not outcomes:
            continue
        seconds = Counter()
        for report in mine:
            seconds[report.location[0]] += report.duration
        terminalreporter.write_line(
            f"tier {tier}: {len(outcomes)} ran, {outcomes.count('failed')} failed, {seconds.total():.0f} s of tests"
        )
        for file, took in seconds.most_common():
            if took >= 1:
                terminalreporter.write_line(f"{took:7.0f} s  {file}")
