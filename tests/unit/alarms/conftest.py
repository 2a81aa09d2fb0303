"""What the handlers need to run here is that of their own tests."""

from tests.unit.rag.conftest import (  # noqa: F401
    answering,
    environment,
    no_pauses,
    read_in_this_process,
    stack,
    variables,
)
