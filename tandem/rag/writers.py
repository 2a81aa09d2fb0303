"""Answer writers: the protocol, and one model."""

from typing import Protocol

from tandem.models.chat import ChatModel, Completion
from tandem.models.errors import Refused
from tandem.runtime.retry import Deadline, Transient, retry

MAX_TOKENS = 300
RETRY_SECONDS = 15.0


class Writer(Protocol):
    """Writes texts."""

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Completion:
        """A text that is never empty. Raises `Unavailable`, or `Refused`."""
        ...


class ModelWriter:
    """A chat model, asked up to `tries` times."""

    def __init__(self, model: ChatModel, tries: int = 4):
        self._model, self._tries = model, tries

    def write(self, instructions: str, prompt: str, deadline: Deadline) -> Completion:
        """As `Writer.write`."""
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": prompt}]

        def ask() -> Completion:
            answer = self._model.chat(messages, MAX_TOKENS, deadline)
            if not (text := answer.text.strip()):
                problem = f"{answer.model} gave no text: {answer.missing}"
                if answer.ended:  # for a reason that the next try would end for too
                    raise Refused(problem, told="The model that writes gave no text: " + answer.missing)
                raise Transient(problem)
            return answer._replace(text=text)

        # A refusal comes at once and is worth another try; a model that was silent for long would only be asked again
        # behind its own abandoned answer.
        return retry(ask, deadline.within(RETRY_SECONDS), tries=self._tries)
