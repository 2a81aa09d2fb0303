"""A tuned model that writes answers, with a hosted one as its fallback."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tandem_contract.errors import TandemError, Unavailable

from tandem.models.chat import Completion
from tandem.runtime.circuit_breaker import CircuitBreaker, CircuitOpen
from tandem.runtime.retry import Deadline

from .writers import Writer

# A question has 24 seconds (functions/query.py). Of what retrieval leaves of them the second writer keeps enough for an
# answer, whatever the first does. Too little for the first would only look like its failure, so then it isn't asked.
FIRST_SECONDS, LEAST_FIRST_SECONDS, SECOND_SECONDS = 10.0, 4.0, 8.0


class FallbackWriter:
    """The first writer while its circuit is closed and there is time for both, else the second.

    `failed` is told of each failure of the first.
    """

    def __init__(self, first: Writer, second: Writer, circuit: CircuitBreaker, failed: Callable[[str], None]):
        self._first, self._second, self._circuit, self._failed = first, second, circuit, failed
        # A client's timeouts bound each wait for data, not the whole of an answer that trickles. What is left behind
        # here ends by itself: SageMaker gives a model 60 seconds.
        self._pool = ThreadPoolExecutor(4)

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Completion:
        """As `Writer.write`: it raises when neither can."""
        spare = deadline.remaining() - SECOND_SECONDS
        if spare >= LEAST_FIRST_SECONDS:
            patience = deadline.within(min(FIRST_SECONDS, spare))

            def first() -> Completion:
                try:
                    written = self._pool.submit(self._first.write, instructions, prompt, patience)
                    return written.result(patience.remaining())
                except TimeoutError as error:
                    raise Unavailable("the first model has not answered in time") from error

            try:
                return self._circuit.call(first)
            except CircuitOpen:
                pass
            except TandemError as error:
                self._failed(str(error))
        return self._second.write(instructions, prompt, deadline)
