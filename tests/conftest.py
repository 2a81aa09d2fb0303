"""The two tiers: how many tests of each ran, and no skipping in the one that needs the local cloud."""

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """In the local tier a skip is a failure: what can't run here hasn't been shown."""
    outcome = yield
    report = outcome.get_result()
    report.tier = "local" if item.get_closest_marker("local") else "unit"
    if report.skipped and report.tier == "local":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped; the local tier must run whole"


def pytest_terminal_summary(terminalreporter):
    """A line a tier."""
    reports = [r for r in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])]
    for tier in ("unit", "local"):
        outcomes = [r.outcome for r in reports if getattr(r, "tier", "") == tier and r.when == "call"]
        if outcomes:
            terminalreporter.write_line(f"tier {tier}: {len(outcomes)} ran, {outcomes.count('failed')} failed")
