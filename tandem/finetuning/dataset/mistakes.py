"""What is wrong with a data set: every mistake with its file, line, field, value and remedy, all in one error."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SHOWN = 50  # lines; the rest is counted
MISSING = object()


@dataclass(frozen=True)
class Mistake:
    """One thing to mend. `line` is 0 where the whole file is meant; `value` is `MISSING` where there is none."""

    file: str
    line: int
    field: str
    value: Any
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        what = "is missing" if self.value is MISSING else f"is {shortened(self.value)}"
        return f"{place}: {self.field} {what}: {self.remedy}"


class DataSetError(ValueError):
    """A data set was refused; `mistakes` has all reasons, the text the first of them and how many more there are."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = list(mistakes)
        count = len(self.mistakes)
        lines = [f"{count} mistake{'s' if count > 1 else ''}:", *map(str, self.mistakes[:SHOWN])]
        if count > SHOWN:
            lines.append(f"... and {count - SHOWN} more")
        super().__init__("\n".join(lines))


def shortened(value: Any, length: int = 60) -> str:
    """Return a value as JSON on one line, cut after `length` characters."""
    text = json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else f"{text[: length - 3]}..."
