"""What the tests of `tandem eval` ask, and what is answered."""

import json
from pathlib import Path

from tests.support.chat_api import completion


def lines(path: Path, *entries: dict) -> Path:
    """Write a file of JSON lines."""
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return path


def say(text: str) -> tuple[int, dict]:
    """What a model answers."""
    return 200, completion("34 francs" if "cost" in text else "The documents do not say.")
