"""Requests to AWS are checked and written down in each test (tests/support/aws_requests.py)."""

from pathlib import Path

import pytest

from tests.support import aws_requests

HERE = Path(__file__).parent
aws_requests.watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if item.path.is_relative_to(HERE):  # pytest asks this of tests in all folders
        aws_requests.RECORDING.append(item.nodeid)
    try:
        return (yield)
    finally:
        aws_requests.RECORDING.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """A request that AWS would refuse fails its test, whatever the code makes of the failure."""
    aws_requests.WRONG.clear()
    try:
        return (yield)
    finally:
        if aws_requests.WRONG:
            pytest.fail("AWS would refuse:\n" + "\n".join(aws_requests.WRONG), pytrace=False)
