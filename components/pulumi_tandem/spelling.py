"""Names as stack files and other languages write them, in camelCase, in texts that were written about Python's."""

import re

from tandem_contract.errors import Mistake
from tandem_contract.fields import camel

from .components import COMPONENTS
from .foundation.outputs import declared

NAMES = {
    *(name for each in COMPONENTS.values() for table in each.within() for name in table.fields),
    *(each for component in COMPONENTS for each in declared(component)),
}
"""Arguments, also those in others, and outputs."""


def spelled(text: str) -> str:
    """A text with the names of arguments and outputs in camelCase; words that are none stay, such as keys of tags."""
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda match: camel(match[0]) if match[0] in NAMES else match[0], text)


def respelled(mistake: Mistake) -> Mistake:
    """A mistake in arguments as somebody reads it who wrote them in camelCase."""
    return Mistake(*map(spelled, mistake))
