"""Names as stack files and other languages write them, in camelCase, in texts that were written about Python's."""

import re

from tandem_contract.errors import Mistake
from tandem_contract.fields import camel

from .environments.finetuning_environment import FineTuningEnvironment
from .environments.hybrid_environment import HYBRID, HybridEnvironment
from .environments.rag_environment import RagEnvironment
from .foundation.outputs import declared

NAMES = {
    *(name for table in HYBRID.within() for name in table.fields),
    *(each for kind in (RagEnvironment, FineTuningEnvironment, HybridEnvironment) for each in declared(kind)),
}
"""Arguments, also those in others, and outputs."""


def spelled(text: str) -> str:
    """A text with the names of arguments and outputs in camelCase; words that are none stay, such as keys of tags."""
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda match: camel(match[0]) if match[0] in NAMES else match[0], text)


def respelled(mistake: Mistake) -> Mistake:
    """A mistake in arguments as somebody reads it who wrote them in camelCase."""
    return Mistake(*map(spelled, mistake))
