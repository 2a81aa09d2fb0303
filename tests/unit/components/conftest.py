"""An engine for tests that make a component outside a program: environments ask for their region first."""

import pytest

from scripts.recorder import record


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """The one of an empty program, until a test records its own."""
    record(lambda: None)
